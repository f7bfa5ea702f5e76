//! Walks only the frames that are new since a walk last passed here.
//!
//! A frame that waits for an inlined Python-to-Python call has a dead slot at its saved stack top: the call popped its
//! operands from there on, and the first of them had been stored to that slot in this very activation. A walk leaves a
//! *token* in it that names the frame's node. Whoever finds it knows the node of that frame and of all its callers:
//! whatever the frame does next overwrites the slot before it can wait there for another call.
//!
//! That holds only under the conditions that [`dead_slot`] checks; `docs/design/recorder.md` has the reasons, and
//! `HEAPLINE_WALK=verify` compares every walk with a plain one.

use crate::frame::{Frames, RawFrame, Walk, current_frame, key, owner_offset};
use crate::layout::{LAYOUTS, Layout, OWNED_BY_C_STACK, OWNED_BY_THREAD, read};

/// Bits of a node in a token.
const NODE_BITS: u32 = 27;
/// The node stands above the two low bits, which are 0 so that no version takes a token for a tagged reference.
const NODE_SHIFT: u32 = 2;
const NODE_MASK: u64 = ((1 << NODE_BITS) - 1) << NODE_SHIFT;
const SESSION_BITS: u32 = 18;
const SESSION_SHIFT: u32 = NODE_SHIFT + NODE_BITS;
/// Seventeen bits that are neither all 0 nor all 1, so that a token is not an address of the program's.
const MARK: u64 = 0b0_1011_0110_1010_0101 << (SESSION_SHIFT + SESSION_BITS);

/// What the tokens of a session have in common; `None` for sessions whose number they have no room for.
pub(crate) fn tag(session: u32) -> Option<u64> {
    (session < 1 << SESSION_BITS).then(|| MARK | u64::from(session) << SESSION_SHIFT)
}

/// A tag that no token has, for sessions without tokens.
pub(crate) const NO_TAG: u64 = u64::MAX;

/// The token for a node.
#[inline(always)]
pub(crate) fn token(tag: u64, node: u32) -> u64 {
    tag | u64::from(node) << NODE_SHIFT
}

/// The node that a word names, if it is a token with this tag.
#[inline(always)]
pub(crate) fn node_of(tag: u64, word: u64) -> Option<u32> {
    (word & !NODE_MASK == tag).then_some(((word & NODE_MASK) >> NODE_SHIFT) as u32)
}

/// The index of the layout by which these frames are read; 0, which is 3.10's, where there are no inlined calls.
pub(crate) fn index(layout: &Layout) -> usize {
    match layout.version {
        (3, 11) => 1,
        (3, 12) => 2,
        (3, 13) => 3,
        // 3.15 has its frames where 3.14 has them.
        (3, 14 | 15) => 4,
        _ => 0,
    }
}

/// The walk for a layout; `None` where there are no inlined calls.
pub(crate) fn walk_for(layout: &Layout) -> Option<Walk> {
    match index(layout) {
        1 => Some(walk::<1>),
        2 => Some(walk::<2>),
        3 => Some(walk::<3>),
        4 => Some(walk::<4>),
        _ => None,
    }
}

/// # Safety
/// `state` is the thread state of the calling thread, which holds the GIL, and `LAYOUTS[V]` is the interpreter's.
unsafe fn walk<const V: usize>(state: *const u8, frames: &mut Frames) {
    let layout = const { &LAYOUTS[V] };
    frames.clear();
    // SAFETY: with the GIL held, the chain of frames is complete and does not change under us.
    unsafe {
        let mut frame = *current_frame(layout, state);
        let mut called_inline = false;
        while !frame.is_null() {
            let owner: u8 = read(frame, const { owner_offset(V) });
            // From 3.12 on, frames of the C stack stand between Python frames.
            if V >= 2 && owner >= OWNED_BY_C_STACK {
                called_inline = false;
                frame = read(frame, layout.previous);
                continue;
            }
            let mut slot = std::ptr::null_mut();
            if called_inline && let Some(found) = dead_slot::<V>(frame, frames.none) {
                frames.base = node_of(frames.tag, *found);
                if frames.base.is_some() {
                    return;
                }
                slot = found;
            }
            if !frames.push(RawFrame { key: key(layout, frame), frame, slot }) {
                return;
            }
            called_inline =
                owner == OWNED_BY_THREAD && (V != 1 || read::<u8>(frame, const { entry_flag(V) }) == 0);
            frame = read(frame, layout.previous);
        }
    }
}

/// The slot of a frame that waits for an inlined call which popped an operand that had been stored there; `None` when
/// that is not known.
///
/// # Safety
/// `frame` is a live frame of an interpreter with layout `V`, and the caller of a frame that is owned by a thread and
/// was not entered from C.
#[inline(always)]
pub(crate) unsafe fn dead_slot<const V: usize>(frame: *const u8, none: *const u8) -> Option<*mut u64> {
    let layout = const { &LAYOUTS[V] };
    // SAFETY: as the caller promises; a slot at or below the saved top lies inside the frame's own stack.
    unsafe {
        if V >= 3 && layout.object(frame, layout.function?) == none {
            // The shim between a caller and `__init__`: its slot was never stored to.
            return None;
        }
        if V >= 4 {
            let top: *mut u64 = read(frame, layout.stack_top?);
            let offset = (top as usize).wrapping_sub(frame as usize + layout.first_local);
            return (offset < MOST_STACK_BYTES).then_some(top);
        }
        let top: i32 = read(frame, layout.stack_top?);
        // Negative while the frame runs or has called C code. 0 only if it has no locals and nothing on its stack.
        let Ok(top) = usize::try_from(top) else { return None };
        let slot = frame.add(layout.first_local).cast_mut().cast::<u64>().add(top);
        if V == 2 {
            // `o.prop()` pops nothing: its callable's place below the top is still NULL.
            let locals: i32 = read(read(frame, layout.code), layout.code_locals?);
            if top != locals as usize && *slot.sub(1) == 0 {
                return None;
            }
        }
        Some(slot)
    }
}

/// No frame has a larger stack: a guard against a stack pointer that is not one.
const MOST_STACK_BYTES: usize = 1 << 24;

pub(crate) const fn entry_flag(version: usize) -> usize {
    match LAYOUTS[version].entry_flag {
        Some(offset) => offset,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_address_and_belongs_to_one_session() {
        let tag_1 = tag(1).expect("room");
        let tag_2 = tag((1 << SESSION_BITS) - 1).expect("room");
        assert_eq!(tag(1 << SESSION_BITS), None);
        for node in [0, 1, (1 << NODE_BITS) - 1] {
            let word = token(tag_2, node);
            assert_eq!(node_of(tag_2, word), Some(node));
            assert_eq!(node_of(tag_1, word), None);
            assert_eq!(node_of(NO_TAG, word), None);
            assert_eq!(word & 3, 0);
            let top = word as i64 >> 47;
            assert!(top != 0 && top != -1, "a canonical address");
        }
    }
}
