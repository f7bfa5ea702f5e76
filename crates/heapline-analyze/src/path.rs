//! How file names are shown: relative to the directory that they are imported from, with module and origin.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::frame::{Origin, Source};

/// Directories that do not fit within this many bytes in all are not used. Real search paths are far smaller;
/// the limit keeps those of a damaged capture from costing many times their size.
const MOST_DIRECTORY_BYTES: usize = 128 * 1024;

/// The directories that modules are imported from, and where the program was started.
#[derive(Clone, Debug, Default)]
pub(crate) struct SearchPath {
    imports: DirectoryTree,
    working: DirectoryTree,
    working_directory: String,
    bytes: usize,
}

impl SearchPath {
    /// A search path of a program started in this directory (empty if unknown).
    pub(crate) fn new(working_directory: &str) -> Self {
        let mut all = Self { working_directory: working_directory.to_owned(), ..Self::default() };
        if working_directory.starts_with('/') && all.has_room(working_directory) {
            all.working.insert(&normal(working_directory), Origin::Program);
        }
        all
    }

    /// Adds a directory of this origin. When a directory is added twice, site-packages win over the standard
    /// library and both over the program.
    pub(crate) fn add(&mut self, directory: &str, origin: Origin) {
        let Some(directory) = self.absolute(directory) else { return };
        if self.has_room(&directory) {
            self.imports.insert(&normal(&directory), origin);
        }
    }

    /// Describes a `co_filename`.
    ///
    /// The longest matching directory of the search path decides; then the working directory. Other names
    /// are shown in full. A frozen module (`<frozen os>`) is shown as the file of the standard library that it
    /// was made from (`os.py`); other names in angle brackets (`<string>`) are shown as they are.
    pub(crate) fn source(&self, file: &Arc<str>) -> Source {
        if file.starts_with('<') {
            let Some(frozen) = file.strip_prefix("<frozen ").and_then(|rest| rest.strip_suffix('>')) else {
                let same = || file.clone();
                return Source { path: same(), file: same(), module: same(), origin: Origin::Program };
            };
            let path = frozen_path(frozen).map_or_else(|| file.clone(), Arc::from);
            return Source { path, file: file.clone(), module: frozen.into(), origin: Origin::Stdlib };
        }
        let absolute = self.absolute(file);
        let full = normal(absolute.as_deref().unwrap_or(file));
        let found = self.imports.longest(&full).or_else(|| self.working.longest(&full));
        let (path, origin): (Arc<str>, _) = match found {
            Some((relative, origin)) => (relative.into(), origin),
            None if file.starts_with('/') => (file.clone(), Origin::Program),
            None => (normal(file).into(), Origin::Program),
        };
        Source { module: module(&path), path, file: file.clone(), origin }
    }

    /// Describes a file of a process that may have had another search path: where nothing matches, by the directories that
    /// packages and the standard library are usually in.
    pub(crate) fn source_anywhere(&self, file: &Arc<str>) -> Source {
        let source = self.source(file);
        match usual_place(file).filter(|_| source.path == *file) {
            Some((relative, origin)) => {
                let path: Arc<str> = relative.into();
                Source { module: module(&path), path, origin, ..source }
            }
            None => source,
        }
    }

