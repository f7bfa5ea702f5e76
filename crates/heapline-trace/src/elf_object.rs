//! A loaded ELF object as the dynamic linker left it in memory: where it refers to functions of others.
//!
//! Nothing that the object says is believed before it was found to lie in one of its own loaded segments, so that an odd
//! file can be misread but not read beyond. Whoever makes one sees to it that the object stays loaded meanwhile.

use std::marker::PhantomData;

use libc::{Elf64_Phdr, Elf64_Sym, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_GNU_RELRO, PT_LOAD, dl_phdr_info};

const PAGE_BYTES: usize = 4096;
const SHN_UNDEF: u16 = 0;

const DT_NULL: u64 = 0;
const DT_PLTRELSZ: u64 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;
const DT_RELACOUNT: u64 = 0x6FFF_FFF9;

const R_X86_64_GLOB_DAT: u32 = 6;
const R_X86_64_JUMP_SLOT: u32 = 7;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Dynamic {
    tag: u64,
    value: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

/// A stretch of addresses.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn new(start: usize, bytes: usize) -> Option<Self> {
        Some(Self { start, end: start.checked_add(bytes)? })
    }

    fn holds(self, address: usize, bytes: usize) -> bool {
        address >= self.start && address.checked_add(bytes).is_some_and(|end| end <= self.end)
    }
}

/// An entry of an object's global offset table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Index of the name that was looked for.
    pub(crate) name: usize,
    /// Address of the entry, a multiple of 8 in a segment that the object may write to.
    pub(crate) slot: usize,
    /// Whether the entry leads back into the object itself until it is used for the first time.
    pub(crate) may_be_lazy: bool,
}

/// What the dynamic section says, as far as it is needed.
#[derive(Clone, Copy, Debug, Default)]
struct Tables {
    strings: Span,
    /// From the symbol table to the end of the segment that it lies in: nothing says how long it is.
    symbols: Span,
    relocations: Span,
    jumps: Span,
}

/// A loaded object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    bias: usize,
    headers: *const Elf64_Phdr,
    count: usize,
    loaded: PhantomData<&'a dl_phdr_info>,
}

impl<'a> Object<'a> {
    /// The object that `info` describes.
    ///
    /// # Safety
    /// `info` was given by `dl_iterate_phdr`, and the object stays loaded as long as `info` is borrowed.
    pub(crate) unsafe fn new(info: &'a dl_phdr_info) -> Self {
        let count = if info.dlpi_phdr.is_null() { 0 } else { info.dlpi_phnum as usize };
        Self { bias: info.dlpi_addr as usize, headers: info.dlpi_phdr, count, loaded: PhantomData }
    }

    /// Tells this object from all others that are loaded now.
    pub(crate) fn identity(&self) -> usize {
        self.headers as usize
    }

    fn headers(&self) -> impl Iterator<Item = (&Elf64_Phdr, Span)> {
        let headers = if self.count == 0 {
            &[]
        } else {
            // SAFETY: the dynamic linker keeps the program headers of a loaded object readable, and `new`'s caller
            // sees to it that it stays loaded.
            unsafe { std::slice::from_raw_parts(self.headers, self.count) }
        };
        headers.iter().filter_map(|header| {
            let start = self.bias.wrapping_add(header.p_vaddr as usize);
            Some((header, Span::new(start, header.p_memsz as usize)?))
        })
    }

    /// The loaded segment with these permissions at least that holds so many bytes from an address on.
    fn segment(&self, address: usize, bytes: usize, flags: u32) -> Option<Span> {
        let found = self.headers().find(|(header, span)| {
            header.p_type == PT_LOAD && header.p_flags & flags == flags && span.holds(address, bytes)
        });
        found.map(|(_, span)| span)
    }

    /// What may be read around an address, if so many bytes from it on may: loaded segments that follow each other
    /// without a gap, for tools that rewrite executables let a table begin in one and end in the next.
    fn readable(&self, address: usize, bytes: usize) -> Option<Span> {
        let mut found = self.segment(address, 1, PF_R)?;
        while !found.holds(address, bytes) {
            found.end = self.segment(found.end, 1, PF_R)?.end;
        }
        Some(found)
    }

    /// Whether an address lies in the object's code.
    pub(crate) fn has_code_at(&self, address: usize) -> bool {
        self.segment(address, 1, PF_X).is_some()
    }

    /// Whether an entry of a table lies in this object's own data.
    pub(crate) fn has_slot(&self, slot: usize) -> bool {
        self.segment(slot, size_of::<usize>(), PF_R | PF_W).is_some()
    }

    /// Whether the dynamic linker makes the page of an address read-only once the object is relocated.
    pub(crate) fn is_relro(&self, address: usize) -> bool {
        self.headers().any(|(header, span)| {
            let whole_pages =
                Span { start: span.start & !(PAGE_BYTES - 1), end: span.end & !(PAGE_BYTES - 1) };
            header.p_type == PT_GNU_RELRO && whole_pages.holds(address, 1)
        })
    }

