//! What a recording lost, in words.

use heapline_format::LossKind;

/// Something that a recording lost, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What was lost; `None` for a kind that a newer heapline counts and this one does not know.
    pub kind: Option<LossKind>,
    /// How often; never 0.
    pub count: u64,
}

impl Loss {
    /// The kind in `snake_case`, as machine-readable output names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Some(LossKind::TreeLimit) => "tree_limit",
            Some(LossKind::CaptureFull) => "capture_full",
            Some(LossKind::BlockTable) => "block_table",
            Some(LossKind::DeepFrames) => "deep_frames",
            Some(LossKind::HooksRemoved) => "hooks_removed",
            Some(LossKind::ForkedChildren) => "forked_children",
            Some(LossKind::Names) => "names",
            Some(LossKind::TracerReplaced) => "tracer_replaced",
            Some(LossKind::MapFailed) => "map_failed",
            None => "other",
        }
    }

    /// A lower-case clause that says what was lost: `3 forked children, whose allocations are not in this capture`.
    #[must_use]
    pub fn describe(&self) -> String {
        let (one, many) = match self.kind {
            Some(LossKind::TreeLimit) => (
                "allocation has no stack: there were too many different stacks",
                "allocations have no stack: there were too many different stacks",
            ),
            Some(LossKind::CaptureFull) => (
                "allocation has no stack: the capture could not grow (disk full?)",
                "allocations have no stack: the capture could not grow (disk full?)",
            ),
            Some(LossKind::BlockTable) => (
                "allocation was not recorded: the recorder ran out of memory",
                "allocations were not recorded: the recorder ran out of memory",
            ),
            Some(LossKind::DeepFrames) => (
                "allocation had its outermost frames cut off: the stack was too deep",
                "allocations had their outermost frames cut off: the stacks were too deep",
            ),
            Some(LossKind::HooksRemoved) => (
                "time another tool removed heapline's hooks: what was allocated or freed after that is missing",
                "times another tool removed heapline's hooks: what was allocated or freed after that is missing",
            ),
            Some(LossKind::ForkedChildren) => (
                "forked child, whose allocations are not in this capture",
                "forked children, whose allocations are not in this capture",
            ),
            Some(LossKind::Names) => (
                "function or thread name could not be stored",
                "function or thread names could not be stored",
            ),
            Some(LossKind::TracerReplaced) => (
                "time another tool took the place of heapline's reference tracer: objects reused after that stand \
                 where their memory was first used",
                "times another tool took the place of heapline's reference tracer: objects reused after that stand \
                 where their memory was first used",
            ),
            Some(LossKind::MapFailed) => (
                "time the capture was cut short while it was written: what was allocated or freed after that is \
                 missing",
                "times the capture was cut short while it was written: what was allocated or freed after that is \
                 missing",
            ),
            None => (
                "loss of a kind that only a newer heapline knows",
                "losses of a kind that only a newer heapline knows",
            ),
        };
        format!("{} {}", self.count, if self.count == 1 { one } else { many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_clause() {
        let loss = Loss { kind: Some(LossKind::ForkedChildren), count: 3 };
        assert_eq!(loss.describe(), "3 forked children, whose allocations are not in this capture");
        assert_eq!(
            Loss { count: 1, ..loss }.describe(),
            "1 forked child, whose allocations are not in this capture"
        );
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let kinds = LossKind::ALL.iter().copied().map(Some).chain([None]);
        let mut names: Vec<_> = kinds.map(|kind| Loss { kind, count: 1 }.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LossKind::ALL.len() + 1);
    }
}
