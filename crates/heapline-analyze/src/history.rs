//! What a capture says of the past: read from its tables, checked, and brought into the terms of a tree.

use heapline_format::{Birth, BirthExtent, Delta, Header, State, TableId, Tick, base_tick};

use crate::capture::{Head, ReadAt};
use crate::error::Error;
use crate::timeline::{Moment, Timeline};

#[cfg(test)]
mod tests;

/// How often a table is read anew because the recorder replaced its records meanwhile.
const READS: usize = 4;

/// A change of what is live at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeChange {
    /// When it was seen: the change happened between the time of the changes before and this one.
    pub(crate) time_ns: u64,
    pub(crate) live_bytes: i64,
    pub(crate) node: u32,
    pub(crate) live_count: i32,
    /// Changes of stacks below the node are in it.
    pub(crate) below: bool,
}

/// What is live at a node of what was born in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeSurvivors {
    pub(crate) live_bytes: u64,
    /// The stretch, its end excluded; `None` if it is not known.
    pub(crate) born_ns: Option<(u64, u64)>,
    pub(crate) node: u32,
    pub(crate) live_count: u32,
    /// Blocks of stacks below the node are in it.
    pub(crate) below: bool,
}

/// What a capture says of the past.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) timeline: Timeline,
    /// Ordered by time.
    pub(crate) changes: Vec<NodeChange>,
    pub(crate) survivors: Vec<NodeSurvivors>,
    /// When survivors were summed, 0 if they never were.
    pub(crate) survivors_ns: u64,
}

/// The same as it stands in the capture.
#[derive(Debug, Default)]
pub(crate) struct RawHistory {
    tick_ns: u64,
    ticks: Vec<Tick>,
    deltas: Vec<Delta>,
    births: Vec<Birth>,
    births_tick: u32,
}

impl RawHistory {
    /// Reads all three tables. Nodes that they name were in the capture before this returns.
    pub(crate) fn read(source: &dyn ReadAt, head: &Head) -> Result<Self, Error> {
        let mut raw = Self::default();
        let same = |a: &Header, b: &Header| a.timeline_sequence == b.timeline_sequence;
        let whole = |header: &Header| header.timeline_sequence.is_multiple_of(2);
        stable(source, head, same, |head| {
            raw.tick_ns = head.header.tick_ns;
            raw.ticks.clear();
            if whole(&head.header) {
                let count = head.records(TableId::Ticks);
                read_range(
                    source,
                    head,
                    TableId::Ticks,
                    0..count,
                    Tick::decode,
                    Tick::BYTES,
                    &mut raw.ticks,
                )?;
            }
            Ok(())
        })?;
        let half = |header: &Header| header.deltas >> 32;
        stable(
            source,
            head,
            |a, b| half(a) == half(b),
            |head| {
                let first = head.header.deltas >> 32;
                let range = first..first + (head.header.deltas & u64::from(u32::MAX));
                raw.deltas.clear();
                read_range(source, head, TableId::Deltas, range, Delta::decode, Delta::BYTES, &mut raw.deltas)
            },
        )?;
        stable(
            source,
            head,
            |a, b| a.births == b.births,
            |head| {
                let extent = BirthExtent::unpack(head.header.births);
                let range = u64::from(extent.first)..u64::from(extent.first) + u64::from(extent.count);
                raw.births.clear();
                raw.births_tick = if extent.count > 0 { extent.tick } else { 0 };
                read_range(source, head, TableId::Births, range, Birth::decode, Birth::BYTES, &mut raw.births)
            },
        )?;
        Ok(raw)
    }

    /// In the terms of a tree: `node_of` says what each node of the capture became.
    pub(crate) fn settle(self, node_of: &[u32]) -> History {
        // What names a node that is not there happened somewhere below the root.
        let place = |node: u32, below: bool| match node_of.get(node as usize) {
            Some(&node) => (node, below),
            None => (0, true),
        };
        let mut changes: Vec<NodeChange> = Vec::with_capacity(self.deltas.len());
        for delta in &self.deltas {
            let (node, below) = place(delta.node(), delta.is_below());
            changes.push(NodeChange {
                time_ns: delta.time_ns,
                live_bytes: delta.live_bytes.cast_signed(),
                node,
                live_count: delta.live_count.cast_signed(),
                below,
            });
        }
        changes.sort_by_key(|change| change.time_ns);
        let survivors = self.births.iter().map(|birth| {
            let (node, below) = place(birth.node(), birth.is_below());
            let is_known = birth.last_tick <= base_tick::LAST && birth.first_tick <= birth.last_tick;
            NodeSurvivors {
                live_bytes: birth.live_bytes,
                born_ns: is_known
                    .then(|| (base_tick::begin(birth.first_tick), base_tick::begin(birth.last_tick + 1))),
                node,
                live_count: birth.live_count,
                below,
            }
        });
        let survivors: Vec<NodeSurvivors> = survivors.collect();
        let survivors_ns = if survivors.is_empty() { 0 } else { base_tick::begin(self.births_tick + 1) };
        History { timeline: timeline(&self.ticks, self.tick_ns), changes, survivors, survivors_ns }
    }
}

/// Reads with a header until it is the same before and after; of a recording that has ended, once.
fn stable(
    source: &dyn ReadAt,
    head: &Head,
    same: impl Fn(&Header, &Header) -> bool,
    mut read: impl FnMut(&Head) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut before = head.clone();
    for _ in 0..READS {
        read(&before)?;
        if before.state == State::Finished {
            break;
        }
        let after = Head::read(source)?;
        if same(&before.header, &after.header) {
            break;
        }
        before = after;
    }
    Ok(())
}

/// Reads the records with these indices; none if the table does not have all of them.
fn read_range<T>(
    source: &dyn ReadAt,
    head: &Head,
    table: TableId,
    range: std::ops::Range<u64>,
    decode: impl Fn(&[u8]) -> Option<T>,
    bytes: usize,
    records: &mut Vec<T>,
) -> Result<(), Error> {
    if range.is_empty() || range.end > head.records(table) {
        return Ok(());
    }
    records.reserve_exact((range.end - range.start) as usize);
    let mut index = 0;
    head.read_table(source, table, range.end, |chunk| {
        for record in chunk.chunks_exact(bytes) {
            if index >= range.start {
                records.extend(decode(record));
            }
            index += 1;
        }
        Ok(())
    })
}

fn timeline(ticks: &[Tick], tick_ns: u64) -> Timeline {
    let mut last = Moment::default();
    let moments = ticks.iter().zip(1_u64..).map(|(tick, end)| {
        if tick.looks > 0 {
            last.live_bytes = tick.live_bytes;
            last.live_count = tick.live_count;
        }
        if tick.rss_bytes > 0 {
            last.rss_bytes = Some(tick.rss_bytes);
        }
        last.max_live_bytes = tick.max_live_bytes.max(last.live_bytes);
        last.time_ns = end.saturating_mul(tick_ns);
        last
    });
    Timeline { resolution_ns: tick_ns, moments: moments.collect() }
}
