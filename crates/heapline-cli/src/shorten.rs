//! Names that must fit: which parts of a path and a function's name go first when there is no room for all.
//!
//! A name loses whole parts, the least telling ones first, and keeps what a reader looks for: the package, the file
//! with its line, the function's own name. Only where even those do not fit is a word cut.

use crate::text::{ellipsis, keep_end, width};

/// Columns between a place and a function.
pub(crate) const GAP: usize = 2;

/// `path:line` and a function, [`GAP`] between them, in at most `columns` columns. First directories in the middle of
/// the path are left out, then the function's qualifiers, then the path's leading directory.
pub(crate) fn place_and_function(
    place: &str,
    function: &str,
    columns: usize,
    unicode: bool,
) -> (String, String) {
    let room = columns.saturating_sub(GAP);
    let with_package = paths_with_lead(place, unicode);
    let without = paths_without_lead(place, unicode);
    let functions = names(function);
    let fits = |place: &str, function: &str| width(place) + width(function) <= room;

    let by_function = functions.iter().flat_map(|&name| with_package.iter().map(move |path| (path, name)));
    let by_path = without.iter().flat_map(|path| functions.iter().map(move |&name| (path, name)));
    if let Some((path, name)) = by_function.chain(by_path).find(|(path, name)| fits(path, name)) {
        return (path.clone(), name.to_owned());
    }
    // The file says more than the function, which the line in it tells too.
    let name = functions.last().copied().unwrap_or_default();
    let shortest = without.last().map_or(place, String::as_str);
    let for_name = width(name).min((room * 2 / 5).max(room.saturating_sub(width(shortest))));
    (path(place, room - for_name, unicode), keep_end(name, for_name, unicode))
}

/// A path (with a line) in at most `columns` columns.
pub(crate) fn path(path: &str, columns: usize, unicode: bool) -> String {
    let all = paths_with_lead(path, unicode).into_iter().chain(paths_without_lead(path, unicode));
    let fitting = all.into_iter().find(|short| width(short) <= columns);
    fitting.unwrap_or_else(|| keep_end(path.rsplit('/').next().unwrap_or(path), columns, unicode))
}

/// The path, and the path with ever more directories left out behind the first, which names the package:
/// `sphinx/builders/html/__init__.py`, `sphinx/…/html/__init__.py`.
fn paths_with_lead(path: &str, unicode: bool) -> Vec<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let mut all = vec![path.to_owned()];
    // The first directory of an absolute path says nothing.
    if !path.starts_with('/') {
        let shortest = base_parts(&parts);
        let kept = (shortest..parts.len().saturating_sub(1)).rev().map(|kept| &parts[parts.len() - kept..]);
        all.extend(kept.map(|kept| format!("{}/{}/{}", parts[0], ellipsis(unicode), kept.join("/"))));
    }
    all.retain(|short| short == path || width(short) < width(path));
    all
}

/// The path with ever more directories left out at its start: `…/html/__init__.py`, `…/__init__.py`.
fn paths_without_lead(path: &str, unicode: bool) -> Vec<String> {
    let parts: Vec<&str> = path.split('/').collect();
    // Of a relative path the middle was left out before its start.
    let longest = if path.starts_with('/') { parts.len() - 1 } else { base_parts(&parts) };
    let kept = (1..=longest.min(parts.len() - 1)).rev().map(|kept| &parts[parts.len() - kept..]);
    let mut all: Vec<String> = kept.map(|kept| format!("{}/{}", ellipsis(unicode), kept.join("/"))).collect();
    all.retain(|short| width(short) < width(path));
    all
}

/// How many parts at the end of a path name a file: one, or two where every package has a file of that name.
fn base_parts(parts: &[&str]) -> usize {
    let file = parts.last().and_then(|last| last.split(':').next());
    if matches!(file, Some("__init__.py" | "__main__.py")) { 2 } else { 1 }
}

