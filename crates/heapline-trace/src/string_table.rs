//! Strings of the capture, each stored once.

use heapline_format::{STRING_ALIGN, TableId};
use rustc_hash::FxHashMap;

use crate::capture::{Capture, Full, TableSpace};

/// The strings table and an index by content. Id 0 is the empty string.
#[derive(Debug)]
pub(crate) struct StringTable {
    space: TableSpace,
    used: usize,
    ids: FxHashMap<Box<str>, u32>,
}

impl StringTable {
    pub(crate) fn new(capture: &mut Capture, limit_bytes: usize) -> std::io::Result<Self> {
        // A node names a string by 28 bits, in units of 4 bytes.
        let limit = limit_bytes.clamp(64 << 10, 1 << 30).next_multiple_of(4096);
        let space = capture.table(TableId::Strings, 1, limit)?;
        Ok(Self { space, used: 0, ids: FxHashMap::default() })
    }

    /// Parts with the capture's file.
    pub(crate) fn detach(&mut self, capture: &Capture) -> std::io::Result<()> {
        capture.detach_table(&mut self.space, self.used, 1)
    }

    /// The string with this id, if there is one.
    pub(crate) fn get(&self, id: u32) -> Option<&str> {
        let at = id as usize * STRING_ALIGN;
        if at + 4 > self.used {
            return None;
        }
        // SAFETY: what is used was written by `intern`, is mapped, and never changes; ids stand for a length with as
        // many bytes behind it. Should the map have failed it holds zeros: an empty string.
        unsafe {
            let start = self.space.base().add(at);
            let length = start.cast::<u32>().read() as usize;
            let end = at.checked_add(4)?.checked_add(length)?;
            if end > self.used {
                return None;
            }
            std::str::from_utf8(std::slice::from_raw_parts(start.add(4), length)).ok()
        }
    }

    /// Id of this string, stored now if it was not yet.
    pub(crate) fn intern(&mut self, capture: &mut Capture, text: &str) -> Result<u32, Full> {
        if let Some(id) = self.ids.get(text) {
            return Ok(*id);
        }
        self.ids.try_reserve(1).map_err(|_| Full)?;
        let bytes = (4 + text.len()).next_multiple_of(STRING_ALIGN);
        while self.used + bytes > self.space.committed() {
            capture.grow(&mut self.space)?;
        }
        // SAFETY: `used + bytes` is within what is committed, and nobody reads it before it is counted below.
        unsafe {
            let at = self.space.base().add(self.used);
            at.cast::<u32>().write(text.len() as u32);
            std::ptr::copy_nonoverlapping(text.as_ptr(), at.add(4), text.len());
        }
        let id = (self.used / STRING_ALIGN) as u32;
        self.used += bytes;
        capture.count(&self.space, self.used as u64);
        self.ids.insert(text.into(), id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_an_id_and_growth_keeps_them() {
        let mut capture = Capture::create(None).expect("memory");
        let mut strings = StringTable::new(&mut capture, 1 << 20).expect("address space");
        let first = strings.intern(&mut capture, "").expect("room");
        assert_eq!(first, 0);
        let long = "x".repeat(100_000);
        let ids: Vec<u32> = ["a", "bcdef", &long, "a"]
            .iter()
            .map(|text| strings.intern(&mut capture, text).expect("room"))
            .collect();
        assert_eq!(ids[0], ids[3]);
        assert_eq!(ids[1], 3, "the empty string takes 4 bytes, 'a' 8");
        assert_eq!(strings.get(ids[2]), Some(long.as_str()));
        assert_eq!((strings.get(0), strings.get(ids[1])), (Some(""), Some("bcdef")));
        assert_eq!(strings.get(u32::MAX), None);
    }
}
