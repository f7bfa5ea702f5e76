//! Traces summed by what they have in common.

use super::key::{KeyType, Keys, Label};
use super::{Sum, Traces};

/// What the traces of one group sum up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceStatistic {
    /// Number of the group: of whole tracebacks that of [`Traces::traceback`].
    pub key: u32,
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub count: u64,
    /// What these stacks have allocated besides and is freed again; `None` if it is not known.
    pub freed: Option<Sum>,
}

/// Groups of traces, largest first.
#[derive(Debug)]
pub struct TraceStatistics {
    pub(crate) keys: Keys,
    /// Ordered by bytes, count and name, all descending.
    pub rows: Vec<TraceStatistic>,
}

impl TraceStatistics {
    /// What a group is called; one of whole tracebacks after its most recent frame.
    #[must_use]
    pub fn label(&self, row: &TraceStatistic) -> Label<'_> {
        self.keys.label(row.key)
    }
}

impl Traces {
    /// Sums the traces by group.
    ///
    /// `cumulative` counts a trace once for each frame of its traceback: twice for a function that calls itself.
    #[must_use]
    pub fn statistics(&self, key_type: KeyType, cumulative: bool) -> TraceStatistics {
        let keys = Keys::new(self, key_type);
        let sums = self.sums_by_key(&keys, cumulative);
        let freed = self.freed_by_key(&keys, cumulative);
        let mut rows: Vec<TraceStatistic> = sums
            .iter()
            .enumerate()
            .filter(|(_, sum)| sum.count > 0)
            .map(|(key, &Sum { bytes, count, .. })| {
                let freed = freed.as_ref().map(|freed| freed[key]);
                TraceStatistic { key: key as u32, bytes, count, freed }
            })
            .collect();
        rows.sort_unstable_by(|a, b| {
            (b.bytes, b.count).cmp(&(a.bytes, a.count)).then_with(|| keys.compare(b.key, &keys, a.key))
        });
        TraceStatistics { keys, rows }
    }

    /// What each key sums up to.
    pub(crate) fn sums_by_key(&self, keys: &Keys, cumulative: bool) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); keys.count];
        for (account, &sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.count > 0) {
            if cumulative {
                keys.each_of_account(account, |key| sums[key as usize].add(sum));
            } else {
                sums[keys.of_account(account) as usize].add(sum);
            }
        }
        sums
    }
    /// What is freed again of each key.
    fn freed_by_key(&self, keys: &Keys, cumulative: bool) -> Option<Vec<Sum>> {
        let freed = self.freed.as_ref()?;
        let mut sums = vec![Sum::default(); keys.count];
        for (account, &sum) in freed.iter().enumerate().filter(|(_, sum)| sum.count > 0) {
            if cumulative && keys.key_type != KeyType::Traceback {
                keys.each_of_account(account, |key| sums[key as usize].add(sum));
            } else if let Some(key) = keys.of_freed_account(account) {
                sums[key as usize].add(sum);
            }
        }
        Some(sums)
    }
}