/// A qualified name, and the name with ever more of its qualifiers left out: `Outer.<locals>.Inner.method`,
/// `Inner.method`, `method`.
fn names(name: &str) -> Vec<&str> {
    let inner = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
    // `<locals>` says nothing without the function that they are of.
    let telling = inner.filter(|inner| !inner.is_empty() && !inner.starts_with("<locals>"));
    std::iter::once(name).chain(telling).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two parts behind each other, as a row shows them.
    fn fitted(place: &str, function: &str, columns: usize) -> String {
        let (place, function) = place_and_function(place, function, columns, true);
        format!("{place}  {function}")
    }

    #[test]
    fn paths_lose_their_middle_first() {
        let long = "sphinx/builders/html/__init__.py:120";
        assert_eq!(path(long, 36, true), long);
        assert_eq!(path(long, 35, true), "sphinx/…/html/__init__.py:120");
        assert_eq!(path(long, 28, true), "…/html/__init__.py:120");
        assert_eq!(path(long, 20, true), "…/__init__.py:120");
        assert_eq!(path(long, 14, true), "…init__.py:120");
        assert_eq!(path(long, 31, false), "sphinx/.../html/__init__.py:120");
        assert_eq!(path("sphinx/ext/autodoc/importer.py:9", 31, true), "sphinx/…/autodoc/importer.py:9");
        assert_eq!(path("sphinx/ext/autodoc/importer.py:9", 29, true), "sphinx/…/importer.py:9");
        assert_eq!(path("modulename.py:77", 10, true), "…ame.py:77");
    }

    #[test]
    fn absolute_paths_lose_their_start() {
        let long = "/home/user/code/thing/app.py:3";
        assert_eq!(path(long, 29, true), "…/user/code/thing/app.py:3");
        assert_eq!(path(long, 25, true), "…/code/thing/app.py:3");
        assert_eq!(path(long, 10, true), "…/app.py:3");
    }

    #[test]
    fn middle_directories_go_before_qualifiers_and_those_before_the_package() {
        let (place, function) =
            ("sphinx/environment/adapters/toctree.py:183", "TocTree.resolve.<locals>.walk");
        for (columns, expected) in [
            (73, "sphinx/environment/adapters/toctree.py:183  TocTree.resolve.<locals>.walk"),
            (72, "sphinx/…/adapters/toctree.py:183  TocTree.resolve.<locals>.walk"),
            (62, "sphinx/…/toctree.py:183  TocTree.resolve.<locals>.walk"),
            (53, "sphinx/…/toctree.py:183  resolve.<locals>.walk"),
            (45, "sphinx/…/adapters/toctree.py:183  walk"),
            (37, "sphinx/…/toctree.py:183  walk"),
            (28, "…/toctree.py:183  walk"),
            (20, "toctree.py:183  walk"),
            (19, "…ctree.py:183  walk"),
        ] {
            assert_eq!(fitted(place, function, columns), expected);
        }
        assert_eq!(
            fitted("jinja2/environment.py:709", "Environment._compile", 40),
            "jinja2/environment.py:709  _compile"
        );
    }

    #[test]
    fn words_are_cut_only_where_nothing_else_helps() {
        let (place, function) = ("ab/module.py:1", "Class.method");
        assert_eq!(fitted(place, function, 22), "ab/module.py:1  method");
        assert_eq!(fitted(place, function, 21), "…/module.py:1  method");
        assert_eq!(fitted(place, function, 20), "module.py:1  method");
        assert_eq!(fitted(place, function, 18), "…dule.py:1  method");
        assert_eq!(fitted(place, "Class.a_rather_long_method", 24), "…/module.py:1  …g_method");
    }

    #[test]
    fn names_lose_their_qualifiers_from_the_outside() {
        assert_eq!(names("f"), ["f"]);
        assert_eq!(names("Element.__init__"), ["Element.__init__", "__init__"]);
        assert_eq!(names("A.f.<locals>.B.g"), ["A.f.<locals>.B.g", "f.<locals>.B.g", "B.g", "g"]);
        assert_eq!(names("f.<locals>.<lambda>"), ["f.<locals>.<lambda>", "<lambda>"]);
        assert_eq!(names("a."), ["a."]);
    }

    #[test]
    fn nothing_is_wider_than_its_room() {
        let places =
            ["", "/", "a", "/a", "../x.py:1", "a//b", "模块/包/文件.py:12", "sphinx/a/b/__init__.py:3"];
        let functions = ["f", "A.b.<locals>.c", ".", "..", "类.方法"];
        for (place, function) in places.iter().flat_map(|place| functions.map(|function| (place, function))) {
            for (columns, unicode) in (GAP..50).flat_map(|columns| [(columns, true), (columns, false)]) {
                let (short, name) = place_and_function(place, function, columns, unicode);
                assert!(width(&short) + width(&name) + GAP <= columns, "{short:?} {name:?} in {columns}");
                assert!(width(&path(place, columns, unicode)) <= columns);
            }
        }
    }
}
