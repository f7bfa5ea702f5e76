//! What a group is called in a list: one name, or of a stack those of its frames.

use heapline_analyze::{Group, Snapshot};

use super::list::{CALLERS_OF_STACK, more_callers};
use crate::label::Label;
use crate::page::Page;

/// The names of a group.
pub(crate) struct Names {
    /// The group, or a stack's own frame.
    pub(crate) own: Group,
    /// Its name.
    pub(crate) label: Label,
    /// A stack's callers, for the lines below.
    pub(crate) callers: Vec<Label>,
}

impl Names {
    pub(crate) fn of(page: &Page, snapshot: &Snapshot, group: &Group) -> Self {
        let (mut own, mut callers) = (group.clone(), Vec::new());
        if let Group::Stack(stack) = *group {
            let mut frames = snapshot.frames(stack);
            own = frames.next().unwrap_or(own);
            callers.extend(frames.by_ref().take(CALLERS_OF_STACK).map(|frame| Label::new(&frame, page)));
            callers.extend(more_callers(page, frames.count() as u64));
        }
        Self { label: Label::new(&own, page), own, callers }
    }
}
