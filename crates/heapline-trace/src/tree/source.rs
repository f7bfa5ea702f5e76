//! File and line of frames, as filters and `tracemalloc` ask for them.

use super::Tree;
use crate::ffi::Api;
use crate::frame::{self, RawFrame};
use heapline_format::NodeKind;

impl Tree {
    /// File and line of the frames of a node, most recent first, as many as asked for.
    pub(crate) fn lines(&self, node: u32, most: usize) -> Vec<(&str, u32)> {
        let mut lines = Vec::new();
        let mut node = self.table.node(node);
        while lines.len() < most && lines.try_reserve(1).is_ok() {
            match node.kind() {
                Some(NodeKind::Frame) => {
                    let Some(place) = self.table.place_at(node.subject()) else { break };
                    let code = self.codes.get(place.code);
                    let file = code.and_then(|code| self.strings.get(code.filename)).unwrap_or("");
                    lines.push((file, place.line));
                }
                Some(NodeKind::Domain) => {}
                _ => break,
            }
            node = self.table.node(node.parent);
        }
        lines
    }

    /// File and line of a frame that has no node, if its code object is known.
    pub(super) fn line_of(&self, api: &Api, raw: RawFrame) -> Vec<(&str, u32)> {
        let Some(layout) = self.layout else { return Vec::new() };
        // SAFETY: the frame was just walked with this layout, and keeps its code object alive; the function only reads
        // the line table.
        let (code, line) = unsafe {
            match frame::position(layout, raw, self.code_type) {
                (object, Some(offset)) if !object.is_null() => {
                    (self.codes.code_of(object as usize), (api.code_line)(object, offset))
                }
                _ => return Vec::new(),
            }
        };
        let file =
            code.and_then(|code| self.codes.get(code)).and_then(|code| self.strings.get(code.filename));
        file.map(|file| vec![(file, u32::try_from(line).unwrap_or(0))]).unwrap_or_default()
    }
}
