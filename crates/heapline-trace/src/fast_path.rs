//! What nearly every allocation and free takes: no loop, no call, nothing kept on the stack.
//!
//! Each function answers only when all is as usual (a thread of the main interpreter, a caller that waits at a token, a
//! stack that is known, a block of ordinary size, nothing left to carry over, no look at the clock that is due) and otherwise changes
//! nothing and says so; then the general path does the whole work. So this file holds no rule of its own: verify mode
//! compares it with the plain walk.

use std::sync::atomic::Ordering;

use crate::block_table::{Block, Entry};
use crate::environment;
use crate::fork::SESSION;
use crate::frame::{current_frame, key, owner_offset};
use crate::layout::{LAYOUTS, OWNED_BY_C_STACK, OWNED_BY_THREAD, read};
use crate::recorder::Recorder;
use crate::remote;
use crate::session::Session;
use crate::thread_state;
use crate::token_walk::{dead_slot, entry_flag, node_of};

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

/// The account of the calling thread's stack, if the innermost frame's caller holds a token.
///
/// # Safety
/// As for [`position`].
#[inline(always)]
pub(crate) unsafe fn account<const V: usize>(recorder: &mut Recorder, state: *const u8) -> Option<u32> {
    // SAFETY: as the caller promises.
    let Position { node, key } = unsafe { position::<V>(recorder, state) }?;
    recorder.tree.known_account(node, key)
}

/// Books an allocation of the calling thread's; false if it has not. `with_gil`: some interpreter's GIL is held.
///
/// # Safety
/// `V` is not 0; the interpreter has that layout, and its thread states are found without a call.
#[inline(always)]
pub(crate) unsafe fn allocated<const V: usize>(address: usize, size: usize, with_gil: bool) -> bool {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() {
        return false;
    }
    let state = attached::<V>(with_gil);
    if state.is_null() || remote::pending() {
        return false;
    }
    // SAFETY: a session ends only with the main GIL held, which this thread holds; so nobody else uses the recorder.
    unsafe {
        let recorder = &mut *(*session).recorder.get();
        let Some(Position { node, key }) = position::<V>(recorder, state) else { return false };
        let Some(account) = recorder.tree.recent_account(node, key) else { return false };
        if recorder.is_look_due() || !recorder.accounts.is_usual() {
            return false;
        }
        if !(*session).blocks.put_usual(address, Block { account, size, birth: recorder.birth() }) {
            return false;
        }
        recorder.count_as_usual(account, address, size);
        true
    }
}

/// Books an allocation under a stack that is known but was not looked up lately, or when other things are due; false
/// if it has not.
///
/// # Safety
/// As for [`allocated`]; `state` is the calling thread's, which is attached to the main interpreter, and the session is
/// alive.
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
        if remote::pending() {
            return false;
        }
        let Some(account) = account::<V>(recorder, state) else { return false };
        if !(*session).blocks.put_usual(address, Block { account, size, birth: recorder.birth() }) {
            return false;
        }
        recorder.count(account, address, size);
        true
    }
}

/// Books the free of a block; false if it has not.
///
/// # Safety
/// As for [`allocated`], but `V` may be 0.
#[inline(always)]
pub(crate) unsafe fn freed<const V: usize>(address: usize, with_gil: bool) -> bool {
    let session = SESSION.load(Ordering::Acquire);
    if session.is_null() || attached::<V>(with_gil).is_null() || remote::pending() {
        return false;
    }
    // SAFETY: as in `allocated`.
    unsafe {
        let accounts = &mut (*(*session).recorder.get()).accounts;
        if !accounts.is_usual_free() {
            return false;
        }
        match (*session).blocks.take_usual(address) {
            Some(Entry::Nothing) => true,
            Some(Entry::Block(block)) => {
                accounts.freed_as_usual(block.account, block.size);
                true
            }
            _ => false,
        }
    }
}
