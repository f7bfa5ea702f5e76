//! The name of a thread, read from inside an allocation without running any Python code.
//!
//! A thread that `threading` started has `Thread._bootstrap(self)` of `threading.py` as its outermost frame, so its
//! `Thread` object is that frame's first local, and the name is an entry of the object's own dictionary. Other threads are named by the
//! operating system, or by nothing. Names that only differ by numbers are folded once there are many, so that a
//! program that starts a thread for every request does not grow the tree without bound.

use rustc_hash::FxHashMap;

use crate::environment;
use crate::ffi::{Api, PyObject, calling_interpreter, copy_string};
use crate::frame::{self, Frames};
use crate::layout::{Layout, read};

/// Names beyond this many are kept with their digits folded.
const VERBATIM: usize = 64;
/// Names beyond this many are not told apart.
const LIMIT: usize = 512;
const NAME_CHARACTERS: usize = 100;

/// What is needed to find thread names.
#[derive(Debug)]
pub(crate) struct ThreadNamer {
    /// The interned string `_name`.
    attribute: *mut PyObject,
    known: FxHashMap<String, u32>,
}

impl ThreadNamer {
    pub(crate) fn new(api: &Api) -> Self {
        // SAFETY: the GIL is held while a session starts. The string is interned for good: one for the process.
        let attribute = unsafe { (api.intern)(c"_name".as_ptr()) };
        Self { attribute, known: FxHashMap::default() }
    }

    /// The node that `make` gave for the calling thread's name, which it is asked for once per name.
    ///
    /// # Safety
    /// `frames` is a fresh walk of the calling thread, which holds the GIL and is marked as inside a hook.
    pub(crate) unsafe fn root(
        &mut self,
        api: &Api,
        layout: Option<&Layout>,
        frames: &Frames,
        make: impl FnOnce(&str) -> u32,
    ) -> u32 {
        // SAFETY: as the caller promises.
        let name = unsafe { self.name(api, layout, frames) };
        let name = self.fold(name);
        if let Some(node) = self.known.get(&name) {
            return *node;
        }
        let node = make(&name);
        self.known.insert(name, node);
        node
    }

    fn fold(&self, name: String) -> String {
        if self.known.len() < VERBATIM || self.known.contains_key(&name) {
            return name;
        }
        let folded = fold_digits(&name);
        if self.known.len() < LIMIT || self.known.contains_key(&folded) {
            folded
        } else {
            "<other threads>".to_owned()
        }
    }

    unsafe fn name(&self, api: &Api, layout: Option<&Layout>, frames: &Frames) -> String {
        // SAFETY: plain system calls.
        if unsafe { libc::gettid() == libc::getpid() } {
            return "MainThread".to_owned();
        }
        // SAFETY: as the caller promises.
        let python = layout.and_then(|layout| unsafe { self.python_name(api, layout, frames) });
        python.unwrap_or_else(system_name)
    }

    unsafe fn python_name(&self, api: &Api, layout: &Layout, frames: &Frames) -> Option<String> {
        let outermost = frames.as_slice().last()?;
        if self.attribute.is_null() {
            return None;
        }
        let lookup = api.type_lookup?;
        // SAFETY: the frame was just walked, so its code object and that one's names are alive. The first local of a
        // method that runs is its object, or null. The type's MRO has no `_name`, so the generic lookup goes straight
        // to the object's dictionary: no descriptor, no `__getattr__`, nothing of the program's is called.
        unsafe {
            let (code, _) = frame::position(layout, *outermost, environment::known()?.code_type);
            let code = code.cast_const().cast::<u8>();
            if code.is_null() {
                return None;
            }
            let function = copy_string(api, read(code, layout.code_name), NAME_CHARACTERS)?;
            let file = copy_string(api, read(code, layout.code_filename), usize::MAX)?;
            let object: *mut PyObject = layout.object(outermost.frame, layout.first_local).cast_mut().cast();
            if !function.ends_with("_bootstrap") || !file.ends_with("threading.py") || object.is_null() {
                return None;
            }
            let kind: *mut PyObject = read(object.cast_const().cast(), 8);
            calling_interpreter(api, || {
                if !lookup(kind, self.attribute).is_null() {
                    return None;
                }
                let value = (api.generic_getattr)(object, self.attribute);
                if value.is_null() {
                    return None;
                }
                const UNICODE_SUBCLASS: std::ffi::c_ulong = 1 << 28;
                let value_type: *mut PyObject = read(value.cast_const().cast(), 8);
                let is_string = (api.type_flags)(value_type) & UNICODE_SUBCLASS != 0;
                let name = if is_string { copy_string(api, value, NAME_CHARACTERS) } else { None };
                (api.decref)(value);
                name
            })
        }
    }
}

/// What the operating system calls the thread, if that is not just the name of the process.
fn system_name() -> String {
    let mut buffer = [0u8; 17];
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) };
    let name = String::from_utf8_lossy(buffer.split(|byte| *byte == 0).next().unwrap_or(&[])).into_owned();
    let process = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    if name.is_empty() || name == process.trim_end() { "<native thread>".to_owned() } else { name }
}

/// Every run of digits becomes one `#`.
fn fold_digits(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for character in name.chars() {
        if !character.is_ascii_digit() {
            folded.push(character);
        } else if !folded.ends_with('#') {
            folded.push('#');
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_fold() {
        assert_eq!(fold_digits("Thread-1234 (worker)"), "Thread-# (worker)");
        let mut namer = ThreadNamer { attribute: std::ptr::null_mut(), known: FxHashMap::default() };
        let mut roots = std::collections::BTreeSet::new();
        for number in 0..10_000 {
            let name = namer.fold(format!("Thread-{number} (worker)"));
            namer.known.insert(name.clone(), 0);
            roots.insert(name);
        }
        assert_eq!(roots.len(), VERBATIM + 1);
        for number in 0..10_000u32 {
            let letters: String =
                format!("{number:04x}").chars().map(|c| (b'a' + c as u8 % 26) as char).collect();
            let name = namer.fold(format!("{letters}{}", "x".repeat(number as usize % 50)));
            namer.known.insert(name, 0);
        }
        assert!(namer.known.len() <= LIMIT + 1);
    }
}
