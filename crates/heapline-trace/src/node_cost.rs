//! What making nodes takes of the processor's time.
//!
//! Two looks at the clock take a sixth of what making a usual node does. So the first nodes are timed one and all (of many
//! of these the names are copied, which takes longer), and later ones now and then, each for those since the one before.

use crate::clock;
use crate::random::Random;

/// So many nodes are timed one and all.
const TIMED: u64 = 4096;
/// Of later ones one in so many, on average.
const ONE_IN: u64 = 8;
/// What making a node takes at most: what takes longer was interrupted.
const MOST_NS: u64 = 1_000_000;

/// Looks at the clock for a node that is timed. One of them lies between the first and the second.
const LOOKS: u64 = 3;

/// Estimates what making nodes has taken.
#[derive(Debug)]
pub(crate) struct NodeCost {
    random: Random,
    made: u64,
    ns: u64,
    /// The next one that is timed stands for so many ...
    gap: u64,
    /// ... and is the last of so many.
    left: u64,
}

impl NodeCost {
    pub(crate) const fn new() -> Self {
        Self { random: Random::new(), made: 0, ns: 0, gap: 1, left: 1 }
    }

    /// A node is about to be made. Tells the time if that is to be timed: then [`Self::ended`] follows before the next.
    #[inline(always)]
    pub(crate) fn begins(&mut self) -> Option<u64> {
        self.made += 1;
        self.left -= 1;
        (self.left == 0).then(clock::exact_ns)
    }

    /// It was made, and its begin was timed.
    pub(crate) fn ended(&mut self, began: u64) {
        let ended = clock::exact_ns();
        let look_ns = clock::exact_ns().saturating_sub(ended);
        self.took(ended.saturating_sub(began), look_ns);
    }

    fn took(&mut self, nanoseconds: u64, look_ns: u64) {
        let node_ns = nanoseconds.saturating_sub(look_ns).min(MOST_NS);
        self.ns += node_ns * self.gap + LOOKS * look_ns.min(MOST_NS);
        self.gap = if self.made < TIMED { 1 } else { 1 + self.random.below(2 * ONE_IN - 1) };
        self.left = self.gap;
    }

    /// How many nodes were made, or looked for.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// What that has taken.
    pub(crate) fn ns(&self) -> u64 {
        self.ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stated of so many nodes, each 16th of them dear, and what it was.
    fn stated_and_true(nodes: u64, look_ns: u64) -> (f64, f64) {
        let mut cost = NodeCost::new();
        let (mut truth, mut looks) = (0, 0);
        for node in 0..nodes {
            let took = if node % 16 == 3 { 4000 } else { 250 };
            truth += took;
            cost.made += 1;
            cost.left -= 1;
            if cost.left == 0 {
                looks += LOOKS;
                cost.took(took + look_ns, look_ns);
            }
        }
        assert_eq!(cost.made(), nodes);
        (cost.ns() as f64, (truth + looks * look_ns) as f64)
    }

    #[test]
    fn the_first_nodes_are_known_and_many_are_estimated_though_each_16th_is_dear() {
        // Where the clock is asked by a system call a look takes longer than a node.
        for look_ns in [20, 500] {
            let (stated, truth) = stated_and_true(TIMED, look_ns);
            assert_eq!(stated, truth);
            let (stated, truth) = stated_and_true(250_000, look_ns);
            assert!((stated / truth - 1.0).abs() < 0.05, "{stated} of {truth}");
        }
    }
}
