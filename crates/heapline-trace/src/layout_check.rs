//! Decides, once per process, how frames are read.
//!
//! The known layout for this version is used to walk the current stack, reading through the kernel
//! (`process_vm_readv`), so that a wrong offset is an error and not a crash. The walk must give the same code objects
//! and lines as the interpreter's public functions, and the same names. If anything differs, or the version is not
//! known, frames are read through the public functions: slower, and right.

use std::ffi::CStr;

use crate::environment;
use crate::ffi::{Api, PyObject, PyThreadState, calling_interpreter, copy_string};
use crate::layout::{LAYOUTS, Layout, OWNED_BY_C_STACK, OWNED_BY_GENERATOR};

/// How the recorder reads frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameAccess {
    /// From the interpreter's own structures, whose layout was checked.
    Interpreter,
    /// Through the public frame functions: slower. Holds the reason, a fragment such as "the layout of 3.99 frames is
    /// not known".
    Public(String),
}

/// How frames are read in this process; `None` before the first recording.
#[must_use]
pub fn frame_access() -> Option<FrameAccess> {
    environment::known().map(|environment| environment.frame_access.clone())
}

/// Deepest stack that is compared.
const DEPTH: usize = 64;

/// For tests: `public` skips the known layouts, `mismatch` checks another version's.
const OVERRIDE: &str = "HEAPLINE_FRAMES";

/// # Safety
/// The caller holds the GIL and runs below at least one Python frame.
pub(crate) unsafe fn choose(
    api: &Api,
    version: (u8, u8),
    code_type: *const PyObject,
) -> (Option<&'static Layout>, FrameAccess) {
    static KNOWN: [Layout; 6] = LAYOUTS;
    let public = |reason: String| (None, FrameAccess::Public(reason));
    let forced = std::env::var(OVERRIDE).unwrap_or_default();
    let Some(index) = KNOWN.iter().position(|layout| layout.version == version) else {
        return public(format!("the layout of {}.{} frames is not known", version.0, version.1));
    };
    let layout = match forced.as_str() {
        "public" => return public(format!("{OVERRIDE}=public is set")),
        "mismatch" => {
            KNOWN.iter().find(|layout| layout.code_start != KNOWN[index].code_start).unwrap_or(&KNOWN[index])
        }
        _ => &KNOWN[index],
    };
    // SAFETY: as the caller promises.
    let (seen, expected) = unsafe { (walk(api, layout, code_type), public_walk(api)) };
    match seen {
        Some(seen) if !expected.is_empty() && seen == expected => (Some(layout), FrameAccess::Interpreter),
        _ => public(format!("{}.{} frames are not laid out as expected", version.0, version.1)),
    }
}

/// One frame as both walks see it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    code: usize,
    line: i32,
    file: String,
    name: String,
    first_line: i32,
}

/// Reads this process' memory without the danger of a fault.
pub(crate) fn fetch<T: Copy>(address: usize, offset: usize) -> Option<T> {
    let mut value = std::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the place is valid for its length. If it was written, all of it is; `T` is a plain integer in every use.
    unsafe {
        read_memory(address.wrapping_add(offset), value.as_mut_ptr().cast(), size_of::<T>())?;
        Some(value.assume_init())
    }
}

