//! What the capture says of the past: totals over time, which stacks changed when, and how old live blocks are.

use std::io;

use crate::birth_table::{BirthTable, LiveBlocks};
use crate::capture::Capture;
use crate::delta_table::DeltaTable;
use crate::timeline::Timeline;
use crate::tree::Tree;

/// All tables that know of time.
#[derive(Debug)]
pub(crate) struct History {
    timeline: Timeline,
    deltas: DeltaTable,
    births: BirthTable,
    /// Whether passes are made while the recording goes on.
    has_passes: bool,
}

/// `off` keeps passes from being made meanwhile. They take a share of the time, so under an instrument that counts
/// instructions and slows everything down they are what differs from run to run.
const OVERRIDE: &str = "HEAPLINE_PASSES";

impl History {
    /// `accounts`: how many there can be.
    pub(crate) fn new(capture: &mut Capture, accounts: usize) -> io::Result<Self> {
        let (timeline, deltas) = (Timeline::new(capture)?, DeltaTable::new(capture, accounts)?);
        let has_passes = std::env::var_os(OVERRIDE).is_none_or(|value| value != "off");
        Ok(Self { timeline, deltas, births: BirthTable::new(capture)?, has_passes })
    }

    /// Parts with the capture's file and forgets what was noted; time goes on.
    pub(crate) fn restart(&mut self, capture: &Capture) -> io::Result<()> {
        self.timeline.restart(capture)?;
        self.deltas.restart(capture)?;
        self.births.restart(capture)
    }

    /// Length of a tick of the timeline.
    pub(crate) fn tick_ns(&self) -> u64 {
        self.timeline.tick_ns()
    }

    /// Notes how things stand at a time since the start; `resident` if the resident set size has just been read,
    /// `blocks` if all that is live can be looked at.
    pub(crate) fn note(
        &mut self,
        tree: &mut Tree,
        blocks: Option<LiveBlocks<'_>>,
        elapsed_ns: u64,
        resident: Option<u64>,
    ) {
        self.timeline.note(&tree.capture, elapsed_ns, resident);
        if !self.has_passes {
            return;
        }
        self.deltas.note(&mut tree.capture, &tree.table, elapsed_ns);
        if let Some(blocks) = blocks {
            self.births.note(tree, blocks, elapsed_ns);
        }
    }

    /// Sums the ages of what is live now.
    pub(crate) fn sum_ages(&mut self, tree: &mut Tree, blocks: LiveBlocks<'_>, elapsed_ns: u64) {
        self.births.pass(tree, blocks, elapsed_ns);
    }

    /// Completes everything: nothing comes after this time.
    pub(crate) fn finish(&mut self, tree: &mut Tree, blocks: LiveBlocks<'_>, elapsed_ns: u64) {
        self.deltas.finish(&mut tree.capture, &tree.table, elapsed_ns);
        self.births.pass(tree, blocks, elapsed_ns);
    }
}
