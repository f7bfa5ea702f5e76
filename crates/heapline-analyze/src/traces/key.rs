//! What traces can have in common, in small numbers, and what those numbers are called.

use std::cmp::Ordering;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::traceback::NO_TRACEBACK;
use super::{Image, Traces};
use crate::strings::UNKNOWN;
use crate::tree::{Place, Tree};

/// What the traces of one group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// The whole traceback.
    Traceback,
    /// The file of the most recent frame.
    Filename,
    /// File and line of the most recent frame.
    Lineno,
    /// The function of the most recent frame.
    Function,
    /// The module of the most recent frame.
    Module,
    /// The name of the thread.
    Thread,
}

impl KeyType {
    /// The key type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "traceback" => Self::Traceback,
            "filename" => Self::Filename,
            "lineno" => Self::Lineno,
            "function" => Self::Function,
            "module" => Self::Module,
            "thread" => Self::Thread,
            _ => return None,
        })
    }
}

/// What a group is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label<'a> {
    /// File name; of a module or thread its name.
    pub text: &'a str,
    /// Line; of a function its first one, of anything else 0.
    pub line: u32,
    /// Name of a function, else empty.
    pub name: &'a str,
}

/// Numbers for the groups of one type in one snapshot. Not every number is in use.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) key_type: KeyType,
    pub(crate) image: Arc<Image>,
    /// Key of each place; for whole tracebacks empty.
    key_of_place: Vec<u32>,
    /// The place that names the thread of each node; empty for other types.
    threads: Vec<u32>,
    /// Names of modules or threads.
    names: Vec<Arc<str>>,
    /// Key of what has no frame.
    unknown: u32,
    /// How many there are.
    pub(crate) count: usize,
}

impl Keys {
    pub(crate) fn new(traces: &Traces, key_type: KeyType) -> Self {
        let image = Arc::clone(&traces.image);
        let frames = &image.frames;
        let tree = &frames.tree;
        let mut new = Self {
            key_type,
            image: Arc::clone(&image),
            key_of_place: Vec::new(),
            threads: Vec::new(),
            names: Vec::new(),
            unknown: 0,
            count: 0,
        };
        // Spot 0 and file 0 are those of what is not known.
        match key_type {
            KeyType::Traceback => new.count = image.tracebacks().len(),
            KeyType::Lineno => {
                new.key_of_place = (0..tree.places.len()).map(|place| frames.spot_of_place(place)).collect();
                new.count = frames.spot_count();
            }
            KeyType::Filename => {
                let file = |place| frames.spot(frames.spot_of_place(place)).0;
                new.key_of_place = (0..tree.places.len()).map(file).collect();
                new.count = frames.files.len();
            }
            KeyType::Function => {
                new.unknown = tree.functions.len() as u32;
                new.count = tree.functions.len() + 1;
                new.key_of_place =
                    tree.places.iter().map(|place| function(place).unwrap_or(new.unknown)).collect();
            }
            KeyType::Module => {
                let mut names = Names::new();
                let of_source: Vec<u32> =
                    tree.sources.iter().map(|source| names.number(&source.module)).collect();
                let module = |place| {
                    function(place)
                        .map_or(0, |index| of_source[tree.functions[index as usize].source as usize])
                };
                new.key_of_place = tree.places.iter().map(module).collect();
                new.names = names.all;
                new.count = new.names.len();
            }
            KeyType::Thread => {
                let mut names = Names::new();
                new.key_of_place =
                    tree.places.iter().map(|place| names.number(&Tree::thread_name(place).into())).collect();
                new.threads = tree.threads();
                new.names = names.all;
                new.count = new.names.len();
            }
        }
        new
    }

    /// The key of an account whose blocks are all freed; `None` if live ones have none of that.
    pub(crate) fn of_freed_account(&self, account: usize) -> Option<u32> {
        if self.key_type != KeyType::Traceback {
            return Some(self.of_account(account));
        }
        match self.image.tracebacks().of_account[account] {
            NO_TRACEBACK => {
                let mut shown = Vec::new();
                self.image.show(account, &mut shown);
                self.image.tracebacks().find(&shown)
            }
            known => Some(known),
        }
    }

    /// The key of an account that has live blocks.
    pub(crate) fn of_account(&self, account: usize) -> u32 {
        let node = self.image.origins[account].node;
        match self.key_type {
            KeyType::Traceback => self.image.tracebacks().of_account[account],
            KeyType::Thread => self.key_of_place[self.threads[node as usize] as usize],
            _ => self.image.frames.python_frames(node).next().map_or(self.unknown, |node| self.of_node(node)),
        }
    }

