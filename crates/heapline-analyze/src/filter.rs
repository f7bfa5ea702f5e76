//! Which allocations a question is about, by the file that made them.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::Error;
use crate::frame::Source;
use crate::tree::{Place, Tree};

/// Globs over files: an allocation passes when the file of the frame that made it matches an include pattern
/// (or there is none) and no exclude pattern. The default lets everything pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

#[derive(Clone, Debug)]
struct Patterns {
    /// Matched against whole paths.
    paths: GlobSet,
    /// Matched against a file's base name: the patterns without `/`.
    base_names: GlobSet,
}

impl Filter {
    /// A filter of these patterns.
    ///
    /// A pattern matches the shown path (`docutils/nodes.py`) or the full one; `*` also matches `/`, so
    /// `docutils/*` takes in all packages below. A pattern without `/` matches a file's base name too. What
    /// has no file is matched by its label (`<no Python frame>`).
    ///
    /// # Errors
    /// [`Error::Pattern`] names the first pattern that is not a glob.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, Error> {
        Ok(Self { include: Patterns::new(include)?, exclude: Patterns::new(exclude)? })
    }

    /// Whether allocations made by code of this file pass.
    #[must_use]
    pub fn allows(&self, source: &Source) -> bool {
        self.allows_if(|patterns| patterns.match_path(&source.path) || patterns.match_path(&source.file))
    }

    /// Whether allocations that no Python frame can be named for pass, by their label.
    #[must_use]
    pub fn allows_label(&self, label: &str) -> bool {
        self.allows_if(|patterns| patterns.paths.is_match(label))
    }

    fn allows_if(&self, matches: impl Fn(&Patterns) -> bool) -> bool {
        self.include.as_ref().is_none_or(&matches) && !self.exclude.as_ref().is_some_and(&matches)
    }

    /// For each place of a tree whether allocations made there pass.
    pub(crate) fn allowed_places(&self, tree: &Tree) -> Vec<bool> {
        if self.include.is_none() && self.exclude.is_none() {
            return vec![true; tree.places.len()];
        }
        let allowed_sources: Vec<bool> = tree.sources.iter().map(|source| self.allows(source)).collect();
        let allowed = |place: &Place| match place {
            Place::Frame { function, .. } => {
                allowed_sources[tree.functions[*function as usize].source as usize]
            }
            place => self.allows_label(Tree::label(place)),
        };
        tree.places.iter().map(allowed).collect()
    }
}

impl Patterns {
    /// `None` when there are no patterns.
    fn new(patterns: &[String]) -> Result<Option<Self>, Error> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut paths = GlobSetBuilder::new();
        let mut base_names = GlobSetBuilder::new();
        for pattern in patterns {
            let refused = |error: globset::Error| Error::Pattern {
                pattern: pattern.clone(),
                reason: error.kind().to_string(),
            };
            let glob = GlobBuilder::new(pattern).literal_separator(false).build().map_err(refused)?;
            if !pattern.contains('/') {
                base_names.add(glob.clone());
            }
            paths.add(glob);
        }
        // The set as a whole can be refused too, for its size; no single pattern is to blame then.
        let refused = |error: globset::Error| Error::Pattern {
            pattern: error.glob().map_or_else(|| patterns.join(", "), str::to_owned),
            reason: error.kind().to_string(),
        };
        Ok(Some(Self {
            paths: paths.build().map_err(refused)?,
            base_names: base_names.build().map_err(refused)?,
        }))
    }

    fn match_path(&self, path: &str) -> bool {
        let base_name = path.rsplit('/').next().unwrap_or(path);
        self.paths.is_match(path) || self.base_names.is_match(base_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Origin;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned =
            |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).expect("patterns are globs")
    }

    fn nodes() -> Source {
        Source {
            path: "docutils/parsers/rst/states.py".into(),
            file: "/lib/site-packages/docutils/parsers/rst/states.py".into(),
            module: "docutils.parsers.rst.states".into(),
            origin: Origin::Site,
        }
    }

    #[test]
    fn patterns_match_paths_and_base_names() {
        for pattern in ["docutils/*", "states.py", "s*.py", "/lib/*", "*/rst/*", "docutils/**/states.py", "*"]
        {
            assert!(filter(&[pattern], &[]).allows(&nodes()), "{pattern}");
            assert!(!filter(&[], &[pattern]).allows(&nodes()), "{pattern}");
        }
        for pattern in ["docutils", "rst/*", "parsers", "S*.py", "/docutils/*"] {
            assert!(!filter(&[pattern], &[]).allows(&nodes()), "{pattern}");
            assert!(filter(&[], &[pattern]).allows(&nodes()), "{pattern}");
        }
    }

    #[test]
    fn exclusion_wins() {
        assert!(!filter(&["docutils/*"], &["states.py"]).allows(&nodes()));
        assert!(Filter::default().allows(&nodes()));
        assert!(filter(&["other.py", "states.py"], &["x"]).allows(&nodes()));
    }

    #[test]
    fn labels_are_matched_like_paths() {
        assert!(filter(&[], &["*.py"]).allows_label("<no Python frame>"));
        assert!(!filter(&["*.py"], &[]).allows_label("<no Python frame>"));
        assert!(filter(&["<*>"], &[]).allows_label("<no Python frame>"));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Filter::new(&["ok".into(), "a[b".into()], &[]).expect_err("an unclosed class");
        let text = error.to_string();
        assert!(text.starts_with("bad pattern \"a[b\": ") && !text.contains('\n'), "{text}");
    }
}
