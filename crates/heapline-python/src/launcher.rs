//! Takes heapline's own traces out of the interpreter: what the program sees in `sys` and in `__main__` is what
//! `python` would have shown it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule};

/// What `sys` is to hold for the program.
#[derive(Debug)]
pub(crate) struct Launch {
    /// `sys.argv[0]`.
    pub(crate) argv0: OsString,
    /// What follows the interpreter and its own options in `sys.orig_argv`, before the program's arguments.
    pub(crate) target_words: Vec<OsString>,
    /// The program's own arguments.
    pub(crate) arguments: Vec<OsString>,
    /// `sys.path[0]`; `None` where `python` would add none.
    pub(crate) path0: Option<OsString>,
    /// Whether `path0` is added even under `-P` and `-I` (a directory or archive that is run).
    pub(crate) path0_always: bool,
}

impl Launch {
    /// Rewrites `sys.argv`, `sys.orig_argv` and `sys.path`, and puts a new `__main__` in place.
    pub(crate) fn apply(&self, py: Python<'_>) -> PyResult<()> {
        let sys = py.import("sys")?;
        let own_path0 = own_path0(&sys)?;
        self.rewrite_orig_argv(&sys)?;
        let argv = sys.getattr("argv")?.cast_into::<PyList>()?;
        argv.set_slice(
            0,
            argv.len(),
            PyList::new(py, std::iter::once(&self.argv0).chain(&self.arguments))?.as_any(),
        )?;
        let path = sys.getattr("path")?.cast_into::<PyList>()?;
        if let Some(own) = own_path0
            && path.get_item(0).is_ok_and(|first| first.eq(own.as_os_str()).unwrap_or(false))
        {
            path.del_item(0)?;
        }
        if let Some(path0) = &self.path0
            && (self.path0_always || !is_path_safe(&sys)?)
        {
            path.insert(0, path0)?;
        }
        replace_main(py, &sys)
    }

    /// `[python, -X, dev, -m, heapline, run, -q, app.py, x]` becomes `[python, -X, dev, app.py, x]`.
    fn rewrite_orig_argv(&self, sys: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = sys.py();
        let original = sys.getattr("orig_argv")?.cast_into::<PyList>()?;
        let own_words = sys.getattr("argv")?.len()?.saturating_sub(1);
        let mut words: Vec<OsString> = original.extract()?;
        words.truncate(words.len().saturating_sub(own_words));
        drop_own_name(&mut words);
        words.extend(self.target_words.iter().chain(&self.arguments).cloned());
        original.set_slice(0, original.len(), PyList::new(py, words)?.as_any())
    }
}

/// Takes `-m heapline` in any of its spellings, or the path of the console script, off the end.
fn drop_own_name(words: &mut Vec<OsString>) {
    let Some(last) = words.pop() else { return };
    let options = if last == "heapline" {
        words.pop_if(|word| {
            word.as_encoded_bytes().starts_with(b"-") && word.as_encoded_bytes().ends_with(b"m")
        })
    } else {
        last.as_encoded_bytes().starts_with(b"-").then_some(last)
    };
    // `-Im heapline` and `-Imheapline` leave `-I`.
    let options = options.as_deref().and_then(OsStr::to_str).and_then(|options| {
        let options = options.strip_suffix("heapline").unwrap_or(options);
        options.strip_suffix('m')
    });
    if let Some(options) = options.filter(|options| *options != "-") {
        words.push(options.into());
    }
}

/// What the interpreter itself put into `sys.path[0]` for heapline, if anything.
fn own_path0(sys: &Bound<'_, PyModule>) -> PyResult<Option<OsString>> {
    if is_path_safe(sys)? {
        return Ok(None);
    }
    let main = sys.getattr("modules")?.get_item("__main__")?;
    if !main.getattr("__spec__")?.is_none() {
        return Ok(std::env::current_dir().ok().map(OsString::from));
    }
    let script: OsString = sys.getattr("argv")?.get_item(0)?.extract()?;
    Ok(Some(script_directory(&script)))
}

/// Whether the interpreter was told to keep the program's place out of `sys.path` (`-P`, `-I`, `PYTHONSAFEPATH`).
fn is_path_safe(sys: &Bound<'_, PyModule>) -> PyResult<bool> {
    let flags = sys.getattr("flags")?;
    // 3.10 has no `safe_path`; there `-I` is the only way.
    flags.getattr("safe_path").or_else(|_| flags.getattr("isolated"))?.is_truthy()
}

/// The directory that `python` adds to `sys.path` for a script, all symbolic links resolved.
pub(crate) fn script_directory(script: &OsStr) -> OsString {
    let directory =
        |path: &Path| path.parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    if let Ok(real) = std::fs::canonicalize(script) {
        return directory(&real);
    }
    // A pipe under /dev or /proc has no real path; then `python` follows one link, if that names a directory.
    match std::fs::read_link(script) {
        Ok(link) if link.as_os_str().as_encoded_bytes().contains(&b'/') => {
            directory(&Path::new(&directory(Path::new(script))).join(link))
        }
        _ => directory(Path::new(script)),
    }
}

/// Puts a module like the one that the interpreter made at its start in the place of `__main__`.
fn replace_main(py: Python<'_>, sys: &Bound<'_, PyModule>) -> PyResult<()> {
    let modules = sys.getattr("modules")?;
    let own = modules.get_item("__main__")?.getattr("__dict__")?.cast_into::<PyDict>()?;
    let main = PyModule::new(py, "__main__")?;
    // Versions differ in whether they set this one; ours got it from the same code.
    if own.contains("__annotations__")? {
        main.dict().set_item("__annotations__", PyDict::new(py))?;
    }
    main.dict().set_item("__builtins__", py.import("builtins")?)?;
    let loader = modules.get_item("_frozen_importlib")?.getattr("BuiltinImporter")?;
    main.dict().set_item("__loader__", loader)?;
    modules.set_item("__main__", main)
}
