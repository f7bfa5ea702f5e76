//! Tests of the block table, against an ordered map and case by case.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

use crate::chunks::CHUNK_BITS;

fn raw(table: &BlockTable, address: usize) -> u32 {
    table.slot(address).map_or(0, |slot| slot.load(Ordering::Relaxed))
}

/// The birth that a block of this size comes back with.
fn birth_of(size: usize, birth: u32) -> u32 {
    if size <= 16 { base_tick::UNKNOWN } else { birth }
}

#[test]
fn a_block_whose_free_was_not_seen_is_found_when_its_memory_is_used_again() {
    let table = BlockTable::new().expect("address space");
    table.put(0x5000, Block { account: 9, size: 1000, birth: 70 }).expect("memory");
    assert_eq!(table.take(0x5010), Entry::Nothing);
    let inside = Block { account: 3, size: 32, birth: 5 };
    let stale = Block { account: 9, size: 1000, birth: 70 };
    assert_eq!(table.put(0x5010, inside).expect("memory"), Entry::Block(stale));
    assert_eq!(table.take(0x5000), Entry::Nothing);
    assert_eq!(table.take(0x5010), Entry::Block(inside));
    let large = Block { account: 4, size: 1 << 40, birth: 6 };
    table.put(0x5000, large).expect("memory");
    assert_eq!(table.put(0x5030, inside).expect("memory"), Entry::Block(large));
    assert_eq!([0, 16, 32].map(|offset| raw(&table, 0x5000 + offset)), [0; 3]);
}

#[test]
fn sizes_of_every_class_come_back() {
    let table = BlockTable::new().expect("address space");
    let sizes = [
        0,
        1,
        16,
        17,
        512,
        8191,
        8192,
        (1 << 27) - 1,
        u32::MAX as usize,
        u32::MAX as usize + 1,
        40 << 30,
        1 << 40,
        1 << 46,
    ];
    for (number, size) in sizes.into_iter().enumerate() {
        let address = 0x6000_0000_0000 + (number << 40);
        let block = Block {
            account: ACCOUNT_LIMIT - 1 - number as u32,
            size,
            birth: birth_of(size, base_tick::LAST - number as u32),
        };
        assert_eq!(table.put(address, block).expect("memory"), Entry::Nothing);
        assert_eq!(table.take(address), Entry::Block(block));
        assert_eq!(table.take(address), Entry::Nothing);
        assert_eq!([16, 32, 48].map(|offset| raw(&table, address + offset)), [0; 3]);
    }
}

#[test]
fn a_size_may_lie_in_the_next_chunk() {
    let table = BlockTable::new().expect("address space");
    let address = (5 << CHUNK_BITS) - 16;
    let block = Block { account: 3, size: 5 << 32, birth: 1 };
    table.put(address, block).expect("memory");
    assert_eq!(table.take(address), Entry::Block(block));
}

#[test]
fn a_free_that_was_not_seen_before_a_chunk_s_border_shows_at_the_first_granule_only() {
    let table = BlockTable::new().expect("address space");
    let border = 5 << CHUNK_BITS;
    let stale = Block { account: 3, size: 1000, birth: 1 };
    let inside = Block { account: 4, size: 32, birth: 2 };
    table.put(border - 16, stale).expect("memory");
    assert_eq!(table.put(border, inside).expect("memory"), Entry::Nothing);
    assert_eq!(table.put(border - 16, inside).expect("memory"), Entry::Block(stale));
    assert_eq!([border - 16, border].map(|address| table.take(address)), [Entry::Block(inside); 2]);
}

#[test]
fn a_watched_block_says_so_when_it_is_taken() {
    let table = BlockTable::new().expect("address space");
    let block = Block { account: 9, size: 176, birth: 3 };
    table.put(0x5000, block).expect("memory");
    assert_eq!(table.watch(0x5000, 4).expect("memory"), Some(block));
    assert_eq!(table.watch(0x9000, 5).expect("memory"), None);
    assert_eq!(raw(&table, 0x5010), 0, "the size is kept with the watched code object");
    assert_eq!(table.take(0x5000), Entry::Watched(4));
    assert_eq!(table.put(0x9000, block).expect("memory"), Entry::Watched(5));
    assert_eq!(table.take(0x9000), Entry::Block(block));
}

#[test]
fn a_code_object_whose_free_was_seen_has_lost_its_mark() {
    let table = BlockTable::new().expect("address space");
    table.watch(0x5000, 4).expect("memory");
    assert!(table.is_watched(0x5000, 4) && !table.is_watched(0x5000, 5));
    table.take(0x5000);
    assert!(!table.is_watched(0x5000, 4));
    assert!(table.is_watched(0x5008, 4), "one that cannot carry a mark does not die");
}