    /// The path from the file system's root; `None` when it is relative to an unknown directory.
    fn absolute<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        if path.starts_with('/') {
            Some(path.into())
        } else if self.working_directory.starts_with('/') {
            Some(format!("{}/{path}", self.working_directory).into())
        } else {
            None
        }
    }

    fn has_room(&mut self, directory: &str) -> bool {
        let bytes = self.bytes.saturating_add(directory.len());
        let fits = bytes <= MOST_DIRECTORY_BYTES;
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

/// Directories by the names along their path, so that finding the longest takes one pass over a file name.
#[derive(Clone, Debug)]
struct DirectoryTree {
    /// The first is the file system's root.
    directories: Vec<Directory>,
}

#[derive(Clone, Debug, Default)]
struct Directory {
    inside: FxHashMap<Box<str>, usize>,
    origin: Option<Origin>,
}

impl Default for DirectoryTree {
    fn default() -> Self {
        Self { directories: vec![Directory::default()] }
    }
}

impl DirectoryTree {
    /// Adds a normal absolute path.
    fn insert(&mut self, path: &str, origin: Origin) {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = match self.directories[at].inside.get(name) {
                Some(&inner) => inner,
                None => {
                    let inner = self.directories.len();
                    self.directories.push(Directory::default());
                    self.directories[at].inside.insert(name.into(), inner);
                    inner
                }
            };
        }
        let rank = |origin| match origin {
            Origin::Site => 3,
            Origin::Stdlib => 2,
            Origin::Program => 1,
            Origin::Unknown => 0,
        };
        let old = &mut self.directories[at].origin;
        if old.is_none_or(|old| rank(old) < rank(origin)) {
            *old = Some(origin);
        }
    }

    /// The rest of a normal absolute path behind the longest of the directories above it.
    fn longest<'a>(&self, path: &'a str) -> Option<(&'a str, Origin)> {
        let mut directory = &self.directories[0];
        let mut rest = path.strip_prefix('/')?;
        let mut found = directory.origin.map(|origin| (rest, origin));
        while let Some((name, inner)) = rest.split_once('/') {
            let Some(&next) = directory.inside.get(name) else { break };
            directory = &self.directories[next];
            rest = inner;
            if let Some(origin) = directory.origin {
                found = Some((rest, origin));
            }
        }
        found.filter(|(rest, _)| !rest.is_empty())
    }
}

/// The path of a module relative to where packages, or the standard library, are usually installed.
fn usual_place(file: &str) -> Option<(&str, Origin)> {
    for packages in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, relative)) = file.rsplit_once(packages) {
            return Some((relative, Origin::Site));
        }
    }
    let (_, rest) = file.rsplit_once("/lib/python3.")?;
    let (version, relative) = rest.split_once('/')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then_some((relative, Origin::Stdlib))
}

/// The path without empty parts, `.` and, as far as they cancel out, `..`; symbolic links are not known here.
fn normal(path: &str) -> Cow<'_, str> {
    let rooted = path.starts_with('/');
    let inner = path.strip_prefix('/').unwrap_or(path);
    if inner.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        return path.into();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in inner.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let start = if rooted { "/" } else { "" };
    format!("{start}{}", parts.join("/")).into()
}

/// Packages that an interpreter may have frozen. The name of a frozen module does not tell whether it is a
/// package; what else CPython freezes of the standard library is none.
const FROZEN_PACKAGES: [&str; 3] = ["collections", "encodings", "importlib"];

/// The file, relative to the standard library, that a frozen module was made from; `None` for what is no
/// dotted name.
fn frozen_path(module: &str) -> Option<String> {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let file = if FROZEN_PACKAGES.contains(&module) { "/__init__.py" } else { ".py" };
    module.split('.').all(is_name).then(|| format!("{}{file}", module.replace('.', "/")))
}

