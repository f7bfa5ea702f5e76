//! What nearly every allocation and free takes: no loop, no call, nothing kept on the stack.
//!
//! Each function answers only when all is as usual (a thread of the main interpreter, a caller that waits at a token, a
//! stack that is known, a block of ordinary size, nothing left to carry over) and otherwise changes nothing and says
//! so; then the general path does the whole work. So this file holds no rule of its own: verify mode compares it
//! with the plain walk.

use std::ffi::c_void;

use crate::block_table::{Block, Entry};
use crate::environment::Environment;
use crate::frame::{current_frame, key, owner_offset};
use crate::layout::{LAYOUTS, OWNED_BY_C_STACK, OWNED_BY_THREAD, read};
use crate::recorder::Recorder;
use crate::remote;
use crate::session::Session;
use crate::thread_state;
use crate::token_walk::{dead_slot, entry_flag, node_of};

/// The calling thread's state, if it is attached to the main interpreter; null if not, or if that takes a call to
/// find out.
#[inline(always)]
pub(crate) fn attached(environment: &Environment, with_gil: bool) -> *const u8 {
    let state: *const u8 = thread_state::without_call(with_gil).cast();
    // SAFETY: the state of an attached thread is alive. Its interpreter stands at an offset that was checked before
    // `without_call` answered with anything but null.
    let is_main = !state.is_null()
        && unsafe { read::<*mut c_void>(state, thread_state::INTERPRETER_OFFSET) }
            == environment.main_interpreter;
    if is_main { state } else { std::ptr::null() }
}

/// The account of the calling thread's stack, if the innermost frame's caller holds a token.
///
/// # Safety
/// `state` is the thread state of the calling thread, which holds the GIL, and `LAYOUTS[V]` is the interpreter's.
#[inline(always)]
pub(crate) unsafe fn account<const V: usize>(recorder: &mut Recorder, state: *const u8) -> Option<u32> {
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
        recorder.tree.known_account(node, key(layout, frame))
    }
}

/// Books an allocation; false if it has not.
///
/// # Safety
/// As for [`account`]; the session is alive.
#[inline(always)]
pub(crate) unsafe fn allocated<const V: usize>(
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
/// The calling thread holds the main interpreter's GIL, and the session is alive.
#[inline(always)]
pub(crate) unsafe fn freed(session: *mut Session, address: usize) -> bool {
    // SAFETY: as in `allocated`.
    unsafe {
        if remote::pending() {
            return false;
        }
        match (*session).blocks.take_usual(address) {
            Some(Entry::Nothing) => true,
            Some(Entry::Block(block)) => {
                (*(*session).recorder.get()).accounts.freed(block.account, block.size);
                true
            }
            _ => false,
        }
    }
}
