//! Walks frames through the interpreter's public functions: slower, for layouts that are not known.
//!
//! These functions create frame objects, so they allocate: the caller has marked the thread as inside a hook, which
//! keeps those allocations out of the books. They could also start a garbage collection (up to 3.11 an allocation of
//! a tracked object may run one at once), which would run the program's own finalizers in the middle of an
//! allocation; so the collector is off during the walk.
//!
//! Allocations in the RAW domain are not walked: whoever makes one may hold a lock that ours then wait for.

use crate::ffi::{Api, PyObject, PyThreadState, calling_interpreter};
use crate::frame::{Frames, RawFrame, composed_key};

/// # Safety
/// `state` belongs to the calling thread, which holds the GIL and is marked as inside a hook.
pub(crate) unsafe fn walk(api: &Api, state: *const u8, frames: &mut Frames) {
    frames.clear();
    // SAFETY: the caller holds the GIL. Each call returns a new reference or null, and each reference is released; the
    // code object stays alive because the frame that runs it does.
    unsafe {
        calling_interpreter(api, || {
            let collecting = (api.gc_disable)() == 1;
            let mut frame = (api.thread_state_frame)(state.cast_mut().cast::<PyThreadState>());
            while !frame.is_null() {
                let code: *mut PyObject = (api.frame_code)(frame);
                let line = u32::try_from((api.frame_line)(frame)).unwrap_or(0);
                let more = frames.push(RawFrame {
                    key: composed_key(code.cast(), line),
                    frame: code.cast(),
                    slot: std::ptr::null_mut(),
                });
                (api.decref)(code);
                let back = if more { (api.frame_back)(frame) } else { std::ptr::null_mut() };
                (api.decref)(frame);
                frame = back;
            }
            if collecting {
                (api.gc_enable)();
            }
        });
    }
}
