//! How much the groups of two snapshots differ.
//!
//! The snapshots may come from different recordings: groups are the same if they have the same names.

use super::key::{KeyType, Keys, Label};
use super::{Sum, Traces};

/// A group that there is in one of two snapshots or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its number in the newer snapshot, or in the older one if it has gone.
    pub key: u32,
    /// Whether it is in the older snapshot only.
    pub is_gone: bool,
    /// Bytes in the newer snapshot.
    pub bytes: u64,
    /// By how many bytes there are more in the newer one.
    pub bytes_change: i128,
    /// Blocks in the newer snapshot.
    pub count: u64,
    /// By how many blocks there are more in the newer one.
    pub count_change: i128,
}

/// The differences between two snapshots, largest first.
#[derive(Debug)]
pub struct Comparison {
    new: Keys,
    old: Keys,
    /// Ordered by the size of the change in bytes, bytes, the size of the change in blocks, blocks and name, all
    /// descending.
    pub rows: Vec<Difference>,
}

impl Comparison {
    /// What a group is called; one of whole tracebacks after its most recent frame.
    #[must_use]
    pub fn label(&self, row: &Difference) -> Label<'_> {
        self.keys_of(row).label(row.key)
    }

    fn keys_of(&self, row: &Difference) -> &Keys {
        if row.is_gone { &self.old } else { &self.new }
    }
}

/// What has changed from one snapshot to the other, group by group; unchanged groups as well.
#[must_use]
pub fn compare(new: &Traces, old: &Traces, key_type: KeyType, cumulative: bool) -> Comparison {
    let (new_keys, old_keys) = (Keys::new(new, key_type), Keys::new(old, key_type));
    let new_sums = new.sums_by_key(&new_keys, cumulative);
    let mut before = vec![Sum::default(); new_sums.len()];
    let mut rows = Vec::new();
    let same = new_keys.of_same_name(&old_keys);
    for (key, sum) in old.sums_by_key(&old_keys, cumulative).into_iter().enumerate() {
        match same[key] {
            Some(key) => before[key as usize].add(sum),
            None if sum.count > 0 => rows.push(difference(key, true, Sum::default(), sum)),
            None => {}
        }
    }
    for (key, (&now, &before)) in new_sums.iter().zip(&before).enumerate() {
        if now.count > 0 || before.count > 0 {
            rows.push(difference(key, false, now, before));
        }
    }
    let mut comparison = Comparison { new: new_keys, old: old_keys, rows: Vec::new() };
    rows.sort_unstable_by(|a, b| {
        let rank = |row: &Difference| {
            (row.bytes_change.unsigned_abs(), row.bytes, row.count_change.unsigned_abs(), row.count)
        };
        let by_name = || comparison.keys_of(b).compare(b.key, comparison.keys_of(a), a.key);
        rank(b).cmp(&rank(a)).then_with(by_name)
    });
    comparison.rows = rows;
    comparison
}

fn difference(key: usize, is_gone: bool, now: Sum, before: Sum) -> Difference {
    Difference {
        key: key as u32,
        is_gone,
        bytes: now.bytes,
        bytes_change: i128::from(now.bytes) - i128::from(before.bytes),
        count: now.count,
        count_change: i128::from(now.count) - i128::from(before.count),
    }
}
