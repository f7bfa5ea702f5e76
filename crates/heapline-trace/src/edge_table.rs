//! Which child a node has for a given instruction: an open-addressed hash table, the hot half of the tree.
//!
//! It grows inside somebody's allocation, so no insert may pay for all edges. A full table gets a successor twice as
//! large, and each insert from then on moves [`STEP`] places over. The first place for an edge is its hash cut to the
//! table's size, counted from the top bit, so edges stand in the same order in both: the successor fills from its
//! front while the memory of the old places goes back to the system from theirs. A search that succeeds in the
//! successor, as all do once it is complete, does not know of the old places.

use std::io;

use crate::region::Region;

const FIRST_CAPACITY: usize = 1 << 12;
/// Places after the last one that a hash can lead to, so that searches need not turn round. They are a page; that
/// edges pile up that far is not to be expected: with random hashes the chance is below e^-300.
const TAIL: usize = 256;
/// Places of the old table that an insert moves.
const STEP: usize = 32;
/// Old places whose memory is given back at once: 64 KiB.
const PIECE: usize = 1 << 12;

/// From (parent node, key) to child node; the key stands for a code object and an instruction in it.
#[derive(Debug)]
pub(crate) struct EdgeTable {
    places: Places,
    used: usize,
    /// The places before the latest growth, until all have moved.
    leaving: Option<Leaving>,
}

/// Places of a table that has grown. Each edge is either here, at or after `moved`, or in the successor.
#[derive(Debug)]
struct Leaving {
    places: Places,
    /// Places before this one have moved and must not be read: they may be out of date or given back.
    moved: usize,
}

