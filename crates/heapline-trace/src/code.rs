//! The code objects that the tree has keys into: their metadata, and the moment when one dies.
//!
//! A key of the tree holds an address inside a code object. When the object is freed, another one may be made at the
//! same address, so its keys must be forgotten at once. Nothing is pinned for this: the object's own slot in the
//! block table is marked, and the free hook, which loads that slot anyway, sees the mark.
//!
//! Code objects of equal name, file and first line share one entry in the capture. A program that runs `exec` in a
//! loop makes millions of code objects and finds its old nodes again (`dormant`).

use std::sync::atomic::Ordering;

use heapline_format::{Code, LossKind, TableId};
use rustc_hash::FxHashMap;

use crate::block_table::{Block, BlockTable};
use crate::capture::{Capture, Full, TableSpace};
use crate::ffi::{Api, PyObject, calling_interpreter, copy_string};
use crate::file_names::FileNames;
use crate::layout::{Layout, read};
use crate::sample_filter;
use crate::sampler;
use crate::string_table::StringTable;

/// The entry of code objects for whose metadata there was no room.
const OTHER: u32 = 0;
const OTHER_NAME: &str = "<function beyond the limit>";
/// Longer names of functions are cut.
const NAME_CHARACTERS: usize = 1024;
/// And longer ones of files: than the longest path there is.
const FILE_CHARACTERS: usize = 4096;

/// A code object that is alive.
#[derive(Debug)]
struct Watched {
    address: usize,
    code: u32,
    /// What the block table knew of the object before it was marked.
    block: Option<Block>,
    /// Numbers of the tree's edges whose key lies in it.
    edges: Vec<u32>,
    /// Instructions that have a place, in order, and its number.
    places: Vec<(u32, u32)>,
}

/// Code objects and their metadata.
#[derive(Debug)]
pub(crate) struct CodeTable {
    space: TableSpace,
    records: usize,
    ids: FxHashMap<Code, u32>,
    watched: Vec<Option<Watched>>,
    free_numbers: Vec<u32>,
    by_address: FxHashMap<usize, u32>,
    /// Children that dead code objects had, by parent and place.
    dormant: FxHashMap<(u32, u32), u32>,
    names: Names,
    file_names: Option<FileNames>,
}

/// How metadata is read from a code object.
#[derive(Debug)]
enum Names {
    Fields(&'static Layout),
    Attributes,
}

impl CodeTable {
    pub(crate) fn new(
        capture: &mut Capture,
        strings: &mut StringTable,
        limit: usize,
        layout: Option<&'static Layout>,
    ) -> std::io::Result<Self> {
        let limit_bytes = (limit.clamp(256, 1 << 26) * Code::BYTES).next_multiple_of(4096);
        let space = capture.table(TableId::Codes, Code::BYTES, limit_bytes)?;
        let mut table = Self {
            space,
            records: 0,
            ids: FxHashMap::default(),
            watched: Vec::new(),
            free_numbers: Vec::new(),
            by_address: FxHashMap::default(),
            dormant: FxHashMap::default(),
            names: layout.map_or(Names::Attributes, Names::Fields),
            file_names: None,
        };
        let other = strings
            .intern(capture, OTHER_NAME)
            .and_then(|name| table.entry(capture, Code { filename: name, name, first_line: 0, flags: 0 }));
        match other {
            Ok(OTHER) => Ok(table),
            _ => Err(std::io::Error::from(std::io::ErrorKind::StorageFull)),
        }
    }

    /// Has files called by other names; before any code object is known.
    pub(crate) fn set_file_names(&mut self, file_names: Option<FileNames>) {
        self.file_names = file_names;
    }

    /// Parts with the capture's file.
    pub(crate) fn detach(&mut self, capture: &Capture) -> std::io::Result<()> {
        capture.detach_table(&mut self.space, self.records, Code::BYTES)
    }

    /// How many numbers were given out.
    pub(crate) fn numbers(&self) -> u32 {
        self.watched.len() as u32
    }

    /// Whether the code object with this number is dead without our having heard of it: its mark is gone.
    pub(crate) fn was_missed(&self, number: u32, blocks: &BlockTable) -> bool {
        let watched = self.watched.get(number as usize).and_then(Option::as_ref);
        watched.is_some_and(|watched| !blocks.is_watched(watched.address, number))
    }

