//! What nearly every allocation and free takes: no call, nothing kept on the stack, a loop only below frames that are new.
//!
//! Each function answers only when all is as usual (a thread of the main interpreter, a caller that waits at a token, a
//! stack that is known, a block of ordinary size, nothing left to carry over, no more than one layer) and otherwise
//! books nothing and says so; then the general path does the whole work. So this file holds no rule of its own: verify
//! mode compares it with the plain walk. The one call is a look at the clock, when it is due.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use crate::environment;
use crate::fork::{self, SESSION};
use crate::frame::{current_frame, key, owner_offset};
use crate::layout::{LAYOUTS, OWNED_BY_C_STACK, OWNED_BY_THREAD, read};
use crate::recorder::Recorder;
use crate::remote;
use crate::session::Session;
use crate::thread_local;
use crate::thread_state;
use crate::token_walk::{dead_slot, entry_flag, node_of, token};
use crate::tree::OVERFLOW;
use crate::walker::FastAnswer;

/// The calling thread's state, if it is attached to the main interpreter; null if not, or if that takes a call to
/// find out. `V`: index of the interpreter's layout, if its thread states are found without a call; 0 for any.
#[inline(always)]
pub(crate) fn attached<const V: usize>(with_gil: bool) -> *const u8 {
    let state: *const u8 = thread_state::without_call::<V>(with_gil).cast();
    // SAFETY: the state of an attached thread is alive. Its interpreter stands at an offset that was checked before
    // `without_call` answered with anything but null.
    let is_main = !state.is_null()
        && unsafe { read::<*mut std::ffi::c_void>(state, thread_state::INTERPRETER_OFFSET) }
            == environment::main_interpreter();
    if is_main { state } else { std::ptr::null() }
}

/// Where an allocation was made: below a node of the tree, at an instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    node: u32,
    key: u64,
}

/// Where the calling thread is, if the innermost frame's caller holds a token.
///
/// # Safety
/// `state` is the thread state of the calling thread, which holds the GIL, and `LAYOUTS[V]` is the interpreter's.
#[inline(always)]
pub(crate) unsafe fn position<const V: usize>(recorder: &Recorder, state: *const u8) -> Option<Position> {
    let layout = const { &LAYOUTS[V] };
    // SAFETY: with the GIL held, the chain of frames is complete and does not change under us.
    unsafe {
        let frame = *current_frame(layout, state);
        if frame.is_null() || read::<u8>(frame, const { owner_offset(V) }) != OWNED_BY_THREAD {
            return None;
        }
        if V == 1 && read::<u8>(frame, const { entry_flag(V) }) != 0 {
            return None;
        }
        let caller: *const u8 = read(frame, layout.previous);
        if caller.is_null() || (V >= 2 && read::<u8>(caller, const { owner_offset(V) }) >= OWNED_BY_C_STACK) {
            return None;
        }
        let frames = &recorder.walker.frames;
        let node = node_of(frames.tag, *dead_slot::<V>(caller, frames.none)?)?;
        Some(Position { node, key: key(layout, frame) })
    }
}

/// Most frames that are walked here.
const NEW_FRAMES: usize = 8;

/// The account of the calling thread's stack, if a caller not far away holds a token and the frames from there on are
/// known. Leaves tokens in them.
///
/// # Safety
/// As for [`position`].
#[inline(always)]
unsafe fn account_in_new_frames<const V: usize>(recorder: &mut Recorder, state: *const u8) -> Option<u32> {
    let layout = const { &LAYOUTS[V] };
    let (tag, none) = (recorder.walker.frames.tag, recorder.walker.frames.none);
    // Keys, and where tokens may be left; the innermost frame first.
    let mut new = [const { MaybeUninit::<(u64, *mut u64)>::uninit() }; NEW_FRAMES];
    let mut length = 0;
    let mut called_inline = false;
    // SAFETY: with the GIL held, the chain of frames is complete and does not change under us; the first `length` are
    // written; the slot of a frame that waits for its callee is dead where `dead_slot` says so.
    unsafe {
        let mut frame = *current_frame(layout, state);
        let base = loop {
            if frame.is_null() {
                return None;
            }
            let owner: u8 = read(frame, const { owner_offset(V) });
            if V < 2 || owner < OWNED_BY_C_STACK {
                let mut slot = std::ptr::null_mut();
                if called_inline && let Some(found) = dead_slot::<V>(frame, none) {
                    if let Some(node) = node_of(tag, *found) {
                        break node;
                    }
                    slot = found;
                }
                new.get_mut(length)?.write((key(layout, frame), slot));
                length += 1;
                called_inline =
                    owner == OWNED_BY_THREAD && (V != 1 || read::<u8>(frame, const { entry_flag(V) }) == 0);
            } else {
                called_inline = false;
            }
            frame = read(frame, layout.previous);
        };
        let mut node = base;
        for place in (1..length).rev() {
            let (key, slot) = new.get_unchecked(place).assume_init();
            node = recorder.tree.known_node(node, key)?;
            if !slot.is_null() && node != OVERFLOW {
                *slot = token(tag, node);
            }
        }
        recorder.tree.known_account(node, new[0].assume_init().0)
    }
}