#[test]
fn blocks_aside_survive_a_fork_unless_somebody_had_them_in_hand() {
    let table = BlockTable::new().expect("address space");
    let block = Block { account: 9, size: 100, birth: 0 };
    table.put(0x5008, block).expect("memory");
    // SAFETY: this test's table belongs to this thread alone.
    unsafe { table.reset_after_fork() };
    assert_eq!(table.take(0x5008), Entry::Block(block));
    table.put(0x5008, block).expect("memory");
    let in_hand = table.aside.lock().expect("nobody has panicked");
    // SAFETY: what is in hand at a fork is given up and never dropped, so this copy owns its memory afterwards.
    let given_up = unsafe { std::ptr::read(&raw const *in_hand) };
    std::mem::forget(in_hand);
    // SAFETY: as above.
    unsafe { table.reset_after_fork() };
    drop(given_up);
    assert_eq!(table.take(0x5008), Entry::Nothing);
}

#[test]
fn a_block_that_nobody_vouches_for_is_looked_at_before_it_is_put() {
    let table = BlockTable::new().expect("address space");
    let block = Block { account: 9, size: 100, birth: 4 };
    table.put(0x1_0040, block).expect("memory");
    table.put(0x1_0047, block).expect("memory");
    assert_eq!(table.get(0x1_0040), Entry::Block(block));
    assert_eq!(table.get(0x1_0047), Entry::Block(block));
    assert_eq!(table.get(0x1_0050), Entry::Nothing);
    assert_eq!(table.get(0x9_0000_0000), Entry::Nothing);
    for (address, size, expected) in [
        (0x1_0040, 1, false),
        (0x1_0050, 1, false),
        (0x1_0060, 1, true),
        (0x1_0030, 16, true),
        (0x1_0030, 17, false),
        (0x1_0010, 8191, true),
        (0x1_0010, 8192, false),
        (0x1_0048, 100, true),
        ((1 << 47) - 16, 16, true),
        ((1 << 47) - 16, 17, true),
        (usize::MAX, usize::MAX, true),
    ] {
        assert_eq!(table.is_clear(address, size), expected, "{size} bytes at {address:#x}");
    }
}

#[test]
fn what_is_kept_of_a_block_at_the_end_of_a_chunk_is_in_its_tail() {
    let table = BlockTable::new().expect("address space");
    let end = 1 << 24;
    let blocks = [(3, 8192), (2, 1 << 40), (1, 100)]
        .map(|(granules, size)| (end - granules * 16, Block { account: granules as u32, size, birth: 7 }));
    for (address, block) in blocks {
        // What begins in the next chunk is no part of it, whatever allocators would say to that.
        let next = Block { account: 8, size: 17, birth: 9 };
        assert_eq!(table.put(end, next).expect("memory"), Entry::Nothing);
        assert_eq!(table.put(address, block).expect("memory"), Entry::Nothing);
        assert_eq!((table.get(address), table.get(end)), (Entry::Block(block), Entry::Block(next)));
        let mut found = Vec::new();
        table.for_each(|entry| found.push(entry));
        assert_eq!(found, [Entry::Block(block), Entry::Block(next)]);
        assert_eq!((table.take(address), table.take(end)), (Entry::Block(block), Entry::Block(next)));
        assert!((1..=3).all(|granules| table.is_clear(end - granules * 16, 1 << 20)));
    }
}

proptest! {
    #[test]
    fn it_agrees_with_an_ordered_map(
        operations in prop::collection::vec((0usize..400, prop_oneof![8 => 0usize..700, 1 => 8000usize..9000], any::<u32>(), any::<bool>(), 0usize..40), 1..800)
    ) {
        let table = BlockTable::new().expect("address space");
        let mut model: BTreeMap<usize, Block> = BTreeMap::new();
        for (place, size, node, free, odd) in operations {
            let base = (7 << CHUNK_BITS) - 3200;
            let address = base + place * 16 + if odd == 0 { 8 } else { 0 };
            if free {
                let expected = model.remove(&address).map_or(Entry::Nothing, Entry::Block);
                prop_assert_eq!(table.take(address), expected);
                continue;
            }
            let end = address + size.max(1);
            let overlaps = model.range(..end.next_multiple_of(16)).any(|(at, block)| {
                (at + block.size.max(1)).next_multiple_of(16) > address & !15
            });
            if !overlaps {
                let block = Block { account: node % ACCOUNT_LIMIT, size, birth: birth_of(size, node & base_tick::LAST) };
                prop_assert_eq!(table.put(address, block).expect("memory"), Entry::Nothing);
                model.insert(address, block);
            }
        }
        for (address, block) in model {
            prop_assert_eq!(table.take(address), Entry::Block(block));
        }
    }
}
