//! What is known of the interpreter, found once per process.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::error::Error;
use crate::ffi::{self, Api, PyObject};
use crate::layout::Layout;
use crate::layout_check::{self, FrameAccess};
use crate::thread_state;

/// The interpreter that this process runs.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) api: &'static Api,
    /// `None`: frames are read through the public API.
    pub(crate) layout: Option<&'static Layout>,
    pub(crate) frame_access: FrameAccess,
    pub(crate) main_interpreter: *mut c_void,
    /// Where a thread state names its interpreter, if the layout is known.
    pub(crate) interpreter_offset: Option<usize>,
    /// Up to 3.11 the "current" thread state is the same for all threads: that of whoever holds the GIL.
    pub(crate) state_is_shared: bool,
    /// The type of code objects; borrowed, static.
    pub(crate) code_type: *const PyObject,
    pub(crate) version_hex: u32,
}

// SAFETY: the pointers are addresses of things that live as long as the process and are only compared.
unsafe impl Send for Environment {}
// SAFETY: as above.
unsafe impl Sync for Environment {}

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
/// The same as in the environment, null until that is known: for those who look at nothing else of it.
static MAIN_INTERPRETER: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// The main interpreter; null until the environment is known.
#[inline(always)]
pub(crate) fn main_interpreter() -> *mut c_void {
    MAIN_INTERPRETER.load(Ordering::Relaxed)
}

/// The environment, if it was found before.
#[inline(always)]
pub(crate) fn known() -> Option<&'static Environment> {
    ENVIRONMENT.get()
}

/// Whether this interpreter has no GIL. All that the recorder does with "the GIL held" rests on this one answer.
fn is_free_threaded() -> bool {
    // Only such builds have the function.
    !ffi::data_symbol(c"PyUnstable_Module_SetGIL").is_null()
}

/// The environment, found now if need be.
///
/// # Safety
/// The caller holds the GIL and runs below at least one Python frame.
pub(crate) unsafe fn find() -> Result<&'static Environment, Error> {
    if let Some(found) = ENVIRONMENT.get() {
        return Ok(found);
    }
    if is_free_threaded() {
        return Err(Error::Unsupported(
            "it is a free-threaded build; one with the GIL can be recorded".to_owned(),
        ));
    }
    let api = ffi::api()?;
    let (version, version_hex) = ffi::version(api);
    let code_type: *const PyObject = ffi::data_symbol(c"PyCode_Type").cast();
    if code_type.is_null() {
        return Err(Error::Unsupported("it has no PyCode_Type".to_owned()));
    }
    // SAFETY: the caller holds the GIL and has Python frames.
    let (layout, frame_access) = unsafe { layout_check::choose(api, version, code_type) };
    if let FrameAccess::Public(reason) = &frame_access
        && version >= (3, 14)
        && ffi::checks_references()
    {
        return Err(Error::Unsupported(format!("{reason}, and a debug build demands that they are")));
    }
    // SAFETY: no preconditions.
    let main_interpreter = unsafe { (api.interpreter_main)() };
    let state_is_shared = version < (3, 12);
    // SAFETY: the GIL is held.
    unsafe { thread_state::find(api, layout) };
    let found = Environment {
        api,
        layout,
        frame_access,
        main_interpreter,
        interpreter_offset: layout.map(|layout| layout.interpreter),
        state_is_shared,
        code_type,
        version_hex,
    };
    let found = ENVIRONMENT.get_or_init(|| found);
    MAIN_INTERPRETER.store(found.main_interpreter, Ordering::Relaxed);
    Ok(found)
}
