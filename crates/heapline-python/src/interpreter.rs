//! The interpreter's own functions for running a program, which lie outside the limited API.
//!
//! They are what `python FILE` and `python -c CODE` themselves call, so encodings, `.pyc` files, syntax errors,
//! `__file__` and exit statuses are right by construction. All of them print an exception and exit on `SystemExit`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use pyo3::intern;
use pyo3::prelude::*;

/// CPython's `PyCompilerFlags`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct CompilerFlags {
    flags: c_int,
    feature_version: c_int,
}

/// `PyCF_IGNORE_COOKIE`: the source is UTF-8, whatever a coding comment in it says.
const IGNORE_COOKIE: c_int = 0x0800;

impl CompilerFlags {
    /// Flags for a file, read by the interpreter of this minor version.
    pub(crate) fn for_file(minor: u8) -> Self {
        Self { flags: 0, feature_version: c_int::from(minor) }
    }

    /// Flags for code from the command line.
    pub(crate) fn for_command(minor: u8) -> Self {
        Self { flags: IGNORE_COOKIE, ..Self::for_file(minor) }
    }
}

type RunFile = unsafe extern "C" fn(*mut libc::FILE, *const c_char, c_int, *mut CompilerFlags) -> c_int;
type RunString = unsafe extern "C" fn(*const c_char, *mut CompilerFlags) -> c_int;

/// The functions, resolved once.
#[derive(Debug)]
pub(crate) struct Interpreter {
    /// `PyRun_AnyFileExFlags`
    pub(crate) run_file: RunFile,
    /// `PyRun_SimpleStringFlags`
    pub(crate) run_string: RunString,
}

impl Interpreter {
    /// The functions of the running interpreter, `None` if it lacks one.
    pub(crate) fn get() -> Option<&'static Self> {
        static FUNCTIONS: OnceLock<Option<Interpreter>> = OnceLock::new();
        let functions = FUNCTIONS.get_or_init(|| {
            let run_file = symbol(c"PyRun_AnyFileExFlags")?;
            let run_string = symbol(c"PyRun_SimpleStringFlags")?;
            // SAFETY: the symbols of these names are C functions with these signatures in every CPython 3.
            unsafe {
                Some(Self {
                    run_file: std::mem::transmute::<*mut c_void, RunFile>(run_file),
                    run_string: std::mem::transmute::<*mut c_void, RunString>(run_string),
                })
            }
        });
        functions.as_ref()
    }
}

/// Whether the interpreter may run machine code that it compiles itself.
pub(crate) fn has_jit(py: Python<'_>) -> bool {
    // 3.13 has the optimizer that feeds the compiler only where it was configured in.
    if symbol(c"PyUnstable_Optimizer_NewUOpOptimizer").is_some() {
        return true;
    }
    let enabled = || -> PyResult<bool> {
        let sys = py.import(intern!(py, "sys"))?;
        sys.getattr(intern!(py, "_jit"))?.call_method0(intern!(py, "is_enabled"))?.extract()
    };
    // Before 3.14 there is no such name.
    enabled().unwrap_or(false)
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends in a null byte; the default search order covers the interpreter, static or shared.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

unsafe extern "C" {
    /// The C library's standard input stream, which `python -` reads its program from.
    #[link_name = "stdin"]
    static STANDARD_INPUT: *mut libc::FILE;
}

/// The C library's standard input stream.
pub(crate) fn standard_input() -> *mut libc::FILE {
    // SAFETY: the C library sets the variable before any code runs; nothing changes it here.
    unsafe { STANDARD_INPUT }
}
