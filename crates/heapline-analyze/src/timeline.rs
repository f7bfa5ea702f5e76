//! How the memory of the whole process went over time.

/// How things stood at the end of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// End of the stretch, nanoseconds since the start of the recording.
    pub time_ns: u64,
    /// Live bytes at the recorder's last look in the stretch; where it did not look, little was allocated, and this is
    /// as before.
    pub live_bytes: u64,
    /// Live blocks at that look.
    pub live_count: u64,
    /// The most live bytes that were seen in the stretch.
    pub max_live_bytes: u64,
    /// Resident set size when it was last read, `None` if it never was.
    pub rss_bytes: Option<u64>,
}

/// How the memory of the whole process went over time, in stretches of equal length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Length of a stretch: numbers are known at no finer times.
    pub resolution_ns: u64,
    /// One for each stretch, from the start on. Empty if the capture has no timeline, or its program was killed in the
    /// microsecond in which the recorder halved it.
    pub moments: Vec<Moment>,
}

impl Timeline {
    /// The timeline in at most `most` stretches, each the last of several with the largest maximum of them.
    #[must_use]
    pub fn condensed(&self, most: usize) -> Self {
        let count = self.moments.len();
        if count <= most || most == 0 {
            return self.clone();
        }
        let join = |index: usize| {
            let (first, end) = (index * count / most, (index + 1) * count / most);
            let part = &self.moments[first..end];
            let max_live_bytes = part.iter().map(|moment| moment.max_live_bytes).max().unwrap_or(0);
            Moment { max_live_bytes, ..part.last().copied().unwrap_or_default() }
        };
        let resolution_ns = self.resolution_ns.saturating_mul(count.div_ceil(most) as u64);
        Self { resolution_ns, moments: (0..most).map(join).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn condensing_keeps_maxima_and_the_end() {
        let moment = |time_ns: u64| Moment {
            time_ns,
            live_bytes: time_ns,
            max_live_bytes: if time_ns == 3 { 99 } else { time_ns },
            ..Moment::default()
        };
        let timeline = Timeline { resolution_ns: 1, moments: (1..=10).map(moment).collect() };
        let short = timeline.condensed(4);
        assert_eq!(short.moments.iter().map(|moment| moment.time_ns).collect::<Vec<_>>(), [2, 5, 7, 10]);
        assert_eq!(
            short.moments.iter().map(|moment| moment.max_live_bytes).collect::<Vec<_>>(),
            [2, 99, 7, 10]
        );
        assert_eq!(short.resolution_ns, 3);
        assert_eq!(timeline.condensed(10), timeline);
        assert_eq!(Timeline::default().condensed(3), Timeline::default());
    }
}
