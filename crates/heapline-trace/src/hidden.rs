//! Runs a program as if nothing had called it.
//!
//! `heapline run` is Python code that calls the program, so the program's outermost frame would have ours below it:
//! in tracebacks, in `inspect.stack()`, in `sys._getframe().f_back`. The thread's current frame is set to none for as
//! long as the program runs, just as a greenlet library does when it starts a new greenlet: the next frame becomes an
//! outermost one.

use crate::environment;
use crate::error::Error;
use crate::ffi::{self, PyObject};
use crate::frame;
use crate::layout::{Layout, read};

/// Calls `callable(*arguments)` with none of the caller's frames visible to it.
///
/// Returns a new reference, or null. An exception other than `SystemExit` is reported as the interpreter reports an uncaught
/// one (`PyErr_PrintEx`) while the caller is still hidden; with `print_exit` that one is, too: an interpreter that was told
/// to stay (`-i`) prints it and does not exit. `SystemExit` is left set otherwise. Where the layout of frames is not known
/// the caller stays visible, but not in that report.
///
/// # Errors
/// When the interpreter lacks what this needs.
///
/// # Safety
/// The caller holds the GIL and runs below at least one Python frame; both pointers are borrowed live objects, and
/// `arguments` is a tuple.
pub unsafe fn call_without_callers(
    callable: *mut PyObject,
    arguments: *mut PyObject,
    print_exit: bool,
) -> Result<*mut PyObject, Error> {
    // SAFETY: as the caller promises.
    let environment = unsafe { environment::find()? };
    let api = environment.api;
    // SAFETY: the layout was checked against this interpreter. The field belongs to this thread and holds a frame
    // that stays alive, because its call has not returned; it is put back before that call goes on. Frames called
    // from here on have null for their caller, which is how every thread's outermost frame is.
    unsafe {
        let hidden = environment.layout.map(|layout| {
            let field = frame::current_frame(layout, (api.thread_state)().cast_const().cast());
            let outermost =
                if layout.version >= (3, 15) { outermost(layout, *field) } else { std::ptr::null() };
            (field, field.replace(outermost))
        });
        let result = (api.call)(callable, arguments);
        if result.is_null() {
            let system_exit: *mut *mut PyObject = ffi::data_symbol(c"PyExc_SystemExit").cast();
            if print_exit || system_exit.is_null() || (api.error_matches)(*system_exit) == 0 {
                (api.error_print)(1);
            }
        }
        if let Some((field, frame)) = hidden {
            field.write(frame);
        }
        Ok(result)
    }
}

/// The end of a chain of frames: from 3.15 on every thread has a frame of its own there that is no function's.
unsafe fn outermost(layout: &Layout, mut frame: *const u8) -> *const u8 {
    // SAFETY: the caller gives a live frame or null; a live frame's chain is live.
    unsafe {
        while !frame.is_null() {
            let previous: *const u8 = read(frame, layout.previous);
            if previous.is_null() {
                break;
            }
            frame = previous;
        }
    }
    frame
}