/// The account of the calling thread's stack by either way, for verify mode.
///
/// # Safety
/// As for [`position`].
pub(crate) unsafe fn account<const V: usize>(recorder: &mut Recorder, state: *const u8) -> FastAnswer {
    // SAFETY: as the caller promises.
    let (near, far) = unsafe {
        let near = position::<V>(recorder, state);
        let near = near.and_then(|Position { node, key }| recorder.tree.known_account(node, key));
        (near, account_in_new_frames::<V>(recorder, state))
    };
    match (near, far) {
        (Some(near), Some(far)) if near != far => FastAnswer::Differ,
        _ => near.or(far).map_or(FastAnswer::Unknown, FastAnswer::Account),
    }
}

/// What became of an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Booked {
    Yes,
    /// All is as usual in the session and for the thread with this state, but not where it stands, or not with the block.
    Elsewhere(*mut Session, *const u8),
    /// Not all is as usual.
    Unknown,
}

/// Books an allocation of the calling thread's, if it can. `with_gil`: some interpreter's GIL is held.
///
/// # Safety
/// `V` is not 0; the interpreter has that layout, and its thread states are found without a call.
#[inline(always)]
pub(crate) unsafe fn allocated<const V: usize>(address: usize, size: usize, with_gil: bool) -> Booked {
    let session = fork::usual_session();
    if session.is_null() {
        return Booked::Unknown;
    }
    let state = attached::<V>(with_gil);
    if state.is_null() {
        return Booked::Unknown;
    }
    let elsewhere = Booked::Elsewhere(session, state);
    // SAFETY: a session ends only with the main GIL held, which this thread holds; so nobody else uses the recorder.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        let Some(Position { node, key }) = position::<V>(recorder, state) else { return elsewhere };
        let Some(account) = recorder.tree.recent_account(node, key) else { return elsewhere };
        if !(*session).blocks.put_usual(address, account, size, recorder.born) {
            return elsewhere;
        }
        recorder.count_as_usual(account.account(), address, size);
        Booked::Yes
    }
}

/// Books an allocation below new frames, or under a stack that was not looked up lately; false if it has not.
///
/// # Safety
/// As for [`allocated`]; `state` is the calling thread's, which is attached to the main interpreter, the session is
/// alive, and nothing is left to carry over.
#[inline(always)]
pub(crate) unsafe fn allocated_elsewhere<const V: usize>(
    session: *mut Session,
    state: *const u8,
    address: usize,
    size: usize,
) -> bool {
    // SAFETY: the GIL is held, so nobody else uses the recorder.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        let Some(account) = account_in_new_frames::<V>(recorder, state) else { return false };
        recorder.book_block(&(*session).blocks, account, address, size);
        true
    }
}

/// An object that was just made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made {
    /// There is nothing to book.
    Known,
    /// It may have been made of memory that is used again, by the thread with this state, while this is recorded.
    Elsewhere(*mut Session, *const u8),
    /// Not all is as usual.
    Unknown,
}

/// Looks whether an object is the block that was allocated last.
///
/// # Safety
/// As for [`allocated`], with the GIL of some interpreter held.
#[inline(always)]
pub(crate) unsafe fn made<const V: usize>(object: *const u8) -> Made {
    let session = fork::usual_session();
    if session.is_null() {
        return if SESSION.load(Ordering::Acquire).is_null() { Made::Known } else { Made::Unknown };
    }
    let state = attached::<V>(true);
    if state.is_null() {
        return Made::Known;
    }
    // SAFETY: as in `allocated`.
    let recorder = unsafe { &mut *(*session).recorder.get() };
    if recorder.was_just_allocated_at_or_before(object as usize) {
        Made::Known
    } else {
        Made::Elsewhere(session, state)
    }
}

