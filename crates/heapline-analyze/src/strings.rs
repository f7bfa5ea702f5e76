//! The string table of a capture, and names made from it.
//!
//! String ids come from untrusted records. Only ids at which a string really starts, counting from the front
//! of the table, are followed: strings then never overlap, and all names together are no larger than the
//! table.

use std::borrow::Cow;
use std::sync::Arc;

use heapline_format::STRING_ALIGN;
use rustc_hash::FxHashMap;

/// What is shown for a string that the capture does not hold.
pub(crate) const UNKNOWN: &str = "<unknown>";

/// The bytes of the string table and where strings start in them.
pub(crate) struct StringTable {
    bytes: Vec<u8>,
    /// One bit per string id.
    starts: Vec<u64>,
}

impl StringTable {
    /// Finds the strings in the table's bytes. A string that runs over the end, and all behind it, are
    /// unknown.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut starts = vec![0; bytes.len().div_ceil(STRING_ALIGN).div_ceil(64)];
        let mut offset = 0;
        while let Some(text) = string_at(&bytes, offset) {
            let id = offset / STRING_ALIGN;
            starts[id / 64] |= 1 << (id % 64);
            offset = (offset + size_of::<u32>() + text.len()).next_multiple_of(STRING_ALIGN);
        }
        Self { bytes, starts }
    }

    /// The string with this id.
    pub(crate) fn get(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let is_start = self.starts.get(id / 64)? >> (id % 64) & 1 == 1;
        if is_start { string_at(&self.bytes, id.checked_mul(STRING_ALIGN)?) } else { None }
    }

    /// Size of the table.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// The string whose length field stands at `offset`.
fn string_at(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let (length, rest) = bytes.get(offset..)?.split_first_chunk()?;
    rest.get(..u32::from_le_bytes(*length) as usize)
}

/// Strings that were asked for, each stored once, numbered in the order of asking.
pub(crate) struct Names<'a> {
    table: &'a StringTable,
    by_id: FxHashMap<u32, u32>,
    by_text: FxHashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl<'a> Names<'a> {
    /// Number of the name that stands for every string that the capture does not hold.
    pub(crate) const UNKNOWN: u32 = 0;

    /// Names from this table; only [`UNKNOWN`] so far.
    pub(crate) fn new(table: &'a StringTable) -> Self {
        Self {
            table,
            by_id: FxHashMap::default(),
            by_text: FxHashMap::default(),
            names: vec![UNKNOWN.into()],
        }
    }

    /// Number of the name that has this string id.
    pub(crate) fn intern(&mut self, id: u32) -> u32 {
        if let Some(&name) = self.by_id.get(&id) {
            return name;
        }
        let Some(bytes) = self.table.get(id) else { return Self::UNKNOWN };
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        let next = self.names.len() as u32;
        let name = *self.by_text.entry(text).or_insert_with_key(|text| {
            self.names.push(text.clone());
            next
        });
        self.by_id.insert(id, name);
        name
    }

    /// The text with this string id, which does not become a name.
    pub(crate) fn text_of(&self, id: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.table.get(id).unwrap_or_default())
    }

    /// The name with this number.
    pub(crate) fn text(&self, name: u32) -> &Arc<str> {
        &self.names[name as usize]
    }

    /// All names by number.
    pub(crate) fn into_texts(self) -> Vec<Arc<str>> {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> StringTable {
        let mut bytes = Vec::new();
        for text in [&b"abc"[..], b"", b"\xff!", b"abc"] {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text);
            bytes.resize(bytes.len().next_multiple_of(STRING_ALIGN), 0);
        }
        StringTable::new(bytes)
    }

    #[test]
    fn only_starts_of_strings_are_strings() {
        let table = table();
        let found: Vec<_> = (0..20).map(|id| table.get(id)).collect();
        assert_eq!(found[0], Some(&b"abc"[..]));
        assert_eq!((found[1], found[4]), (None, None));
        assert_eq!((found[2], found[3], found[5]), (Some(&b""[..]), Some(&b"\xff!"[..]), Some(&b"abc"[..])));
        assert!(found[6..].iter().all(Option::is_none) && found[7].is_none());
        assert_eq!(table.get(u32::MAX), None);
    }

    #[test]
    fn a_string_beyond_the_end_is_unknown() {
        let mut bytes = table().bytes;
        bytes.extend(5_u32.to_le_bytes());
        bytes.extend(*b"1234");
        let table = StringTable::new(bytes);
        assert!(table.get(5).is_some());
        assert_eq!(table.get(7), None);
        assert_eq!(StringTable::new(vec![0; 3]).get(0), None);
    }

    #[test]
    fn equal_texts_have_one_name() {
        let table = table();
        let mut names = Names::new(&table);
        let abc = names.intern(0);
        assert_eq!(names.intern(5), abc);
        assert_eq!(names.intern(1), Names::UNKNOWN);
        let lossy = names.intern(3);
        assert_eq!(&**names.text(lossy), "\u{fffd}!");
        assert_eq!(names.into_texts().len(), 3);
    }
}
