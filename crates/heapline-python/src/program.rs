//! The program that `heapline run` runs: found first, then run exactly as `python` runs it.
//!
//! A script and code go through the interpreter's own functions ([`crate::interpreter`]); a module, directory or
//! archive goes through `runpy`, which is also what `python` itself does.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use heapline_cli::Target;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyString, PyTuple};

use crate::dedent::dedent;
use crate::interpreter::{CompilerFlags, Interpreter, standard_input};
use crate::launcher::{Launch, script_directory};
use crate::signal::die_by_interrupt;

/// An open C stream, handed from the thread that opened it to the same thread.
#[derive(Debug)]
struct Stream(*mut libc::FILE);

// SAFETY: a stream may be used from any thread; the C library locks it.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

/// What is about to run.
#[derive(Debug)]
enum Code {
    /// A file, already open so that nothing can go wrong later, and its absolute name.
    File { stream: Stream, name: CString },
    /// Standard input.
    StandardInput,
    /// A module by name.
    Module(Py<PyString>),
    /// `__main__` in the directory or archive that stands first in `sys.path`.
    Main,
    /// Code from the command line, without the line end that `python` adds.
    Command(Py<PyString>),
}

/// A program that was found and can be run.
#[derive(Debug)]
pub(crate) struct Program {
    code: Code,
    /// What reports call it.
    pub(crate) name: String,
    pub(crate) launch: Launch,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It came to its end, or its exception is printed already.
    Status(i32),
    /// `SystemExit`, which only the interpreter's outermost level can turn into a status.
    Exit(PyErr),
}

impl Program {
    /// Finds the program. The inner error says why it cannot be run, in one line without our name.
    pub(crate) fn find(
        py: Python<'_>,
        target: &Target,
        arguments: Vec<OsString>,
    ) -> PyResult<Result<Self, String>> {
        let launch = |argv0: &OsStr, target_words: &[&OsStr], path0: Option<OsString>| Launch {
            argv0: argv0.to_owned(),
            target_words: target_words.iter().map(|&word| word.to_owned()).collect(),
            arguments,
            path0,
            path0_always: false,
        };
        Ok(Ok(match target {
            Target::Module(module) => Self {
                code: Code::Module(PyString::from_os(py, module)),
                name: format!("-m {}", module.to_string_lossy()),
                launch: launch(
                    OsStr::new("-m"),
                    &[OsStr::new("-m"), module],
                    std::env::current_dir().ok().map(OsString::from),
                ),
            },
            Target::Command(code) => Self {
                code: Code::Command(PyString::from_os(py, code)),
                name: "-c".to_owned(),
                launch: launch(OsStr::new("-c"), &[OsStr::new("-c"), code], Some(OsString::new())),
            },
            Target::Script(script) if script == "-" => Self {
                code: Code::StandardInput,
                name: "<stdin>".to_owned(),
                launch: launch(script, &[script], Some(script_directory(script))),
            },
            Target::Script(script) => {
                let file = absolute(py, script);
                let name = Path::new(script).file_name().unwrap_or(script).to_string_lossy().into_owned();
                if has_importer(py, &file) {
                    let launch = Launch { path0_always: true, ..launch(script, &[script], Some(file)) };
                    return Ok(Ok(Self { code: Code::Main, name, launch }));
                }
                let launch = launch(script, &[script], Some(script_directory(script)));
                match open(&file) {
                    Ok((stream, file)) => Self { code: Code::File { stream, name: file }, name, launch },
                    Err(error) => {
                        return Ok(Err(format!(
                            "cannot run {}: {}",
                            script.to_string_lossy(),
                            reason(&error)
                        )));
                    }
                }
            }
        }))
    }

