//! Facts about the process that a capture carries, so that it can be explained elsewhere.
//!
//! Imports nothing that the interpreter has not imported already: what is recorded should see a plain `sys.modules`.

use std::path::{Path, PathBuf};

use heapline_format::MetaKey;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

/// Longest argument that is kept, in characters: some programs are given whole documents.
const MAX_ARGUMENT_CHARS: usize = 4096;
/// Arguments that are kept: a shell may have put thousands of file names for a pattern.
const MAX_ARGUMENTS: usize = 256;
/// Longest name of a directory that is kept, in characters; the system has none that is longer.
const MAX_PATH_CHARS: usize = 4096;

/// The facts, for a program that reports are to name `program`.
pub(crate) fn collect(py: Python<'_>, program: &str) -> PyResult<Vec<(MetaKey, String)>> {
    let sys = py.import("sys")?;
    let working_directory = std::env::current_dir().unwrap_or_default();
    let mut facts = vec![
        (MetaKey::Program, program.to_owned()),
        (MetaKey::WorkingDirectory, working_directory.to_string_lossy().into_owned()),
        (MetaKey::Executable, text(&sys.getattr("executable")?).unwrap_or_default()),
        (MetaKey::Implementation, text(&sys.getattr("implementation")?.getattr("name")?).unwrap_or_default()),
        // What `platform.python_version()` computes, without its imports.
        (
            MetaKey::PythonVersion,
            Python::version_str().split_whitespace().next().unwrap_or_default().to_owned(),
        ),
        (MetaKey::HeaplineVersion, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    for argument in strings(&sys.getattr("argv")?).into_iter().take(MAX_ARGUMENTS) {
        facts.push((MetaKey::Argument, argument.chars().take(MAX_ARGUMENT_CHARS).collect()));
    }
    let installation = Installation::of(&sys)?;
    for directory in &installation.stdlib {
        facts.push((MetaKey::StdlibPath, directory.to_string_lossy().into_owned()));
    }
    for directory in &installation.site {
        facts.push((MetaKey::SitePath, directory.to_string_lossy().into_owned()));
    }
    for directory in strings(&sys.getattr("path")?) {
        let directory = working_directory.join(directory);
        if !installation.contains(&directory) {
            facts.push((MetaKey::ProgramPath, directory.to_string_lossy().into_owned()));
        }
    }
    for (_, fact) in &mut facts {
        if let Some((end, _)) = fact.char_indices().nth(MAX_PATH_CHARS) {
            fact.truncate(end);
        }
    }
    Ok(facts)
}

/// What a program that is already running is called: a script's file name, `-m module` or `-c`.
pub(crate) fn running_program(py: Python<'_>) -> PyResult<String> {
    let sys = py.import("sys")?;
    let main = sys.getattr("modules")?.get_item("__main__").ok();
    let spec = main.and_then(|main| main.getattr("__spec__").ok()).filter(|spec| !spec.is_none());
    if let Some(name) = spec.and_then(|spec| text(&spec.getattr("name").ok()?)) {
        return Ok(format!("-m {}", name.strip_suffix(".__main__").unwrap_or(&name)));
    }
    let first =
        sys.getattr("argv").ok().and_then(|argv| strings(&argv).into_iter().next()).unwrap_or_default();
    if first == "-m" {
        // The module is not loaded yet; it stands before the program's own arguments.
        let words = strings(&sys.getattr("orig_argv")?);
        let own = sys.getattr("argv")?.len()?.saturating_sub(1);
        let module = words.len().checked_sub(own + 1).and_then(|index| words.get(index));
        if let Some(module) = module.map(|word| match word.split_once('m') {
            Some((options, module)) if options.starts_with('-') => module,
            _ => word.as_str(),
        }) {
            return Ok(format!("-m {module}"));
        }
    }
    Ok(match Path::new(&first).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "python".to_owned(),
    })
}

/// Where Python itself and packages are installed.
struct Installation {
    stdlib: Vec<PathBuf>,
    site: Vec<PathBuf>,
}

impl Installation {
    fn of(sys: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut installation = Self { stdlib: Vec::new(), site: Vec::new() };
        let modules = sys.getattr("modules")?;
        let attribute = |module: &str, name: &str| modules.get_item(module).ok()?.getattr(name).ok();
        let of_os = attribute("os", "__file__").and_then(|file| text(&file)).and_then(|file| {
            Path::new(&file).parent().map(|directory| directory.to_string_lossy().into_owned())
        });
        // A private name, but the only one that is right for frozen and relocated builds (3.11 and newer).
        let of_sys = sys.getattr("_stdlib_dir").ok().and_then(|directory| text(&directory));
        for directory in [of_sys, of_os].into_iter().flatten().map(PathBuf::from) {
            push_new(&mut installation.stdlib, directory);
        }
        let of_site = attribute("site", "getsitepackages").and_then(|function| function.call0().ok());
        for directory in of_site.map(|list| strings(&list)).unwrap_or_default() {
            push_new(&mut installation.site, PathBuf::from(directory));
        }
        if let Some(directory) = attribute("site", "USER_SITE").and_then(|directory| text(&directory)) {
            push_new(&mut installation.site, PathBuf::from(directory));
        }
        for directory in strings(&sys.getattr("path")?).into_iter().map(PathBuf::from) {
            if directory.ends_with("site-packages") || directory.ends_with("dist-packages") {
                push_new(&mut installation.site, directory);
            } else if installation.is_stdlib_archive(&directory) {
                push_new(&mut installation.stdlib, directory);
            }
        }
        Ok(installation)
    }

    /// Whether this is the `pythonXY.zip` that stands beside the standard library's directory.
    fn is_stdlib_archive(&self, path: &Path) -> bool {
        let named_so = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
            name.strip_prefix("python")
                .and_then(|rest| rest.strip_suffix(".zip"))
                .is_some_and(|version| version.starts_with(|digit: char| digit.is_ascii_digit()))
        });
        named_so && self.stdlib.iter().any(|stdlib| stdlib.parent() == path.parent())
    }

    fn contains(&self, path: &Path) -> bool {
        self.site.iter().any(|directory| directory == path)
            || self.stdlib.iter().any(|stdlib| path.starts_with(stdlib))
    }
}

fn push_new(directories: &mut Vec<PathBuf>, directory: PathBuf) {
    if !directory.as_os_str().is_empty() && !directories.contains(&directory) {
        directories.push(directory);
    }
}

/// The text of a `str`, undecodable bytes (lone surrogates) replaced; `None` for anything else.
fn text(object: &Bound<'_, PyAny>) -> Option<String> {
    Some(object.cast::<PyString>().ok()?.to_string_lossy().into_owned())
}

/// The strings among the items of a list.
fn strings(list: &Bound<'_, PyAny>) -> Vec<String> {
    list.cast::<PyList>().map(|list| list.iter().filter_map(|item| text(&item)).collect()).unwrap_or_default()
}
