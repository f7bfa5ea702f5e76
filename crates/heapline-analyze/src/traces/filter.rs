//! Which traces filters let through, decided once for each stack.

use super::Traces;
use super::frames::Frames;

/// A filter that looks at frames, or at the domain, or at both.
#[derive(Clone, Debug)]
pub struct TraceFilter {
    /// Whether it keeps what matches, rather than what does not.
    pub inclusive: bool,
    /// Which frames match; `None`: it looks at the domain only.
    pub frames: Option<MatchingFrames>,
    /// The domain that matches; `None`: all do. A domain that no number stands for matches nothing.
    pub domain: Option<Option<u32>>,
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
        let mut has_inclusive = false;
        for filter in filters {
            has_inclusive |= filter.inclusive;
        }
        let keeps = |account: usize| {
            self.sums[account].count > 0
                && (!has_inclusive
                    || filters
                        .iter()
                        .filter(|filter| filter.inclusive)
                        .any(|filter| self.keeps(filter, account)))
                && filters.iter().filter(|filter| !filter.inclusive).all(|filter| self.keeps(filter, account))
        };
        self.of_accounts(keeps)
    }

    /// The traces whose traceback `keep` lets through: file names and lines, most recent first.
    #[must_use]
    pub fn filter_stacks(&self, keep: impl Fn(&[(&str, u32)]) -> bool) -> Self {
        let tracebacks = self.image.tracebacks();
        let frames = &self.image.frames;
        let mut shown = Vec::new();
        let mut keeps_traceback = Vec::with_capacity(tracebacks.len());
        for traceback in 0..tracebacks.len() as u32 {
            shown.clear();
            shown.extend(tracebacks.spots_of(traceback).iter().map(|&spot| {
                let (file, line) = frames.spot(spot);
                (frames.file(file), line)
            }));
            keeps_traceback.push(keep(&shown));
        }
        let is_kept =
            |account: usize| keeps_traceback.get(tracebacks.of_account[account] as usize) == Some(&true);
        self.of_accounts(is_kept)
    }

    fn keeps(&self, filter: &TraceFilter, account: usize) -> bool {
        let of_domain = filter.domain.map(|domain| domain == Some(self.image.origins[account].domain));
        let of_frames = filter.frames.as_ref().map(|frames| self.shows(frames, account));
        match (of_frames, of_domain) {
            // What is excluded is what matches in both.
            (frames, domain) if !filter.inclusive => !(frames.unwrap_or(true) && domain.unwrap_or(true)),
            (frames, domain) => frames.unwrap_or(true) && domain.unwrap_or(true),
        }
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