    /// The number of a code object under watch; begins to watch it if need be.
    ///
    /// # Safety
    /// `object` is a live code object, and the caller holds the GIL.
    pub(crate) unsafe fn watch(
        &mut self,
        api: &Api,
        capture: &mut Capture,
        strings: &mut StringTable,
        blocks: &BlockTable,
        object: *mut PyObject,
    ) -> Result<u32, Full> {
        let address = object as usize;
        self.reserve()?;
        if let Some(number) = self.by_address.get(&address) {
            return Ok(*number);
        }
        // SAFETY: as the caller promises.
        let known = unsafe { self.metadata(api, capture, strings, object) }
            .and_then(|metadata| self.entry(capture, metadata));
        let code = known.unwrap_or_else(|Full| {
            capture.lost(LossKind::Names).fetch_add(1, Ordering::Relaxed);
            OTHER
        });
        let number = self.free_numbers.pop().unwrap_or(self.watched.len() as u32);
        let Ok(block) = blocks.watch(address, number) else {
            self.free_numbers.push(number);
            return Err(Full);
        };
        let watched = Some(Watched { address, code, block, edges: Vec::new(), places: Vec::new() });
        match self.watched.get_mut(number as usize) {
            Some(place) => *place = watched,
            None => self.watched.push(watched),
        }
        self.by_address.insert(address, number);
        if sampler::is_on() {
            sample_filter::add(address);
        }
        Ok(number)
    }

    /// Makes room for one more entry in each collection: running out of memory must not end the program.
    fn reserve(&mut self) -> Result<(), Full> {
        self.by_address.try_reserve(1).map_err(|_| Full)?;
        self.ids.try_reserve(1).map_err(|_| Full)?;
        self.watched.try_reserve(1).map_err(|_| Full)?;
        self.free_numbers.try_reserve(1).map_err(|_| Full)
    }

    /// The block that a watched code object is, if the block table knew it.
    pub(crate) fn block(&self, number: u32) -> Option<Block> {
        self.watched.get(number as usize)?.as_ref()?.block
    }

    /// The place of an instruction of a watched code object. `find` makes it the first time: finding an
    /// instruction's line walks the code object's line table.
    pub(crate) fn place(
        &mut self,
        number: u32,
        instruction: u32,
        find: impl FnOnce(u32) -> Result<u32, Full>,
    ) -> Result<u32, Full> {
        let Some(Some(watched)) = self.watched.get_mut(number as usize) else { return Err(Full) };
        match watched.places.binary_search_by_key(&instruction, |(known, _)| *known) {
            Ok(index) => Ok(watched.places[index].1),
            Err(index) => {
                watched.places.try_reserve(1).map_err(|_| Full)?;
                let place = find(watched.code)?;
                watched.places.insert(index, (instruction, place));
                Ok(place)
            }
        }
    }

    /// Makes room for one more edge of a watched code object; false when there is no memory for it.
    pub(crate) fn reserve_edge(&mut self, number: u32) -> bool {
        let watched = self.watched.get_mut(number as usize).and_then(Option::as_mut);
        watched.is_some_and(|watched| watched.edges.try_reserve(1).is_ok())
    }

    /// Remembers an edge whose key lies in a watched code object, for which room was made.
    pub(crate) fn add_edge(&mut self, number: u32, edge: u32) {
        if let Some(Some(watched)) = self.watched.get_mut(number as usize) {
            watched.edges.push(edge);
        }
    }

    /// The entry of a code object that is under watch.
    pub(crate) fn code_of(&self, address: usize) -> Option<u32> {
        let number = self.by_address.get(&address)?;
        Some(self.watched.get(*number as usize)?.as_ref()?.code)
    }

    /// The entry of a code object in the capture.
    pub(crate) fn get(&self, code: u32) -> Option<Code> {
        // SAFETY: entries below the count were written, and never change.
        ((code as usize) < self.records)
            .then(|| unsafe { self.space.base().cast::<Code>().add(code as usize).read() })
    }

    /// The child that a code object with the same metadata, now dead, had at this place.
    pub(crate) fn dormant(&self, parent: u32, place: u32) -> Option<u32> {
        self.dormant.get(&(parent, place)).copied()
    }

