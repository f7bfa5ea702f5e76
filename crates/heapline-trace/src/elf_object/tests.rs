//! Tests on what is really loaded, and on objects that say anything.

use super::*;
use proptest::prelude::*;
use std::ffi::{c_int, c_void};
use std::sync::atomic::AtomicUsize;

unsafe extern "C" fn show(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the data is what `for_each_object` gave; an object stays loaded while it is shown.
    unsafe {
        let visit = &mut *data.cast::<&mut dyn FnMut(&Object<'_>)>();
        visit(&Object::new(&*info));
    }
    0
}

fn for_each_object(mut visit: impl FnMut(&Object<'_>)) {
    let mut visit: &mut dyn FnMut(&Object<'_>) = &mut visit;
    // SAFETY: the callback does what `dl_iterate_phdr` demands, and the data outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(show), (&raw mut visit).cast()) };
}

#[test]
fn this_program_refers_to_the_c_library() {
    // SAFETY: a constant name.
    let real = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getppid".as_ptr()) } as usize;
    // SAFETY: no preconditions. The call makes this program refer to the function.
    assert!(unsafe { libc::getppid() } >= 0);
    let (mut objects, mut found) = (0, 0);
    for_each_object(|object| {
        objects += 1;
        let is_program = object.has_code_at(this_program_refers_to_the_c_library as *const () as usize);
        object.for_each_reference(&[b"no_such_function\0", b"getppid\0"], |reference| {
            assert_eq!(reference.name, 1);
            assert!(object.has_slot(reference.slot) && !object.has_code_at(reference.slot));
            // SAFETY: the entry lies in a segment of an object that is loaded.
            let held = unsafe { AtomicUsize::from_ptr(reference.slot as *mut usize) };
            let held = held.load(std::sync::atomic::Ordering::Relaxed);
            assert!(held == real || (reference.may_be_lazy && object.has_code_at(held)));
            found += usize::from(is_program);
        });
    });
    assert!(objects > 3, "the program, the C library, the dynamic linker and the kernel's own");
    assert_eq!(found, 1);
}

#[test]
fn a_name_must_be_whole() {
    for_each_object(|object| {
        object.for_each_reference(&[b"getppi\0", b"etppid\0"], |_| panic!("only a part of a name"));
    });
}

const PAGES: usize = 3;

/// An object made up in pages of its own, with others beside them that cannot be read.
fn invented(seed: &[(u64, u64)]) -> usize {
    let bytes = (PAGES + 2) * PAGE_BYTES;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new pages of the test's own, of which those in the middle are made accessible and filled.
    unsafe {
        let map = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(map, libc::MAP_FAILED);
        let start = map.byte_add(PAGE_BYTES);
        assert_eq!(libc::mprotect(start, PAGES * PAGE_BYTES, libc::PROT_READ | libc::PROT_WRITE), 0);
        let words = start.cast::<(u64, u64)>();
        for index in 0..PAGES * PAGE_BYTES / 16 {
            words.add(index).write(seed[index % seed.len()]);
        }
        map as usize
    }
}

/// As `patchelf` leaves an executable: its string table begins in a segment that it put in front.
#[test]
fn a_table_may_go_on_in_the_next_segment() {
    let holds = |headers: &[Elf64_Phdr], address, bytes| {
        let object =
            Object { bias: 0x1000, headers: headers.as_ptr(), count: headers.len(), loaded: PhantomData };
        object.readable(address, bytes).is_some_and(|span| span.holds(address, bytes))
    };
    let together = [header(PT_LOAD, 0x200, 0x300), header(PT_LOAD, 0, 0x200), header(PT_LOAD, 0x600, 0x100)];
    for (address, bytes) in [(0x1000, 0x500), (0x11FF, 2), (0x1300, 0x200), (0x1600, 0x100)] {
        assert!(holds(&together, address, bytes), "{address:x} {bytes:x}");
    }
    for (address, bytes) in
        [(0x1000, 0x501), (0x14FF, 2), (0x1000, usize::MAX), (0x1500, 1), (0xFFF, 2), (0x1600, 0x101)]
    {
        assert!(!holds(&together, address, bytes), "{address:x} {bytes:x}");
    }
    let mut unreadable = together;
    unreadable[0].p_flags = PF_W;
    assert!(!holds(&unreadable, 0x11FF, 2));
}

fn header(kind: u32, offset: u64, bytes: u64) -> Elf64_Phdr {
    let p_flags = PF_R | PF_W;
    Elf64_Phdr {
        p_type: kind,
        p_flags,
        p_offset: 0,
        p_vaddr: offset,
        p_paddr: 0,
        p_filesz: bytes,
        p_memsz: bytes,
        p_align: 8,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_an_object_says_nothing_beyond_it_is_read(
        tags in prop::collection::vec((0u64..24, 0usize..5, 0u64..40_000), 1..40),
        seed in prop::collection::vec((0u64..4096, 0u64..1 << 34), 1..30),
        dynamic in (0u64..12_288, prop_oneof![0u64..20_000, Just(u64::MAX)]),
        load in prop_oneof![Just(12_288u64), 0u64..12_289],
        split in 0u64..12_289,
        relro in (0u64..12_288, 0u64..20_000),
    ) {
        let map = invented(&seed);
        let start = map + PAGE_BYTES;
        // Values that a real object could hold, and ones that are off in all ways.
        for (index, (tag, kind, value)) in tags.iter().enumerate() {
            let value = match kind {
                0 => *value,
                1 => start as u64 + value % 12_288,
                2 => start as u64 + 12_288 - value % 48,
                3 => u64::MAX - value,
                _ => value * 24,
            };
            let place = dynamic.0 as usize / 8 * 8 + index * 16;
            if place + 16 <= PAGES * PAGE_BYTES {
                let tag = if *tag == 23 { DT_JMPREL } else if *tag == 22 { DT_RELACOUNT } else { *tag };
                // SAFETY: the place lies in the pages of the test's own.
                unsafe { ((start + place) as *mut (u64, u64)).write((tag, value)) };
            }
        }
        for bias in [0, start, usize::MAX - 100] {
            let at = |offset: u64| (start.wrapping_sub(bias) as u64).wrapping_add(offset);
            let headers = [
                header(PT_LOAD, at(split), load.saturating_sub(split)),
                header(PT_LOAD, at(0), load.min(split)),
                header(PT_DYNAMIC, at(dynamic.0), dynamic.1),
                header(PT_GNU_RELRO, at(relro.0), relro.1),
            ];
            let object = Object { bias, headers: headers.as_ptr(), count: headers.len(), loaded: PhantomData };
            object.for_each_reference(&[b"a\0", b"\0"], |reference| assert!(object.has_slot(reference.slot)));
            object.is_relro(start);
        }
        // SAFETY: the pages are the test's own.
        unsafe { libc::munmap(map as *mut c_void, (PAGES + 2) * PAGE_BYTES) };
    }
}
