//! Which child a node has for a given instruction: an open-addressed hash table, the hot half of the tree.

use std::io;

use crate::region::Region;

const FIRST_CAPACITY: usize = 1 << 12;

/// From (parent node, key) to child node; the key stands for a code object and an instruction in it.
#[derive(Debug)]
pub(crate) struct EdgeTable {
    memory: Region,
    capacity: usize,
    shift: u32,
    used: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Edge {
    key: u64,
    parent: u32,
    /// Child node plus one; 0 marks an empty place.
    child: u32,
}

impl EdgeTable {
    pub(crate) fn new() -> io::Result<Self> {
        Self::with_capacity(FIRST_CAPACITY)
    }

    fn with_capacity(capacity: usize) -> io::Result<Self> {
        let memory = Region::lazy(capacity * size_of::<Edge>())?;
        Ok(Self { memory, capacity, shift: 64 - capacity.trailing_zeros(), used: 0 })
    }

    #[inline(always)]
    fn start(&self, parent: u32, key: u64) -> usize {
        let mixed = key ^ u64::from(parent).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(24);
        (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> self.shift) as usize
    }

    #[inline(always)]
    fn at(&self, index: usize) -> *mut Edge {
        debug_assert!(index < self.capacity);
        // SAFETY: the region holds `capacity` edges, and every caller masks its index with `capacity - 1`.
        unsafe { self.memory.base().cast::<Edge>().add(index) }
    }

    #[inline(always)]
    pub(crate) fn find(&self, parent: u32, key: u64) -> Option<u32> {
        let mut index = self.start(parent, key);
        loop {
            // SAFETY: `at` points into the region, whose bytes are valid edges (zeros at first).
            let edge = unsafe { *self.at(index) };
            if edge.key == key && edge.parent == parent && edge.child != 0 {
                return Some(edge.child - 1);
            }
            if edge.child == 0 {
                return None;
            }
            index = (index + 1) & (self.capacity - 1);
        }
    }

    /// Adds an edge that is not there yet; an error means that it is not remembered.
    pub(crate) fn insert(&mut self, parent: u32, key: u64, child: u32) -> io::Result<()> {
        if (self.used + 1) * 2 > self.capacity {
            let mut larger = Self::with_capacity(self.capacity * 2)?;
            for index in 0..self.capacity {
                // SAFETY: as in `find`.
                let edge = unsafe { *self.at(index) };
                if edge.child != 0 {
                    larger.put(edge);
                }
            }
            *self = larger;
        }
        self.put(Edge { key, parent, child: child + 1 });
        Ok(())
    }

    fn put(&mut self, edge: Edge) {
        let mut index = self.start(edge.parent, edge.key);
        // SAFETY: as in `find`; the table is at most half full, so the loop ends.
        unsafe {
            while (*self.at(index)).child != 0 {
                index = (index + 1) & (self.capacity - 1);
            }
            *self.at(index) = edge;
        }
        self.used += 1;
    }

    /// Removes an edge, if it is there, and closes the gap so that later ones are still found.
    pub(crate) fn remove(&mut self, parent: u32, key: u64) {
        let mask = self.capacity - 1;
        let mut hole = self.start(parent, key);
        // SAFETY: as in `find`.
        unsafe {
            loop {
                let edge = *self.at(hole);
                if edge.child == 0 {
                    return;
                }
                if edge.key == key && edge.parent == parent {
                    break;
                }
                hole = (hole + 1) & mask;
            }
            let mut next = (hole + 1) & mask;
            loop {
                let edge = *self.at(next);
                if edge.child == 0 {
                    break;
                }
                let home = self.start(edge.parent, edge.key);
                if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                    *self.at(hole) = edge;
                    hole = next;
                }
                next = (next + 1) & mask;
            }
            (*self.at(hole)).child = 0;
        }
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_hash_map(operations in prop::collection::vec((0u32..40, 0u64..60, any::<bool>()), 1..9000)) {
            let mut table = EdgeTable::new().expect("memory");
            let mut model = HashMap::new();
            for (number, (parent, key, insert)) in operations.into_iter().enumerate() {
                let key = key * 2 + 0x7f00_0000_0000;
                prop_assert_eq!(table.find(parent, key), model.get(&(parent, key)).copied());
                if insert && !model.contains_key(&(parent, key)) {
                    table.insert(parent, key, number as u32).expect("memory");
                    model.insert((parent, key), number as u32);
                } else if !insert {
                    table.remove(parent, key);
                    model.remove(&(parent, key));
                }
            }
            for ((parent, key), child) in model {
                prop_assert_eq!(table.find(parent, key), Some(child));
            }
        }
    }
}