/// The same for several words.
pub(crate) fn fetch_words(address: usize, words: &mut [usize]) -> Option<()> {
    // SAFETY: the words are valid for their length.
    unsafe { read_memory(address, words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// # Safety
/// `to` is valid for writing so many bytes.
unsafe fn read_memory(address: usize, to: *mut u8, bytes: usize) -> Option<()> {
    let from = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes };
    let place = libc::iovec { iov_base: to.cast(), iov_len: bytes };
    // SAFETY: as the caller promises; the kernel checks `from`.
    unsafe {
        let read = libc::process_vm_readv(libc::getpid(), &raw const place, 1, &raw const from, 1, 0);
        if read == bytes as isize {
            return Some(());
        }
        // Sandboxes may forbid that call; the same through a file.
        let memory = std::fs::File::open("/proc/self/mem").ok()?;
        to.write_bytes(0, bytes);
        let buffer = std::slice::from_raw_parts_mut(to, bytes);
        std::os::unix::fs::FileExt::read_exact_at(&memory, buffer, address as u64).ok()
    }
}

/// The stack by the layout; `None` when it cannot be right.
unsafe fn walk(api: &Api, layout: &Layout, code_type: *const PyObject) -> Option<Vec<Seen>> {
    // SAFETY: the GIL is held.
    let state = unsafe { (api.thread_state)() } as usize;
    // SAFETY: no preconditions.
    let main = unsafe { (api.interpreter_main)() } as usize;
    if fetch::<usize>(state, layout.interpreter)? != main {
        return None;
    }
    let holder = match layout.cframe {
        Some(offset) => fetch::<usize>(state, offset)?,
        None => state,
    };
    let mut frame: usize = fetch(holder, layout.current_frame)?;
    let mut seen = Vec::new();
    while frame != 0 && seen.len() < DEPTH {
        if let Some(found) = frame_at(api, layout, code_type, frame)? {
            seen.push(found);
        }
        frame = fetch(frame, layout.previous)?;
    }
    Some(seen)
}

/// A frame by the layout; the inner `None` is a frame that tracebacks leave out.
fn frame_at(api: &Api, layout: &Layout, code_type: *const PyObject, frame: usize) -> Option<Option<Seen>> {
    let owner: u8 = match layout.owner {
        Some(offset) => fetch(frame, offset)?,
        None => 0,
    };
    if layout.version >= (3, 12) && owner >= OWNED_BY_C_STACK {
        return Some(None);
    }
    let code = layout.untagged(fetch(frame, layout.code)?);
    if fetch::<usize>(code, 8)? != code_type as usize {
        return None;
    }
    let offset = if layout.instruction_is_index {
        fetch::<i32>(frame, layout.instruction)?.checked_mul(2)?
    } else {
        let start = code.checked_add(layout.code_start)?;
        i32::try_from(fetch::<usize>(frame, layout.instruction)?.wrapping_sub(start) as isize).ok()?
    };
    if let Some(first) = layout.first_traceable
        && owner != OWNED_BY_GENERATOR
        && offset < fetch::<i32>(code, first)?.checked_mul(2)?
    {
        return Some(None);
    }
    let is_string = |object: usize| {
        let kind = fetch::<usize>(object, 8)?;
        (kind == crate::ffi::data_symbol(c"PyUnicode_Type") as usize).then_some(object as *mut PyObject)
    };
    let file = is_string(fetch(code, layout.code_filename)?)?;
    let name = is_string(fetch(code, layout.code_name)?)?;
    // SAFETY: `code` was just seen to be an object whose type is that of code objects, and the two others exact
    // strings; all are alive because a running frame holds them.
    unsafe {
        Some(Some(Seen {
            code,
            line: (api.code_line)(code as *mut PyObject, offset),
            file: copy_string(api, file, usize::MAX)?,
            name: copy_string(api, name, usize::MAX)?,
            first_line: fetch(code, layout.code_first_line)?,
        }))
    }
}

/// The stack by the interpreter's public functions.
unsafe fn public_walk(api: &Api) -> Vec<Seen> {
    let mut seen = Vec::new();
    // SAFETY: the caller holds the GIL; every new reference is released.
    unsafe {
        calling_interpreter(api, || {
            let mut frame = (api.thread_state_frame)((api.thread_state)().cast::<PyThreadState>());
            while !frame.is_null() {
                if seen.len() < DEPTH {
                    let code = (api.frame_code)(frame);
                    seen.push(Seen {
                        code: code as usize,
                        line: (api.frame_line)(frame),
                        file: text(api, code, c"co_filename"),
                        name: text_of_first(api, code, &[c"co_qualname", c"co_name"]),
                        first_line: number(api, code, c"co_firstlineno"),
                    });
                    (api.decref)(code);
                }
                let back = (api.frame_back)(frame);
                (api.decref)(frame);
                frame = back;
            }
        });
    }
    seen
}

unsafe fn text_of_first(api: &Api, object: *mut PyObject, attributes: &[&CStr]) -> String {
    // SAFETY: as `public_walk`.
    attributes
        .iter()
        .map(|name| unsafe { text(api, object, name) })
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

unsafe fn text(api: &Api, object: *mut PyObject, attribute: &CStr) -> String {
    // SAFETY: as `public_walk`; these attributes are strings where they exist.
    unsafe {
        let value = (api.getattr)(object, attribute.as_ptr());
        if value.is_null() {
            (api.error_clear)();
            return String::new();
        }
        let text = copy_string(api, value, usize::MAX).unwrap_or_default();
        (api.decref)(value);
        text
    }
}

unsafe fn number(api: &Api, object: *mut PyObject, attribute: &CStr) -> i32 {
    // SAFETY: as `public_walk`; the attribute is an int.
    unsafe {
        let value = (api.getattr)(object, attribute.as_ptr());
        if value.is_null() {
            (api.error_clear)();
            return -1;
        }
        let number = (api.as_long)(value) as i32;
        (api.decref)(value);
        number
    }
}
