//! What a capture that tells nothing of its surroundings holds instead: names of files without directories, and no words
//! that the program was started with.
//!
//! It works while a capture is written, so that what is left out never reaches the disk. Files of installed packages and of
//! the standard library keep the path that they are imported by. Of any other file only its base name is kept, and where
//! files in several directories have one, the number of the directory among them, in the order in which they are first seen:
//! `__init__.py`, `2/__init__.py`.

use std::collections::HashMap;
use std::sync::Arc;

use heapline_format::MetaKey;

use crate::facts::Facts;
use crate::frame::Origin;
use crate::path::SearchPath;

/// Stands for a text of which nothing is kept.
const REDACTED: &str = "<redacted>";
/// Where files of the program are in a redacted capture.
const PROGRAM: &str = "/redacted";
/// Where the standard library is.
const STDLIB: &str = "/redacted/stdlib";
/// Where packages are installed.
const SITE: &str = "/redacted/site-packages";
/// Names that are remembered; further ones are not told apart. A capture has room for no more functions than that.
const MOST_NAMES: usize = 262_144;

/// Files by the names that stand for them.
pub type Originals = HashMap<Box<str>, Box<str>>;

/// Writes names of files without what they tell of their surroundings.
#[derive(Debug)]
pub struct Redaction {
    search_path: SearchPath,
    redacted: HashMap<Box<str>, Box<str>>,
    originals: Originals,
    /// Directories of each base name so far.
    directories: HashMap<Box<str>, u32>,
}

impl Redaction {
    /// For a process of which a capture would state these facts.
    #[must_use]
    pub fn new(facts: &[(MetaKey, String)]) -> Self {
        Self {
            search_path: Facts { values: facts.to_vec() }.search_path(),
            redacted: HashMap::new(),
            originals: Originals::new(),
            directories: HashMap::new(),
        }
    }

    /// What a capture states instead of these facts.
    #[must_use]
    pub fn facts(facts: &[(MetaKey, String)]) -> Vec<(MetaKey, String)> {
        let kept = facts.iter().filter_map(|(key, value)| {
            let value = match key {
                MetaKey::Argument
                | MetaKey::WorkingDirectory
                | MetaKey::StdlibPath
                | MetaKey::SitePath
                | MetaKey::ProgramPath => return None,
                MetaKey::Program | MetaKey::Executable => base_name(value).to_owned(),
                MetaKey::Recorded => REDACTED.to_owned(),
                _ => value.clone(),
            };
            Some((*key, value))
        });
        let places =
            [(MetaKey::StdlibPath, STDLIB), (MetaKey::SitePath, SITE), (MetaKey::ProgramPath, PROGRAM)];
        let own = places.into_iter().chain([(MetaKey::Redacted, "yes")]);
        kept.chain(own.map(|(key, value)| (key, value.to_owned()))).collect()
    }

    /// What stands for a file (its `co_filename`).
    pub fn file(&mut self, file: &str) -> String {
        if file.starts_with('<') {
            // `<string>`, `<frozen os>`; a name with a path in it is none of Python's own.
            let is_plain = !file.contains(['/', '\\']);
            return if is_plain { file.to_owned() } else { REDACTED.to_owned() };
        }
        if let Some(known) = self.redacted.get(file) {
            return known.to_string();
        }
        if self.redacted.len() >= MOST_NAMES {
            return REDACTED.to_owned();
        }
        let source = self.search_path.source(&Arc::from(file));
        let redacted = match source.origin {
            Origin::Site => format!("{SITE}/{}", source.path),
            Origin::Stdlib => format!("{STDLIB}/{}", source.path),
            Origin::Program | Origin::Unknown => {
                let name = base_name(file);
                let count = self.directories.entry(name.into()).or_insert(0);
                *count += 1;
                if *count == 1 { format!("{PROGRAM}/{name}") } else { format!("{PROGRAM}/{count}/{name}") }
            }
        };
        self.redacted.insert(file.into(), redacted.as_str().into());
        self.originals.entry(redacted.as_str().into()).or_insert_with(|| file.into());
        redacted
    }

    /// All files so far by the names that stand for them.
    #[must_use]
    pub fn originals(&self) -> &Originals {
        &self.originals
    }

