//! The same patterns as [`crate::Filter`], for a recording that is about to begin: its files are not known yet.

use std::sync::Arc;

use heapline_format::MetaKey;

use crate::facts::Facts;
use crate::filter::Filter;
use crate::path::SearchPath;

/// Which files' allocations are to be recorded.
#[derive(Debug)]
pub struct RecordingFilter {
    filter: Filter,
    search_path: SearchPath,
}

impl RecordingFilter {
    /// A filter for a process of which a capture would state these facts.
    #[must_use]
    pub fn new(filter: Filter, facts: &[(MetaKey, String)]) -> Self {
        Self { filter, search_path: Facts { values: facts.to_vec() }.search_path() }
    }

    /// Whether allocations made by code of this file (its `co_filename`) are to be recorded.
    #[must_use]
    pub fn allows(&self, file: &str) -> bool {
        self.filter.allows(&self.search_path.source(&Arc::from(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_matched_as_they_will_be_shown() {
        let facts = [
            (MetaKey::SitePath, "/lib/site-packages".to_owned()),
            (MetaKey::ProgramPath, "/srv/app".to_owned()),
        ];
        let filter = |include: &[&str], exclude: &[&str]| {
            let owned =
                |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let filter = Filter::new(&owned(include), &owned(exclude)).expect("globs");
            RecordingFilter::new(filter, &facts)
        };
        let packages = filter(&["docutils/*"], &[]);
        assert!(packages.allows("/lib/site-packages/docutils/nodes.py"));
        assert!(!packages.allows("/srv/app/main.py"));
        let own = filter(&[], &["**/site-packages/**"]);
        assert!(own.allows("/srv/app/main.py") && own.allows("<string>"));
        assert!(!own.allows("/lib/site-packages/docutils/nodes.py"));
        assert!(filter(&["main.py"], &[]).allows("/srv/app/main.py"));
    }
}