    /// Imports and makes all that running needs, so that nothing but the program is left to run.
    pub(crate) fn prepare(self, py: Python<'_>) -> PyResult<Prepared<'_>> {
        let run_module = || py.import("runpy")?.getattr("_run_module_as_main");
        Ok(match self.code {
            Code::Module(name) => {
                audit(py, "cpython.run_module", &name)?;
                Prepared { callable: run_module()?, arguments: (name, true).into_pyobject(py)? }
            }
            Code::Main => {
                let name = PyString::new(py, "__main__").unbind();
                audit(py, "cpython.run_module", &name)?;
                Prepared { callable: run_module()?, arguments: (name, false).into_pyobject(py)? }
            }
            Code::File { stream, name } => {
                audit(py, "cpython.run_file", &PyString::from_os(py, OsStr::from_bytes(name.as_bytes())))?;
                Prepared { callable: run_stream(py, stream, name, true)?, arguments: PyTuple::empty(py) }
            }
            Code::StandardInput => {
                py.import("sys")?.call_method1("audit", ("cpython.run_stdin",))?;
                let stream = Stream(standard_input());
                Prepared {
                    callable: run_stream(py, stream, c"<stdin>".to_owned(), false)?,
                    arguments: PyTuple::empty(py),
                }
            }
            Code::Command(code) => {
                audit(py, "cpython.run_command", &code)?;
                Prepared { callable: run_command(py, code)?, arguments: PyTuple::empty(py) }
            }
        })
    }
}

/// A program that only has to be called.
#[derive(Debug)]
pub(crate) struct Prepared<'py> {
    callable: Bound<'py, PyAny>,
    arguments: Bound<'py, PyTuple>,
}

impl Prepared<'_> {
    /// Runs the program; no frame of ours is visible to it. Does not return if a script or code on the command line
    /// exits: the interpreter then ends the process from within, unless it was told to stay. Then `print_exit` is set, and
    /// an exit is printed like any exception.
    pub(crate) fn run(self, print_exit: bool) -> PyResult<Outcome> {
        let py = self.callable.py();
        // SAFETY: both are live objects of the right kind, the GIL is held, and `heapline` itself is the frame below.
        let result = unsafe {
            let result = heapline_trace::call_without_callers(
                self.callable.as_ptr().cast(),
                self.arguments.as_ptr().cast(),
                print_exit,
            );
            let result = result.map_err(|error| crate::error::from_trace(&error))?;
            Bound::from_owned_ptr_or_opt(py, result.cast())
        };
        let status = match result {
            // `runpy` returns the namespace of what it ran, our own callables a status.
            Some(result) => result.extract::<i32>().unwrap_or(0),
            None => match PyErr::take(py) {
                Some(exit) => return Ok(Outcome::Exit(exit)),
                None => 1,
            },
        };
        if status != 0 {
            end_by_interrupt_if_interrupted(py);
        }
        Ok(Outcome::Status(status))
    }
}

/// If the exception that was printed is `KeyboardInterrupt`, has the process end as `python` would: by SIGINT, once
/// the interpreter is finalised.
fn end_by_interrupt_if_interrupted(py: Python<'_>) {
    let printed = py.import("sys").and_then(|sys| sys.getattr("last_type"));
    if printed.is_ok_and(|printed| printed.is(py.get_type::<PyKeyboardInterrupt>())) {
        // SAFETY: the function is a plain C function that needs no interpreter. If there is no room for it, the
        // status alone has to tell.
        unsafe { ffi::Py_AtExit(Some(die_by_interrupt)) };
    }
}

