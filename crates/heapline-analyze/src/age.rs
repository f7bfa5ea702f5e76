//! How old live memory is.

use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::group::{Group, GroupBy};
use crate::grouping::Grouping;
use crate::snapshot::Snapshot;

/// What is live of what was allocated in a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeClass {
    /// The stretch, nanoseconds since the start, its end excluded; `None` for blocks whose birth is not known.
    pub born_ns: Option<(u64, u64)>,
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_count: u64,
    /// The most that the standard error of `live_bytes` can be; `None` if that is exact.
    pub bytes_error_bound: Option<u64>,
    /// The group with the most of these bytes, and how many; `None` if none is known by itself.
    pub biggest: Option<(Group, u64)>,
}

/// How old live memory is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// When ages were summed, nanoseconds since the start; 0 if they never were, and nothing is known.
    pub at_ns: u64,
    /// Stretches of time that something is live of, oldest first, unknown births last.
    pub classes: Vec<AgeClass>,
}

impl Snapshot {
    /// How old is what is live, with the biggest group of each age.
    ///
    /// Of a recording that did not end in order, ages are as of `at_ns`. Blocks that are only known to be below a caller count
    /// for `filter` as if the caller had allocated them, and belong to no group.
    #[must_use]
    pub fn ages(&self, group_by: GroupBy, filter: &Filter) -> Ages {
        let tree = &self.tree;
        let allowed = filter.allowed_places(tree);
        let mut grouping = Grouping::new(tree, group_by);
        let mut class_of: FxHashMap<Option<(u64, u64)>, usize> = FxHashMap::default();
        let mut classes: Vec<AgeClass> = Vec::new();
        let mut of_rows: FxHashMap<(usize, usize), u64> = FxHashMap::default();
        for survivors in &self.history.survivors {
            if !allowed[tree.place_of[survivors.node as usize] as usize] {
                continue;
            }
            let born_ns = survivors.born_ns;
            let class = *class_of.entry(born_ns).or_insert_with(|| {
                classes.push(AgeClass {
                    born_ns,
                    live_bytes: 0,
                    live_count: 0,
                    bytes_error_bound: None,
                    biggest: None,
                });
                classes.len() - 1
            });
            let sum = &mut classes[class];
            sum.live_bytes = sum.live_bytes.saturating_add(survivors.live_bytes);
            sum.live_count = sum.live_count.saturating_add(survivors.live_count.into());
            if !survivors.below {
                let bytes = of_rows.entry((class, grouping.row(survivors.node))).or_default();
                *bytes = bytes.saturating_add(survivors.live_bytes);
            }
        }
        let mut biggest: Vec<Option<(u64, usize)>> = vec![None; classes.len()];
        for ((class, row), bytes) in of_rows {
            // Of equal ones the row that was seen first, so that output is stable.
            let is_bigger = biggest[class].is_none_or(|(most, of)| (most, of) < (bytes, usize::MAX - row));
            if is_bigger {
                biggest[class] = Some((bytes, usize::MAX - row));
            }
        }
        for (class, biggest) in classes.iter_mut().zip(biggest) {
            class.bytes_error_bound = self
                .process
                .sampling
                .samples()
                .map(|samples| samples.most_standard_error_bytes(class.live_bytes));
            class.biggest = biggest.map(|(bytes, row)| (grouping.group(usize::MAX - row), bytes));
        }
        classes.sort_unstable_by_key(|class| class.born_ns.unwrap_or((u64::MAX, u64::MAX)));
        Ages { at_ns: self.history.survivors_ns, classes }
    }
}