    /// Remembers a child for the next code object of the same metadata.
    pub(crate) fn set_dormant(&mut self, parent: u32, place: u32, child: u32) {
        if self.dormant.try_reserve(1).is_ok() {
            self.dormant.insert((parent, place), child);
        }
    }

    /// A watched code object was freed: returns the block that it was, and its edges.
    pub(crate) fn died(&mut self, number: u32) -> (Option<Block>, Vec<u32>) {
        let Some(watched) = self.watched.get_mut(number as usize).and_then(Option::take) else {
            return (None, Vec::new());
        };
        self.by_address.remove(&watched.address);
        if sampler::is_on() {
            sample_filter::remove(watched.address);
        }
        self.free_numbers.push(number);
        (watched.block, watched.edges)
    }

    fn entry(&mut self, capture: &mut Capture, metadata: Code) -> Result<u32, Full> {
        if let Some(id) = self.ids.get(&metadata) {
            return Ok(*id);
        }
        if (self.records + 1) * Code::BYTES > self.space.committed() {
            capture.grow(&mut self.space)?;
        }
        let id = self.records as u32;
        // SAFETY: the record lies within what is committed and is not yet counted.
        unsafe { self.space.base().cast::<Code>().add(self.records).write(metadata) };
        self.records += 1;
        capture.count(&self.space, self.records as u64);
        self.ids.insert(metadata, id);
        Ok(id)
    }

    /// # Safety
    /// As for [`Self::watch`].
    unsafe fn metadata(
        &mut self,
        api: &Api,
        capture: &mut Capture,
        strings: &mut StringTable,
        object: *mut PyObject,
    ) -> Result<Code, Full> {
        // What is left of a long name says something else: it is given another one first.
        let file_limit = if self.file_names.is_some() { usize::MAX } else { FILE_CHARACTERS };
        // SAFETY: the object is alive; its name and file are `str` objects that it owns.
        let (filename, name, first_line, flags) = unsafe {
            match self.names {
                Names::Fields(layout) => {
                    let object = object.cast_const().cast::<u8>();
                    (
                        copy_string(api, read(object, layout.code_filename), file_limit),
                        copy_string(api, read(object, layout.code_name), NAME_CHARACTERS),
                        read::<i32>(object, layout.code_first_line),
                        read::<i32>(object, layout.code_flags),
                    )
                }
                Names::Attributes => calling_interpreter(api, || attributes(api, object, file_limit)),
            }
        };
        if filename.is_none() || name.is_none() {
            capture.lost(LossKind::Names).fetch_add(1, Ordering::Relaxed);
        }
        let filename = match (&mut self.file_names, filename) {
            (Some(names), Some(file)) => {
                Some((names.rename)(&file).chars().take(FILE_CHARACTERS).collect::<String>())
            }
            (_, filename) => filename,
        };
        Ok(Code {
            filename: strings.intern(capture, filename.as_deref().unwrap_or(""))?,
            name: strings.intern(capture, name.as_deref().unwrap_or(""))?,
            first_line: u32::try_from(first_line).unwrap_or(0),
            flags: flags as u32,
        })
    }
}

/// Metadata by attributes. A code object's attributes are plain members: reading them runs no Python code.
unsafe fn attributes(
    api: &Api,
    object: *mut PyObject,
    file_limit: usize,
) -> (Option<String>, Option<String>, i32, i32) {
    // SAFETY: the object is a live code object; every attribute read is a new reference that is released.
    unsafe {
        let text = |attribute: &std::ffi::CStr, limit: usize| {
            let value = (api.getattr)(object, attribute.as_ptr());
            if value.is_null() {
                (api.error_clear)();
                return None;
            }
            let text = copy_string(api, value, limit);
            (api.decref)(value);
            text
        };
        let number = |attribute: &std::ffi::CStr| {
            let value = (api.getattr)(object, attribute.as_ptr());
            if value.is_null() {
                (api.error_clear)();
                return 0;
            }
            let number = (api.as_long)(value) as i32;
            (api.decref)(value);
            number
        };
        (
            text(c"co_filename", file_limit),
            text(c"co_qualname", NAME_CHARACTERS).or_else(|| text(c"co_name", NAME_CHARACTERS)),
            number(c"co_firstlineno"),
            number(c"co_flags"),
        )
    }
}