/// What became of such an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Again {
    /// There is nothing to book any more.
    Known,
    /// It may have been made of the block at this address, which is not the latest; the stack has yet to be found. Whoever
    /// asks again whether it was just allocated hears that it was not.
    Unknown(usize),
}

/// Books an object that may have been made of memory that is used again.
///
/// # Safety
/// As for [`made`], which gave the session and the state; and the object is alive.
#[inline(always)]
pub(crate) unsafe fn made_elsewhere<const V: usize>(
    object: *const u8,
    session: *mut Session,
    state: *const u8,
) -> Again {
    // SAFETY: as in `allocated`. An object's type stands at offset 8, and the block is this thread's own.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        if (*thread_local::current()).inside != 0 {
            return Again::Known;
        }
        let address = block_of(object);
        if recorder.was_just_allocated(address) {
            return Again::Known;
        }
        if recorder.walker.verifies() {
            return Again::Unknown(address);
        }
        // Memory without a slot is counted nowhere: most of it is from before the recording.
        let Some(found) = (*session).blocks.find(address) else { return Again::Known };
        let Some(Position { node, key }) = position::<V>(recorder, state) else {
            return Again::Unknown(address);
        };
        let Some(account) = recorder.tree.recent_account(node, key) else { return Again::Unknown(address) };
        let outlive = |account, size| recorder.accounts.outlive(account, size);
        if let Some((before, size)) = found.move_to(account, recorder.born, outlive) {
            recorder.accounts.moved_as_usual(before, account.account(), size);
        }
        Again::Known
    }
}

/// All of this together; false if the general path is to do it.
///
/// # Safety
/// As for [`made`]; and the object is alive.
pub(crate) unsafe fn created<const V: usize>(object: *const u8) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        match made::<V>(object) {
            Made::Known => true,
            Made::Elsewhere(session, state) => match made_elsewhere::<V>(object, session, state) {
                Again::Known => true,
                Again::Unknown(address) => revived_elsewhere::<V>(session, state, address),
            },
            Made::Unknown => false,
        }
    }
}

/// In `PyTypeObject`; public, the same in every version.
pub(crate) const TYPE_FLAGS: usize = 168;
const FLAG_GC: u64 = 1 << 14;
/// Managed weak references, managed dictionary: such objects have two more words in front.
const FLAGS_PREHEADER: u64 = 1 << 3 | 1 << 4;
/// Bytes of two words.
const WORDS: u64 = 16;

/// Address of the block that an object lies in, from CPython 3.13 on.
///
/// # Safety
/// The object is alive.
#[inline(always)]
pub(crate) unsafe fn block_of(object: *const u8) -> usize {
    // SAFETY: an object's type stands at offset 8.
    let flags: u64 = unsafe { read(read(object, 8), TYPE_FLAGS) };
    // Without a branch, for types come in any order. The sum carries where at least one of the two flags is set.
    let header = (flags & FLAG_GC) >> (FLAG_GC.trailing_zeros() - WORDS.trailing_zeros());
    let before = ((flags & FLAGS_PREHEADER) + FLAGS_PREHEADER) >> 1 & WORDS;
    object as usize - header as usize - before as usize
}

/// Books the account of an object that was made of memory that is used again, below new frames; false if it has not.
///
/// # Safety
/// As for [`allocated_elsewhere`].
#[inline(always)]
pub(crate) unsafe fn revived_elsewhere<const V: usize>(
    session: *mut Session,
    state: *const u8,
    address: usize,
) -> bool {
    // SAFETY: the GIL is held, so nobody else uses the recorder.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        if remote::pending() || recorder.walker.verifies() {
            return false;
        }
        let Some(account) = account_in_new_frames::<V>(recorder, state) else { return false };
        recorder.revived(&(*session).blocks, address, account);
        true
    }
}

/// Books the free of a block; false if it has not.
///
/// # Safety
/// As for [`allocated`], but `V` may be 0.
#[inline(always)]
pub(crate) unsafe fn freed<const V: usize>(address: usize, with_gil: bool) -> bool {
    let session = fork::usual_session_to_frees();
    if session.is_null() || attached::<V>(with_gil).is_null() {
        return false;
    }
    // SAFETY: as in `allocated`.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        if !recorder.accounts.is_below_mark() {
            return false;
        }
        let outlive = |account, size| recorder.accounts.outlive(account, size);
        match (*session).blocks.take_usual(address, recorder.born, outlive) {
            Some(Some((account, size))) => {
                recorder.accounts.freed_as_usual(account, size);
                true
            }
            Some(None) => true,
            None => false,
        }
    }
}