    /// The file that such a name stands for, as filters want it; the name itself if it stands for no other.
    #[must_use]
    pub fn original<'a>(&'a self, redacted: &'a str) -> &'a str {
        self.originals.get(redacted).map_or(redacted, |file| file)
    }
}

/// What stands behind the last separator.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<(MetaKey, String)> {
        [
            (MetaKey::Program, "app.py"),
            (MetaKey::Argument, "/home/me/secret/app.py"),
            (MetaKey::Argument, "--password=hunter2"),
            (MetaKey::WorkingDirectory, "/home/me/secret"),
            (MetaKey::Executable, "/home/me/venv/bin/python3.12"),
            (MetaKey::PythonVersion, "3.12.1"),
            (MetaKey::StdlibPath, "/usr/lib/python3.12"),
            (MetaKey::SitePath, "/home/me/venv/lib/python3.12/site-packages"),
            (MetaKey::ProgramPath, "/home/me/secret"),
            (MetaKey::Recorded, "secret/**"),
        ]
        .map(|(key, value)| (key, value.to_owned()))
        .to_vec()
    }

    #[test]
    fn files_keep_no_directory_that_is_not_of_a_package() {
        let mut redaction = Redaction::new(&facts());
        for (file, expected) in [
            ("/usr/lib/python3.12/json/decoder.py", "/redacted/stdlib/json/decoder.py"),
            (
                "/home/me/venv/lib/python3.12/site-packages/attr/_make.py",
                "/redacted/site-packages/attr/_make.py",
            ),
            ("/home/me/secret/app.py", "/redacted/app.py"),
            ("/home/me/secret/views/__init__.py", "/redacted/__init__.py"),
            ("/home/me/secret/models/__init__.py", "/redacted/2/__init__.py"),
            ("/home/me/secret/views/__init__.py", "/redacted/__init__.py"),
            ("secret/relative.py", "/redacted/relative.py"),
            ("/srv/other/app.py", "/redacted/2/app.py"),
            ("/usr/lib/python3.12/../../../home/me/secret/x.py", "/redacted/x.py"),
            ("<string>", "<string>"),
            ("<frozen os>", "<frozen os>"),
            ("<template /home/me/secret/page.html>", "<redacted>"),
            ("", "/redacted/"),
        ] {
            assert_eq!(redaction.file(file), expected, "{file}");
        }
        assert_eq!(redaction.original("/redacted/2/app.py"), "/srv/other/app.py");
        assert_eq!(redaction.original("<string>"), "<string>");
    }

    #[test]
    fn names_beyond_the_limit_are_not_told_apart() {
        let mut redaction = Redaction::new(&facts());
        for number in 0..MOST_NAMES {
            redaction.redacted.insert(number.to_string().into(), "".into());
        }
        assert_eq!(redaction.file("/home/me/secret/app.py"), REDACTED);
    }

    #[test]
    fn facts_name_no_word_and_no_directory() {
        let redacted = Redaction::facts(&facts());
        let all = format!("{redacted:?}");
        for secret in ["secret", "hunter2", "home", "venv", "usr"] {
            assert!(!all.contains(secret), "{all}");
        }
        let found = |key| redacted.iter().find(|(found, _)| *found == key).map(|(_, value)| value.as_str());
        assert_eq!(found(MetaKey::Program), Some("app.py"));
        assert_eq!(found(MetaKey::Executable), Some("python3.12"));
        assert_eq!(found(MetaKey::PythonVersion), Some("3.12.1"));
        assert_eq!(found(MetaKey::Recorded), Some("<redacted>"));
        assert_eq!(found(MetaKey::Redacted), Some("yes"));
    }

    #[test]
    fn readers_show_what_is_left_as_they_show_files() {
        let search_path = Facts { values: Redaction::facts(&facts()) }.search_path();
        let mut redaction = Redaction::new(&facts());
        for (file, path, module, origin) in [
            ("/usr/lib/python3.12/json/decoder.py", "json/decoder.py", "json.decoder", Origin::Stdlib),
            (
                "/home/me/venv/lib/python3.12/site-packages/attr/_make.py",
                "attr/_make.py",
                "attr._make",
                Origin::Site,
            ),
            ("/home/me/secret/app.py", "app.py", "app", Origin::Program),
        ] {
            let source = search_path.source(&Arc::from(redaction.file(file)));
            assert_eq!((&*source.path, &*source.module, source.origin), (path, module, origin));
        }
    }
}