    /// The keys of an account, one for each frame that its traceback shows.
    pub(crate) fn each_of_account(&self, account: usize, mut each: impl FnMut(u32)) {
        if matches!(self.key_type, KeyType::Traceback | KeyType::Thread) {
            return each(self.of_account(account));
        }
        let mut has_frames = false;
        let node = self.image.origins[account].node;
        for node in self.image.frames.python_frames(node).take(self.image.limit) {
            each(self.of_node(node));
            has_frames = true;
        }
        if !has_frames {
            each(self.unknown);
        }
    }

    fn of_node(&self, node: u32) -> u32 {
        self.key_of_place[self.image.frames.tree.place_of[node as usize] as usize]
    }

    /// What a key is called; a traceback is called after its most recent frame.
    pub(crate) fn label(&self, key: u32) -> Label<'_> {
        let frames = &self.image.frames;
        let of_spot = |spot| {
            let (file, line) = frames.spot(spot);
            Label { text: frames.file(file), line, name: "" }
        };
        match self.key_type {
            KeyType::Traceback => of_spot(self.image.tracebacks().spots_of(key)[0]),
            KeyType::Lineno => of_spot(key),
            KeyType::Filename => Label { text: frames.file(key), line: 0, name: "" },
            KeyType::Function => match frames.tree.functions.get(key as usize) {
                Some(function) => Label {
                    text: &frames.tree.source_of(function).file,
                    line: function.first_line,
                    name: frames.tree.name_of(function),
                },
                None => Label { text: UNKNOWN, line: 0, name: UNKNOWN },
            },
            KeyType::Module | KeyType::Thread => Label { text: &self.names[key as usize], line: 0, name: "" },
        }
    }

    /// Which of two groups, that may be of different snapshots, stands behind the other: tracebacks compare oldest
    /// frame first.
    pub(crate) fn compare(&self, key: u32, other: &Self, other_key: u32) -> Ordering {
        if self.key_type != KeyType::Traceback {
            return self.label(key).cmp(&other.label(other_key));
        }
        self.oldest_first(key).cmp(other.oldest_first(other_key))
    }

    fn oldest_first(&self, key: u32) -> impl Iterator<Item = (&str, u32)> {
        let frames = &self.image.frames;
        self.image.tracebacks().spots_of(key).iter().rev().map(|&spot| {
            let (file, line) = frames.spot(spot);
            (frames.file(file), line)
        })
    }

    /// For each key of an older snapshot the key that has the same name here.
    pub(crate) fn of_same_name(&self, old: &Self) -> Vec<Option<u32>> {
        if Arc::ptr_eq(&self.image, &old.image) {
            return (0..old.count as u32).map(Some).collect();
        }
        if self.key_type != KeyType::Traceback {
            let mut by_label: FxHashMap<Label<'_>, u32> = FxHashMap::default();
            by_label.extend((0..self.count as u32).map(|key| (self.label(key), key)));
            return (0..old.count as u32).map(|key| by_label.get(&old.label(key)).copied()).collect();
        }
        let (frames, old_frames) = (&self.image.frames, &old.image.frames);
        let spots = |frames: &'_ super::frames::Frames| frames.spot_count() as u32;
        let mut by_name: FxHashMap<(&str, u32), u32> = FxHashMap::default();
        by_name.extend((0..spots(frames)).map(|spot| {
            let (file, line) = frames.spot(spot);
            ((frames.file(file), line), spot)
        }));
        let translation: Vec<Option<u32>> = (0..spots(old_frames))
            .map(|spot| {
                let (file, line) = old_frames.spot(spot);
                by_name.get(&(old_frames.file(file), line)).copied()
            })
            .collect();
        let (tracebacks, old_tracebacks) = (self.image.tracebacks(), old.image.tracebacks());
        let mut translated = Vec::new();
        (0..old.count as u32)
            .map(|key| {
                translated.clear();
                let spots = old_tracebacks.spots_of(key).iter();
                translated.extend(spots.map_while(|&spot| translation[spot as usize]));
                let is_whole = translated.len() == old_tracebacks.spots_of(key).len();
                if is_whole { tracebacks.find(&translated) } else { None }
            })
            .collect()
    }
}

fn function(place: &Place) -> Option<u32> {
    match place {
        Place::Frame { function, .. } => Some(*function),
        Place::Root | Place::Thread(_) | Place::Unattributed(_) => None,
    }
}

/// Names in the order of asking; the first one stands for what is not known.
struct Names {
    all: Vec<Arc<str>>,
    number_of: FxHashMap<Arc<str>, u32>,
}

impl Names {
    fn new() -> Self {
        let mut new = Self { all: Vec::new(), number_of: FxHashMap::default() };
        new.number(&UNKNOWN.into());
        new
    }

    fn number(&mut self, name: &Arc<str>) -> u32 {
        *self.number_of.entry(name.clone()).or_insert_with(|| {
            self.all.push(name.clone());
            self.all.len() as u32 - 1
        })
    }
}
