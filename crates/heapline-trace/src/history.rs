//! What the capture says of the past: totals over time, and which stacks changed when.

use std::io;

use crate::capture::Capture;
use crate::delta_table::DeltaTable;
use crate::node_table::NodeTable;
use crate::timeline::Timeline;

/// Both tables that know of time.
#[derive(Debug)]
pub(crate) struct History {
    timeline: Timeline,
    deltas: DeltaTable,
}

impl History {
    /// `accounts`: how many there can be.
    pub(crate) fn new(capture: &mut Capture, accounts: usize) -> io::Result<Self> {
        Ok(Self { timeline: Timeline::new(capture)?, deltas: DeltaTable::new(capture, accounts)? })
    }

    /// Parts with the capture's file and forgets what was noted; time goes on.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        self.timeline.restart(capture)?;
        self.deltas.restart(capture)
    }

    /// Length of a tick of the timeline.
    pub(crate) fn tick_ns(&self) -> u64 {
        self.timeline.tick_ns()
    }

    /// Notes how things stand at a time since the start; `resident` if the resident set size has just been read.
    pub(crate) fn note(
        &mut self,
        capture: &mut Capture,
        nodes: &NodeTable,
        elapsed_ns: u64,
        resident: Option<u64>,
    ) {
        self.timeline.note(capture, elapsed_ns, resident);
        self.deltas.note(capture, nodes, elapsed_ns);
    }
}
