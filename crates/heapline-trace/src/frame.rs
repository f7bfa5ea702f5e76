//! Walks the frames of the calling thread.
//!
//! A frame is reduced to a *key*: a number that stands for its code object and its current instruction. From 3.11 on
//! the key is the address of the instruction, which lies inside the code object; in 3.10, and where frames are read
//! through the public API, it is made of the code object's address and the instruction's index or the line. Keys are
//! valid as long as the code object lives; [`crate::code`] notices when one dies.
//!
//! This is the plain walk, which reads all frames; [`crate::token_walk`] stops where nothing is new.

use std::io;

use crate::ffi::PyObject;
use crate::layout::{LAYOUTS, Layout, OWNED_BY_C_STACK, OWNED_BY_GENERATOR, read};
use crate::region::Region;

/// A frame as the walk sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawFrame {
    pub(crate) key: u64,
    /// The interpreter's frame; when frames are read through the public API, the code object.
    pub(crate) frame: *const u8,
    /// Where a token for this frame may be left, or null.
    pub(crate) slot: *mut u64,
}

/// Most frames of one stack that are walked; of deeper ones the innermost.
const DEPTH_LIMIT: usize = 1 << 20;

/// The frames of one walk, most recent first.
#[derive(Debug)]
pub(crate) struct Frames {
    memory: Region,
    length: usize,
    pub(crate) truncated: bool,
    /// Node of the frame that called the outermost of these, where the walk found a token of it.
    pub(crate) base: Option<u32>,
    /// What tokens of this session have in common.
    pub(crate) tag: u64,
    /// Address of `None`.
    pub(crate) none: *const u8,
}

impl Frames {
    pub(crate) fn new(tag: u64, none: *const u8) -> io::Result<Self> {
        let memory = Region::lazy(DEPTH_LIMIT * size_of::<RawFrame>())?;
        Ok(Self { memory, length: 0, truncated: false, base: None, tag, none })
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
        self.truncated = false;
        self.base = None;
    }

    /// Appends a frame; false when there is no room for more.
    #[inline(always)]
    pub(crate) fn push(&mut self, frame: RawFrame) -> bool {
        if self.length == DEPTH_LIMIT {
            self.truncated = true;
            return false;
        }
        // SAFETY: the region has room for `DEPTH_LIMIT` frames.
        unsafe { self.memory.base().cast::<RawFrame>().add(self.length).write(frame) };
        self.length += 1;
        true
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[RawFrame] {
        // SAFETY: the first `length` frames were written by `push`.
        unsafe { std::slice::from_raw_parts(self.memory.base().cast(), self.length) }
    }
}

/// Walks the frames of an attached thread state into `frames`.
pub(crate) type Walk = unsafe fn(*const u8, &mut Frames);

/// The walk for a layout.
pub(crate) fn walk_for(layout: &Layout) -> Walk {
    match layout.version {
        (3, 10) => walk::<0>,
        (3, 11) => walk::<1>,
        (3, 12) => walk::<2>,
        (3, 13) => walk::<3>,
        // 3.15 has its frames where 3.14 has them.
        _ => walk::<4>,
    }
}

/// # Safety
/// `state` is the thread state of the calling thread, which holds the GIL, and `LAYOUTS[V]` is the interpreter's.
unsafe fn walk<const V: usize>(state: *const u8, frames: &mut Frames) {
    let layout = const { &LAYOUTS[V] };
    frames.clear();
    // SAFETY: with the GIL held, the chain of frames is complete and does not change under us.
    unsafe {
        let mut frame = *current_frame(layout, state);
        while !frame.is_null() {
            let is_python = V < 2 || read::<u8>(frame, const { owner_offset(V) }) < OWNED_BY_C_STACK;
            if is_python
                && !frames.push(RawFrame { key: key(layout, frame), frame, slot: std::ptr::null_mut() })
            {
                return;
            }
            frame = read(frame, layout.previous);
        }
    }
}

pub(crate) const fn owner_offset(version: usize) -> usize {
    match LAYOUTS[version].owner {
        Some(offset) => offset,
        None => 0,
    }
}

/// Address of the field that holds a thread's current frame.
///
/// # Safety
/// `state` is a live thread state of an interpreter with this layout.
#[inline(always)]
pub(crate) unsafe fn current_frame(layout: &Layout, state: *const u8) -> *mut *const u8 {
    // SAFETY: as the caller promises.
    unsafe {
        let holder = match layout.cframe {
            Some(offset) => read(state, offset),
            None => state,
        };
        holder.add(layout.current_frame).cast_mut().cast()
    }
}

/// # Safety
/// `frame` is a live frame of an interpreter with this layout.
#[inline(always)]
pub(crate) unsafe fn key(layout: &Layout, frame: *const u8) -> u64 {
    // SAFETY: as the caller promises.
    unsafe {
        if layout.instruction_is_index {
            let index: i32 = read(frame, layout.instruction);
            return composed_key(read::<*const u8>(frame, layout.code), (index + 1) as u32);
        }
        read(frame, layout.instruction)
    }
}

const INDEX_BITS: u32 = 20;
const INDEX_MAX: u32 = (1 << INDEX_BITS) - 1;

/// A key of 63 bits from a code object and a number below a million; larger numbers share one key.
#[inline(always)]
pub(crate) fn composed_key(code: *const u8, number: u32) -> u64 {
    (code as u64 >> 4) << INDEX_BITS | u64::from(number.min(INDEX_MAX))
}

/// The number that [`composed_key`] was given.
pub(crate) fn key_number(key: u64) -> u32 {
    key as u32 & INDEX_MAX
}

/// The code object of a frame, and the byte offset of its instruction; `None` when the frame is not complete yet, or
/// is not a Python function's.
///
/// # Safety
/// `raw` comes from a walk with this layout that has just been made, and `code_type` is the type of code objects.
pub(crate) unsafe fn position(
    layout: &Layout,
    raw: RawFrame,
    code_type: *const PyObject,
) -> (*mut PyObject, Option<i32>) {
    // SAFETY: as the caller promises; what stands in the code field of a Python frame is an object, and an object's
    // type stands at offset 8.
    unsafe {
        let code = layout.object(raw.frame, layout.code);
        if code.is_null() || read::<*const PyObject>(code, 8) != code_type {
            return (std::ptr::null_mut(), None);
        }
        let object = code.cast_mut().cast::<PyObject>();
        if layout.instruction_is_index {
            let index: i32 = read(raw.frame, layout.instruction);
            return (object, Some(index.saturating_mul(2)));
        }
        let offset = raw.key.wrapping_sub(code.add(layout.code_start) as u64) as i64 as i32;
        let complete = match (layout.first_traceable, layout.owner) {
            (Some(first), Some(owner)) => {
                read::<u8>(raw.frame, owner) == OWNED_BY_GENERATOR || offset >= read::<i32>(code, first) * 2
            }
            _ => true,
        };
        (object, complete.then_some(offset))
    }
}