/// A callable that runs a C stream with the interpreter's own function and returns an exit status.
fn run_stream(py: Python<'_>, stream: Stream, name: CString, close: bool) -> PyResult<Bound<'_, PyAny>> {
    let function = PyCFunction::new_closure(py, None, None, move |arguments, _| -> PyResult<i32> {
        let py = arguments.py();
        let interpreter = Interpreter::get().ok_or_else(missing_functions)?;
        let stream = &stream;
        let mut flags = CompilerFlags::for_file(py.version_info().minor);
        // SAFETY: the stream is open and, if it is to be closed, nobody uses it afterwards; the GIL is held.
        let failed =
            unsafe { (interpreter.run_file)(stream.0, name.as_ptr(), i32::from(close), &raw mut flags) } != 0;
        Ok(i32::from(failed))
    })?;
    Ok(function.into_any())
}

/// A callable that runs code from the command line and returns an exit status, or raises what the code raises.
fn run_command(py: Python<'_>, code: Py<PyString>) -> PyResult<Bound<'_, PyAny>> {
    let function = PyCFunction::new_closure(py, None, None, move |arguments, _| -> PyResult<i32> {
        let py = arguments.py();
        let code = code.bind(py);
        let source = format!(
            "{}\n",
            code.to_str().inspect_err(|_| {
                // The words of `python` itself; the exception follows them.
                eprintln!("Unable to decode the command from the command line:");
            })?
        );
        let source = if py.version_info() >= (3, 14) { dedent(&source) } else { source };
        // Since 3.13 tracebacks show the lines of such code: its text is registered before it runs.
        let linecache = match py.version_info() >= (3, 13) {
            true => Some(py.import("linecache")?)
                .filter(|linecache| linecache.hasattr("_register_code").unwrap_or(false)),
            false => None,
        };
        let Some(linecache) = linecache else {
            let interpreter = Interpreter::get().ok_or_else(missing_functions)?;
            let source = CString::new(source)?;
            let mut flags = CompilerFlags::for_command(py.version_info().minor);
            // SAFETY: the source ends in a null byte and outlives the call; the GIL is held.
            let failed = unsafe { (interpreter.run_string)(source.as_ptr(), &raw mut flags) } != 0;
            return Ok(i32::from(failed));
        };
        let compiled =
            py.import("builtins")?.call_method1("compile", (&source, "<string>", "exec", 0, true))?;
        // 3.13.0 knows such code by its file name, later versions by the code object.
        let by_code = linecache.hasattr("_interactive_cache")?;
        let key = if by_code { compiled.clone() } else { PyString::new(py, "<string>").into_any() };
        linecache.call_method1("_register_code", (key, &source, "<string>"))?;
        let globals = py.import("__main__")?.dict();
        py.import("sys")?.call_method1("audit", ("exec", &compiled))?;
        // SAFETY: the code object and the dictionary are live objects, and the GIL is held.
        unsafe {
            let result = ffi::PyEval_EvalCode(compiled.as_ptr(), globals.as_ptr(), globals.as_ptr());
            Bound::from_owned_ptr_or_err(py, result)?;
        }
        Ok(0)
    })?;
    Ok(function.into_any())
}

fn missing_functions() -> PyErr {
    crate::error::UnsupportedError::new_err("this interpreter has no functions to run a program with")
}

fn audit(py: Python<'_>, event: &str, argument: &Py<PyString>) -> PyResult<()> {
    py.import("sys")?.call_method1("audit", (event, argument)).map(|_| ())
}

/// As `python` makes a script's name absolute: neither `..` nor links are resolved.
fn absolute(py: Python<'_>, script: &OsStr) -> OsString {
    match std::env::current_dir() {
        // Before 3.11 the working directory's own name was appended like any other.
        Ok(directory) if script.is_empty() || script == "." && py.version_info() >= (3, 11) => {
            directory.into_os_string()
        }
        Ok(directory) if !script.as_bytes().starts_with(b"/") => {
            let mut path = directory.into_os_string().into_vec();
            path.push(b'/');
            path.extend_from_slice(script.as_bytes());
            OsString::from_vec(path)
        }
        _ => script.to_owned(),
    }
}

/// Whether the path is a directory or an archive that modules can be imported from.
fn has_importer(py: Python<'_>, path: &OsStr) -> bool {
    let path = PyString::from_os(py, path);
    // SAFETY: the path is a live str, and the GIL is held; the result is a new reference or null with an exception.
    let importer = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyImport_GetImporter(path.as_ptr())) };
    importer.is_ok_and(|importer| !importer.is_none())
}

fn open(file: &OsStr) -> std::io::Result<(Stream, CString)> {
    let name = CString::new(file.as_bytes())?;
    // SAFETY: both strings end in a null byte. `e`: a program that executes another must not hand it the stream.
    let stream = unsafe { libc::fopen(name.as_ptr(), c"rbe".as_ptr()) };
    if stream.is_null() { Err(std::io::Error::last_os_error()) } else { Ok((Stream(stream), name)) }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => heapline_analyze::in_words(error),
    }
}

/// Makes a `str` from an operating system string, as `os.fsdecode` does.
trait FromOs {
    fn from_os(py: Python<'_>, text: &OsStr) -> Py<PyString>;
}

impl FromOs for PyString {
    fn from_os(py: Python<'_>, text: &OsStr) -> Py<PyString> {
        match text.into_pyobject(py) {
            Ok(text) => text.unbind(),
            Err(never) => match never {},
        }
    }
}
