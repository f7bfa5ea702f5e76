//! Tests of the table.

use super::*;

fn block(size: usize) -> Block {
    Block { account: 7, size, birth: 3 }
}

#[test]
fn domains_are_kept_apart() {
    let blocks = TrackedBlocks::default();
    for (domain, address, size) in [(5, 64, 1), (6, 64, 2), (5, 0, 3), (5, usize::MAX, 4)] {
        assert!(blocks.reserve());
        blocks.put(domain, address, block(size), Weight::exact(size));
    }
    assert_eq!(blocks.get(5, 64), Some(block(1)));
    assert_eq!(blocks.take(6, 64), Some((block(2), Weight::exact(2))));
    assert_eq!(blocks.take(6, 64), None);
    assert_eq!(blocks.take(7, 0), None);
    let mut left = Vec::new();
    blocks.for_each(|domain, block, _| left.push((domain, block.size)));
    left.sort_unstable();
    assert_eq!(left, [(5, 1), (5, 3), (5, 4)]);
}

#[test]
fn a_table_in_the_hands_of_a_thread_that_is_gone_is_made_anew() {
    let blocks = TrackedBlocks::default();
    blocks.put(5, 64, block(1), Weight::exact(1));
    // SAFETY: no other thread uses the table.
    unsafe { blocks.reset_after_fork() };
    assert_eq!(blocks.get(5, 64), Some(block(1)), "nobody had it in hand");
    // What it holds then is leaked; here nothing, for tools that look for leaks.
    let mut in_hand = blocks.lock();
    in_hand.clear();
    in_hand.shrink_to_fit();
    std::mem::forget(in_hand);
    // SAFETY: as above.
    unsafe { blocks.reset_after_fork() };
    blocks.put(5, 64, block(2), Weight::exact(2));
    assert_eq!(blocks.get(5, 64), Some(block(2)), "it can be taken in hand again");
}