#[derive(Debug)]
struct Places {
    memory: Region,
    /// Number of bits of a hash that are not part of a place.
    shift: u32,
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
        Ok(Self { places: Places::new(FIRST_CAPACITY)?, used: 0, leaving: None })
    }

    #[inline(always)]
    pub(crate) fn find(&self, parent: u32, key: u64) -> Option<u32> {
        match self.places.find(self.places.home(parent, key), parent, key) {
            Some((_, child)) => Some(child),
            None if self.leaving.is_some() => self.find_leaving(parent, key),
            None => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn find_leaving(&self, parent: u32, key: u64) -> Option<u32> {
        self.leaving.as_ref()?.find(parent, key).map(|(_, child)| child)
    }

    /// Adds an edge that is not there yet; an error means that it is not remembered.
    pub(crate) fn insert(&mut self, parent: u32, key: u64, child: u32) -> io::Result<()> {
        if self.leaving.is_none() && self.used >= self.places.room() {
            let larger = Places::new(self.places.capacity() * 2)?;
            self.leaving = Some(Leaving { places: std::mem::replace(&mut self.places, larger), moved: 0 });
        }
        self.move_some();
        let edge = Edge { key, parent, child: child + 1 };
        let added = match &mut self.leaving {
            // What the successor has not come to stays untouched, so that it takes no memory yet.
            Some(leaving) if leaving.places.home(parent, key) >= leaving.moved => leaving.places.put(edge),
            _ => self.places.put(edge),
        };
        self.used += usize::from(added);
        if added { Ok(()) } else { Err(io::Error::from(io::ErrorKind::StorageFull)) }
    }

    /// Removes an edge, if it is there.
    pub(crate) fn remove(&mut self, parent: u32, key: u64) {
        if let Some((place, _)) = self.places.find(self.places.home(parent, key), parent, key) {
            self.places.clear(place);
        } else if let Some(leaving) = &mut self.leaving
            && let Some((place, _)) = leaving.find(parent, key)
        {
            leaving.places.clear(place);
        } else {
            return;
        }
        self.used -= 1;
    }

    /// Moves the next places of a table that has grown. Should the successor's tail be full, they stay where they are.
    fn move_some(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        let before = leaving.moved;
        let end = (before + STEP).min(leaving.places.len());
        while leaving.moved < end {
            // SAFETY: the place is below the length; it has not been given back.
            let edge = unsafe { *leaving.places.at(leaving.moved) };
            if edge.child != 0 && !self.places.put(edge) {
                break;
            }
            leaving.moved += 1;
        }
        if leaving.moved == leaving.places.len() {
            self.leaving = None;
        } else if leaving.moved / PIECE > before / PIECE {
            leaving.places.give_back(before / PIECE);
        }
    }

    #[cfg(test)]
    fn for_each(&self, mut visit: impl FnMut(u32, u64, u32)) {
        let leaving = self.leaving.iter().map(|leaving| (&leaving.places, leaving.moved));
        for (places, first) in leaving.chain([(&self.places, 0)]) {
            for place in first..places.len() {
                // SAFETY: the place is below the length; it has not been given back.
                let edge = unsafe { *places.at(place) };
                if edge.child != 0 {
                    visit(edge.parent, edge.key, edge.child - 1);
                }
            }
        }
    }
}

impl Leaving {
    /// As [`Places::find`].
    fn find(&self, parent: u32, key: u64) -> Option<(usize, u32)> {
        self.places.find(self.places.home(parent, key).max(self.moved), parent, key)
    }
}

impl Places {
    fn new(capacity: usize) -> io::Result<Self> {
        let memory = Region::lazy((capacity + TAIL) * size_of::<Edge>())?;
        Ok(Self { memory, shift: 64 - capacity.trailing_zeros() })
    }

    /// Number of places that a hash can lead to.
    fn capacity(&self) -> usize {
        1 << (64 - self.shift)
    }

    fn len(&self) -> usize {
        self.capacity() + TAIL
    }

    /// Number of edges with which searches are still short.
    fn room(&self) -> usize {
        self.capacity() / 2
    }

    /// The place where the search for an edge begins.
    #[inline(always)]
    fn home(&self, parent: u32, key: u64) -> usize {
        let mixed = key ^ u64::from(parent).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(24);
        (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> self.shift) as usize
    }

    #[inline(always)]
    fn at(&self, place: usize) -> *mut Edge {
        debug_assert!(place < self.len());
        // SAFETY: the region holds `len` edges (zeros are empty places). Callers begin at a home or at a place that
        // has not moved, both below that, and go on only from a place that is taken, which the last never is.
        unsafe { self.memory.base().cast::<Edge>().add(place) }
    }

    /// The place of an edge, looked for from `place` on, and its child.
    #[inline(always)]
    fn find(&self, mut place: usize, parent: u32, key: u64) -> Option<(usize, u32)> {
        loop {
            // SAFETY: as `at` says.
            let edge = unsafe { *self.at(place) };
            if edge.key == key && edge.parent == parent {
                // What an edge left behind where it was removed is no edge.
                return edge.child.checked_sub(1).map(|child| (place, child));
            }
            if edge.child == 0 {
                return None;
            }
            place += 1;
        }
    }

    /// Enters an edge that is not there yet; false if only the last place is left for it.
    fn put(&mut self, edge: Edge) -> bool {
        let mut place = self.home(edge.parent, edge.key);
        // SAFETY: as `at` says.
        unsafe {
            while (*self.at(place)).child != 0 {
                place += 1;
            }
            if place == self.len() - 1 {
                return false;
            }
            *self.at(place) = edge;
        }
        true
    }

    /// Empties a place, and closes the gap so that later edges are still found.
    fn clear(&mut self, place: usize) {
        let mut hole = place;
        let mut next = place + 1;
        // SAFETY: as `at` says; what follows a place that is taken is looked at, as in a search.
        unsafe {
            while (*self.at(next)).child != 0 {
                let edge = *self.at(next);
                if self.home(edge.parent, edge.key) <= hole {
                    *self.at(hole) = edge;
                    hole = next;
                }
                next += 1;
            }
            (*self.at(hole)).child = 0;
        }
    }

    /// Lets the system have the memory of a piece whose edges have moved; unmapping all of it at the end would take
    /// milliseconds. Should the system refuse, that is when it gets it.
    fn give_back(&mut self, piece: usize) {
        // SAFETY: the piece ends at or before the place that moves next, and nothing before that is read again.
        unsafe {
            libc::madvise(self.at(piece * PIECE).cast(), PIECE * size_of::<Edge>(), libc::MADV_DONTNEED)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    type Model = HashMap<(u32, u64), u32>;

    /// An edge as callers make them: in every other run of 50 the top bit marks its kind.
    fn edge(number: u32) -> (u32, u64) {
        (number / 100, 0x7f00_1234_5000 + u64::from(number % 50) * 2 + (u64::from(number / 50 % 2) << 63))
    }

    /// The key below node 0 whose hash is this.
    fn key_of_hash(hash: u64) -> u64 {
        let factor = 0xD6E8_FEB8_6659_FD93_u64;
        // Newton's method doubles the number of right bits, three at first, with each step.
        hash.wrapping_mul((0..5).fold(factor, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(inverse)))
        }))
    }

    fn moved(table: &EdgeTable) -> usize {
        table.leaving.as_ref().map_or(0, |leaving| leaving.moved)
    }

    fn check(table: &EdgeTable, model: &Model) {
        let mut seen = Model::new();
        table.for_each(|parent, key, child| {
            assert_eq!(seen.insert((parent, key), child), None, "an edge twice");
        });
        assert_eq!(&seen, model);
        assert_eq!(table.used, model.len());
        for (&(parent, key), &child) in model {
            assert_eq!(table.find(parent, key), Some(child));
        }
    }

    fn insert(table: &mut EdgeTable, model: &mut Model, (parent, key): (u32, u64)) -> io::Result<()> {
        let child = key as u32 ^ parent;
        table.insert(parent, key, child).inspect(|()| assert_eq!(model.insert((parent, key), child), None))
    }

    fn remove(table: &mut EdgeTable, model: &mut Model, (parent, key): (u32, u64)) {
        table.remove(parent, key);
        model.remove(&(parent, key));
        assert_eq!(table.find(parent, key), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Each choice says which edge is removed, and whether it comes back, after an insert.
        #[test]
        fn it_agrees_with_a_hash_map_through_three_growths(
            choices in prop::collection::vec((any::<prop::sample::Index>(), 0u32..4), 1..400)
        ) {
            let (mut table, mut model) = (EdgeTable::new().expect("memory"), Model::new());
            let (mut live, mut gone) = (Vec::new(), Vec::new());
            let mut choices = choices.iter().cycle();
            let mut inserts_while_growing = 0;
            for number in 0.. {
                insert(&mut table, &mut model, edge(number)).expect("memory");
                live.push(number);
                if table.leaving.is_none() {
                    if table.places.capacity() >= FIRST_CAPACITY * 8 {
                        break;
                    }
                    if number % 8 != 0 {
                        continue;
                    }
                }
                let (which, operation) = choices.next().expect("choices go round");
                if *operation > 0 {
                    let chosen = live.swap_remove(which.index(live.len()));
                    remove(&mut table, &mut model, edge(chosen));
                    gone.push(chosen);
                }
                if *operation > 1 {
                    let back = gone.swap_remove(which.index(gone.len()));
                    insert(&mut table, &mut model, edge(back)).expect("memory");
                    live.push(back);
                }
                inserts_while_growing += u32::from(table.leaving.is_some());
                if inserts_while_growing % 64 == 1 {
                    check(&table, &model);
                }
            }
            check(&table, &model);
            for number in gone {
                let (parent, key) = edge(number);
                prop_assert_eq!(table.find(parent, key), None);
            }
        }
    }

    #[test]
    fn an_insert_moves_a_few_places_and_memory_goes_back_as_they_move() {
        fn taken(places: &Places, range: std::ops::Range<usize>) -> usize {
            // SAFETY: the places are below the length; those that were given back read as zeros.
            range.filter(|place| unsafe { (*places.at(*place)).child } != 0).count()
        }
        let in_all = |places: &Places| taken(places, 0..places.len());
        let mut table = EdgeTable::new().expect("memory");
        let mut growths = 0;
        let mut partly_given_back = false;
        for number in 0.. {
            let was_growing = table.leaving.is_some();
            let (before, moved_before) = (in_all(&table.places), moved(&table));
            let (parent, key) = edge(number);
            table.insert(parent, key, number).expect("memory");
            match &table.leaving {
                Some(leaving) => {
                    let before = if was_growing { before } else { 0 };
                    assert!(in_all(&table.places) <= before + 32 + 1);
                    assert_eq!(leaving.moved, moved_before + 32);
                    let given_back = leaving.moved / PIECE * PIECE;
                    assert_eq!(taken(&leaving.places, 0..given_back), 0);
                    let untouched = (leaving.moved * 2 + TAIL).min(table.places.len());
                    assert_eq!(taken(&table.places, untouched..table.places.len()), 0);
                    partly_given_back |= given_back > 0;
                }
                None if was_growing => {
                    assert!(in_all(&table.places) <= before + 32 + 1);
                    growths += 1;
                    if growths == 2 {
                        break;
                    }
                }
                None => {}
            }
        }
        assert!(partly_given_back);
    }

    #[test]
    fn a_full_tail_refuses_edges_and_keeps_those_it_has() {
        let (mut table, mut model) = (EdgeTable::new().expect("memory"), Model::new());
        let mut last_home = (0..).map(|number| (0, key_of_hash(u64::MAX - number)));
        let mut others = (0..8000).map(edge);
        let mut all = Vec::new();
        for _ in 0..TAIL {
            all.extend(last_home.next());
            insert(&mut table, &mut model, all[all.len() - 1]).expect("room in the tail");
        }
        insert(&mut table, &mut model, last_home.next().expect("endless")).expect_err("the tail is full");
        check(&table, &model);

        while moved(&table) < FIRST_CAPACITY {
            insert(&mut table, &mut model, others.next().expect("it grows before")).expect("memory");
        }
        // Their home has moved, they have not: the successor's tail fills before they can.
        while insert(&mut table, &mut model, last_home.next().expect("endless")).is_ok() {}
        let stuck = moved(&table);
        assert!(stuck > FIRST_CAPACITY);
        insert(&mut table, &mut model, others.next().expect("it grows before")).expect("memory");
        assert_eq!(moved(&table), stuck);
        check(&table, &model);

        all.drain(..16).for_each(|edge| remove(&mut table, &mut model, edge));
        insert(&mut table, &mut model, others.next().expect("it grows before")).expect("memory");
        assert!(table.leaving.is_none());
        check(&table, &model);
    }

    /// In a child process, because no other test may find its address space used up.
    #[test]
    fn without_memory_to_grow_it_keeps_what_it_has() {
        let mut table = EdgeTable::new().expect("memory");
        let room = table.places.room() as u32;
        (0..room).for_each(|number| table.insert(0, u64::from(number), number).expect("memory"));
        // SAFETY: the child allocates nothing and ends here.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: plain system calls with values that live here.
            unsafe {
                let mut limit: libc::rlimit = std::mem::zeroed();
                libc::getrlimit(libc::RLIMIT_AS, &raw mut limit);
                libc::setrlimit(libc::RLIMIT_AS, &libc::rlimit { rlim_cur: 0, ..limit });
                let refused = table.insert(1, 0, 0).is_err() && table.insert(1, 0, 0).is_err();
                let kept = (0..room).all(|number| table.find(0, u64::from(number)) == Some(number));
                table.remove(0, 7);
                let usable = table.insert(1, 0, 5).is_ok() && table.insert(1, 1, 6).is_err();
                libc::setrlimit(libc::RLIMIT_AS, &raw const limit);
                let grows = table.insert(1, 1, 6).is_ok() && table.leaving.is_some();
                let right =
                    table.find(0, 7).is_none() && table.find(1, 0) == Some(5) && table.find(1, 1) == Some(6);
                libc::_exit(if refused && kept && usable && grows && right { 42 } else { 1 });
            }
        }
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        // A child that panics may well end with 0.
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "status {status}");
    }
}
