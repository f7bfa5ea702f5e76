//! Which traces filters let through, decided once for each stack, or twice: for its young blocks and for its others.

use std::sync::Arc;

use super::frames::Frames;
use super::{Traces, only};

/// A filter that looks at frames, at the domain, or at the age: what matches is what matches in all.
#[derive(Clone, Debug)]
pub struct TraceFilter {
    /// Whether it keeps what matches, rather than what does not.
    pub inclusive: bool,
    /// Which frames match; `None`: it looks at the domain only.
    pub frames: Option<MatchingFrames>,
    /// The domain that matches; `None`: all do. A domain that no number stands for matches nothing.
    pub domain: Option<Option<u32>>,
    /// Whether only young blocks match: those that are known to have been born in the tick of the snapshot.
    pub is_young: bool,
}

/// Which frames match.
#[derive(Clone, Debug)]
pub struct MatchingFrames {
    /// By the number of a spot, as in [`Traces::spots`].
    pub spots: Vec<bool>,
    /// Whether any frame of the traceback will do, rather than the most recent one.
    pub all_frames: bool,
}

impl Traces {
    /// The traces that at least one of the inclusive filters keeps (if there are any), and every other filter.
    #[must_use]
    pub fn filter(&self, filters: &[TraceFilter]) -> Self {
        let (inclusive, exclusive): (Vec<_>, Vec<_>) = filters.iter().partition(|filter| filter.inclusive);
        let keeps = |account: usize, is_young: bool| {
            let keeps = |filter: &&TraceFilter| self.keeps(filter, account, is_young);
            (inclusive.is_empty() || inclusive.iter().any(keeps)) && exclusive.iter().all(keeps)
        };
        if !filters.iter().any(|filter| filter.is_young) {
            return self.of_accounts(|account| keeps(account, false));
        }
        let of_age = |is_young| -> Vec<bool> {
            let accounts = 0..self.sums.len();
            accounts.map(|account| self.is_known(account) && keeps(account, is_young)).collect()
        };
        let (young, others) = (of_age(true), of_age(false));
        let kept =
            self.blocks().kept(
                |_, account, is_young| {
                    if is_young { young[account as usize] } else { others[account as usize] }
                },
            );
        let either: Vec<bool> = young.iter().zip(&others).map(|(young, other)| young | other).collect();
        let sums = kept.sums(self.sums.len());
        let freed = self.freed.as_ref().map(|freed| only(&either, freed));
        Self::new(Arc::clone(&self.image), sums, freed, Arc::new(kept))
    }

    /// The traces whose traceback `keep` lets through: file names and lines, most recent first.
    #[must_use]
    pub fn filter_stacks(&self, keep: impl Fn(&[(&str, u32)]) -> bool) -> Self {
        let tracebacks = self.image.tracebacks();
        let keeps_shown = |spots: &[u32]| {
            let frames = &self.image.frames;
            let line = |&spot: &u32| {
                let (file, line) = frames.spot(spot);
                (frames.file(file), line)
            };
            keep(&spots.iter().map(line).collect::<Vec<_>>())
        };
        let keeps_traceback: Vec<bool> = (0..tracebacks.len() as u32)
            .map(|traceback| keeps_shown(tracebacks.spots_of(traceback)))
            .collect();
        self.of_accounts(|account| match keeps_traceback.get(tracebacks.of_account[account] as usize) {
            Some(&keeps) => keeps,
            None => {
                // All that it allocated is freed.
                let mut shown = Vec::new();
                self.image.show(account, &mut shown);
                keeps_shown(&shown)
            }
        })
    }

    fn keeps(&self, filter: &TraceFilter, account: usize, is_young: bool) -> bool {
        let domain = self.image.origins[account].domain;
        let matches = (is_young || !filter.is_young)
            && filter.domain.is_none_or(|wanted| wanted == Some(domain))
            && filter.frames.as_ref().is_none_or(|frames| self.shows(frames, account));
        matches == filter.inclusive
    }

    fn shows(&self, matching: &MatchingFrames, account: usize) -> bool {
        let frames = &self.image.frames;
        let node = self.image.origins[account].node;
        let matches = |spot: u32| matching.spots.get(spot as usize).copied().unwrap_or(false);
        let first = frames.first_spot(node);
        if !matching.all_frames || first == Frames::UNKNOWN {
            return matches(first);
        }
        frames.spots_of(node).take(self.image.limit).any(matches)
    }
}