/// The dotted module name that a shown path stands for. A path that could not be shortened gives the file's
/// stem, and a file that is no Python source (a template, a notebook cell) its path.
fn module(path: &Arc<str>) -> Arc<str> {
    let Some(stem) = path.strip_suffix(".py").or_else(|| path.strip_suffix(".pyc")) else {
        return path.clone();
    };
    let stem = match stem.strip_suffix("/__init__") {
        Some(package) if !package.is_empty() => package,
        _ => stem,
    };
    let outside = stem.starts_with('/') || stem.starts_with("../");
    let stem = if outside { stem.rsplit('/').next().unwrap_or(stem) } else { stem };
    stem.replace('/', ".").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search_path() -> SearchPath {
        let mut all = SearchPath::new("/home/me/project");
        all.add("/usr/lib/python3.12", Origin::Stdlib);
        all.add("/usr/lib/python3.12/site-packages/", Origin::Site);
        all.add("/home/me/project/tools", Origin::Program);
        all.add("/opt/python/bin/../lib/python3.12", Origin::Stdlib);
        all.add("/usr/lib/python3.12", Origin::Program);
        all
    }

    fn shown(file: &str) -> (String, String, Origin) {
        let source = search_path().source(&file.into());
        assert_eq!(&*source.file, file);
        (source.path.to_string(), source.module.to_string(), source.origin)
    }

    fn expect(path: &str, module: &str, origin: Origin) -> (String, String, Origin) {
        (path.into(), module.into(), origin)
    }

    #[test]
    fn the_longest_directory_decides() {
        let site = "/usr/lib/python3.12/site-packages";
        assert_eq!(
            shown(&format!("{site}/docutils/nodes.py")),
            expect("docutils/nodes.py", "docutils.nodes", Origin::Site)
        );
        assert_eq!(
            shown("/usr/lib/python3.12/json/decoder.py"),
            expect("json/decoder.py", "json.decoder", Origin::Stdlib)
        );
        assert_eq!(shown("/home/me/project/tools/gen.py"), expect("gen.py", "gen", Origin::Program));
        assert_eq!(
            shown("/home/me/project/app/__init__.py"),
            expect("app/__init__.py", "app", Origin::Program)
        );
        assert_eq!(shown("/opt/python/lib/python3.12/os.py"), expect("os.py", "os", Origin::Stdlib));
    }

    #[test]
    fn a_name_that_only_begins_alike_does_not_match() {
        assert_eq!(
            shown("/usr/lib/python3.12x/a.py"),
            expect("/usr/lib/python3.12x/a.py", "a", Origin::Program)
        );
        assert_eq!(
            shown("/usr/lib/python3.12"),
            expect("/usr/lib/python3.12", "/usr/lib/python3.12", Origin::Program)
        );
    }

    #[test]
    fn relative_names_start_at_the_working_directory() {
        assert_eq!(shown("script.py"), expect("script.py", "script", Origin::Program));
        assert_eq!(shown("./tools/gen.py"), expect("gen.py", "gen", Origin::Program));
        assert_eq!(shown("../other/x.py"), expect("../other/x.py", "x", Origin::Program));
        let nowhere = SearchPath::new("").source(&"./pkg/../a.py".into());
        assert_eq!((&*nowhere.path, &*nowhere.module), ("a.py", "a"));
    }

    #[test]
    fn frozen_modules_are_shown_as_the_files_that_they_were_made_from() {
        for (file, path, module) in [
            ("<frozen os>", "os.py", "os"),
            (
                "<frozen importlib._bootstrap_external>",
                "importlib/_bootstrap_external.py",
                "importlib._bootstrap_external",
            ),
            ("<frozen importlib>", "importlib/__init__.py", "importlib"),
            ("<frozen ../../etc/x>", "<frozen ../../etc/x>", "../../etc/x"),
            ("<frozen a..b>", "<frozen a..b>", "a..b"),
            ("<frozen >", "<frozen >", ""),
        ] {
            assert_eq!(shown(file), expect(path, module, Origin::Stdlib));
        }
    }

    #[test]
    fn other_names_in_angle_brackets_stay() {
        for file in ["<string>", "<frozen os", "<stdin>", "<attrs generated init app.Point>"] {
            assert_eq!(shown(file), expect(file, file, Origin::Program));
        }
    }

    #[test]
    fn modules_of_unusual_files() {
        assert_eq!(shown("__init__.py").1, "__init__");
        assert_eq!(shown("/__init__.py").1, "__init__");
        assert_eq!(shown("/home/me/project/page.html").1, "page.html");
        assert_eq!(shown("/home/me/project/old/legacy.pyc").1, "old.legacy");
        assert_eq!(shown("").0, "");
    }

    #[test]
    fn an_endless_search_path_is_cut() {
        let mut all = SearchPath::new("/w");
        all.add(&"/a".repeat(MOST_DIRECTORY_BYTES), Origin::Program);
        assert_eq!(all.imports.directories.len(), 1);
        all.add("/lib", Origin::Site);
        assert_eq!(&*all.source(&"/lib/m.py".into()).path, "m.py");
    }

    #[test]
    fn paths_are_made_normal() {
        for (given, expected) in [
            ("/a/b", "/a/b"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("a/../../b", "../b"),
            ("../../b", "../../b"),
            ("/", "/"),
        ] {
            assert_eq!(normal(given), expected, "{given}");
        }
    }
}
