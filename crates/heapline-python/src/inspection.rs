//! `python -i` and `PYTHONINSPECT`: the interpreter stays when the program has ended, and prints even `SystemExit`.
//!
//! The program's own is printed as `python` prints it. Ours, by which the `heapline` command hands over the exit status, is
//! none that the program knows of.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

/// What the interpreter notes of an exception that it prints; not every version has all of them.
const NOTES: [&str; 4] = ["last_exc", "last_type", "last_value", "last_traceback"];

/// Whether the interpreter was told to stay.
pub(crate) fn is_wanted(py: Python<'_>) -> PyResult<bool> {
    py.import("sys")?.getattr("flags")?.getattr("inspect")?.is_truthy()
}

/// Has the next exception, if it is `SystemExit`, go by without a trace. Nothing but our own is raised before that.
pub(crate) fn hide_own_exit(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the GIL is held, and the names of the script that calls us are a live dictionary or null. The reference is kept
    // for ever: an interpreter that stays takes names out of it when the script has ended, relying on `__main__` for it to be
    // alive, and that is the program's by now.
    unsafe { pyo3::ffi::Py_XINCREF(pyo3::ffi::PyEval_GetGlobals()) };
    let sys = py.import("sys")?;
    let hook = sys.getattr("excepthook")?.unbind();
    let notes = NOTES.map(|name| (name, sys.getattr(name).ok().map(Bound::unbind)));
    let own = PyCFunction::new_closure(py, None, None, move |arguments, _| -> PyResult<()> {
        let py = arguments.py();
        let sys = py.import("sys")?;
        sys.setattr("excepthook", &hook)?;
        if !arguments.get_item(0)?.is(py.get_type::<PySystemExit>()) {
            return hook.bind(py).call1(arguments).map(|_| ());
        }
        for (name, value) in &notes {
            match value {
                Some(value) => sys.setattr(*name, value)?,
                None if sys.hasattr(*name)? => sys.delattr(*name)?,
                None => {}
            }
        }
        Ok(())
    })?;
    // The interpreter calls the hook without holding it, and the hook takes itself out.
    std::mem::forget(own.clone());
    sys.setattr("excepthook", own)
}