    /// The value at an address, if it lies in a readable segment.
    fn read<T: Copy>(&self, address: usize) -> Option<T> {
        self.segment(address, size_of::<T>(), PF_R)?;
        // SAFETY: loaded segments are mapped from end to end. `T` is one of the plain records above.
        Some(unsafe { (address as *const T).read_unaligned() })
    }

    /// The address that an entry of the dynamic section means: most are relocated where they stand, some are not.
    fn address(&self, value: u64) -> usize {
        let value = value as usize;
        if self.segment(value, 1, PF_R).is_some() { value } else { self.bias.wrapping_add(value) }
    }

    fn tables(&self) -> Option<Tables> {
        let (_, dynamic) = self.headers().find(|(header, _)| header.p_type == PT_DYNAMIC)?;
        let (mut strings, mut symbols, mut relocations, mut jumps) = (0, 0, 0, 0);
        let (mut string_bytes, mut relocation_bytes, mut jump_bytes, mut relative) = (0, 0, 0, 0);
        let entries = (dynamic.start..dynamic.end).step_by(size_of::<Dynamic>());
        for entry in entries.map_while(|address| self.read::<Dynamic>(address)) {
            match entry.tag {
                DT_NULL => break,
                DT_STRTAB => strings = self.address(entry.value),
                DT_STRSZ => string_bytes = entry.value as usize,
                DT_SYMTAB => symbols = self.address(entry.value),
                DT_RELA => relocations = self.address(entry.value),
                DT_RELASZ => relocation_bytes = entry.value as usize,
                DT_RELACOUNT => relative = entry.value as usize,
                DT_JMPREL => jumps = self.address(entry.value),
                DT_PLTRELSZ => jump_bytes = entry.value as usize,
                DT_RELAENT if entry.value as usize != size_of::<Relocation>() => return None,
                DT_SYMENT if entry.value as usize != size_of::<Elf64_Sym>() => return None,
                DT_PLTREL if entry.value != DT_RELA => return None,
                _ => {}
            }
        }
        self.readable(strings, string_bytes)?;
        let symbols = Span { start: symbols, end: self.segment(symbols, 1, PF_R)?.end };
        let table = |start, bytes| self.readable(start, bytes).and_then(|_| Span::new(start, bytes));
        let mut relocations = table(relocations, relocation_bytes).unwrap_or_default();
        // Those that need no symbol come first.
        let skipped = relative.saturating_mul(size_of::<Relocation>());
        relocations.start = relocations.start.saturating_add(skipped).min(relocations.end);
        Some(Tables {
            strings: Span::new(strings, string_bytes)?,
            symbols,
            relocations,
            jumps: table(jumps, jump_bytes).unwrap_or_default(),
        })
    }

    /// Finds all entries that refer to one of these names, which end in 0.
    pub(crate) fn for_each_reference(&self, names: &[&[u8]], mut visit: impl FnMut(Reference)) {
        let Some(tables) = self.tables() else { return };
        for table in [tables.jumps, tables.relocations] {
            let count = (table.end - table.start) / size_of::<Relocation>();
            for index in 0..count {
                let place = (table.start + index * size_of::<Relocation>()) as *const Relocation;
                // SAFETY: `tables` found that all of the table lies in a readable segment.
                let relocation = unsafe { place.read_unaligned() };
                let kind = relocation.info as u32;
                if kind != R_X86_64_JUMP_SLOT && kind != R_X86_64_GLOB_DAT {
                    continue;
                }
                let number = (relocation.info >> 32) as usize;
                let Some((name, is_undefined)) = Self::symbol(&tables, number, names) else { continue };
                let slot = self.bias.wrapping_add(relocation.offset as usize);
                if slot.is_multiple_of(size_of::<usize>()) && self.has_slot(slot) {
                    let may_be_lazy = kind == R_X86_64_JUMP_SLOT && is_undefined;
                    visit(Reference { name, slot, may_be_lazy });
                }
            }
        }
    }

    /// Which of the names a symbol has, and whether it is some other object's.
    fn symbol(tables: &Tables, number: usize, names: &[&[u8]]) -> Option<(usize, bool)> {
        let offset = number.checked_mul(size_of::<Elf64_Sym>())?;
        let place = tables.symbols.start.checked_add(offset)?;
        if number == 0 || !tables.symbols.holds(place, size_of::<Elf64_Sym>()) {
            return None;
        }
        // SAFETY: it was just found to lie in the segment of the symbol table.
        let symbol = unsafe { (place as *const Elf64_Sym).read_unaligned() };
        let start = tables.strings.start.checked_add(symbol.st_name as usize)?;
        let name = names.iter().position(|name| {
            // SAFETY: the bytes lie in the string table, which `tables` found to lie in a readable segment.
            tables.strings.holds(start, name.len())
                && unsafe { std::slice::from_raw_parts(start as *const u8, name.len()) } == *name
        })?;
        Some((name, symbol.st_shndx == SHN_UNDEF))
    }
}

#[cfg(test)]
mod tests;
