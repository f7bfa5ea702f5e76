//! The books: who allocated what, kept by whoever holds the GIL of the main interpreter.

use std::sync::atomic::Ordering;

use heapline_format::{LossKind, NodeKind};

use crate::block_table::{Block, BlockTable, Entry};
use crate::clock;
use crate::counters::Accounts;
use crate::errno::preserving_errno;
use crate::ffi::Api;
use crate::fork;
use crate::frame::{Frames, Walk};
use crate::public_frame;
use crate::remote::{self, Note};
use crate::thread_local::ThreadLocal;
use crate::thread_name::ThreadNamer;
use crate::tree::{NOT_WALKED, OVERFLOW, Tree};

/// Allocations between two looks at the clock.
const LOOK_INTERVAL: u32 = 4096;
/// The resident set size is looked at this often at first; the interval doubles after each hundred looks.
const FIRST_LOOK_NS: u64 = 10_000_000;
const LOOKS_PER_INTERVAL: u32 = 100;

/// What an allocator's caller may hold while it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// RAW: any lock at all (tracemalloc calls with its own), so the interpreter must not be asked for anything.
    Raw,
    /// MEM, OBJ: the GIL.
    WithGil,
}

/// A thread that holds the main interpreter's GIL, in the middle of an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attached {
    /// Its thread state.
    pub(crate) state: *const u8,
    /// Its own block, marked as inside a hook.
    pub(crate) local: *mut ThreadLocal,
    pub(crate) domain: Domain,
}

/// Everything that is written while recording, but for the block table, which threads share.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) tree: Tree,
    pub(crate) accounts: Accounts,
    frames: Frames,
    namer: ThreadNamer,
    /// `None`: frames are read through the public API.
    walk: Option<Walk>,
    session: u32,
    until_look: u32,
    look_interval_ns: u64,
    looks: u32,
    last_look_ns: u64,
}

impl Recorder {
    pub(crate) fn new(
        tree: Tree,
        accounts: Accounts,
        frames: Frames,
        namer: ThreadNamer,
        walk: Option<Walk>,
        session: u32,
    ) -> Self {
        Self {
            tree,
            accounts,
            frames,
            namer,
            walk,
            session,
            until_look: LOOK_INTERVAL,
            look_interval_ns: FIRST_LOOK_NS,
            looks: 0,
            last_look_ns: 0,
        }
    }

    /// Books an allocation under the calling thread's stack.
    ///
    /// # Safety
    /// `thread` describes the calling thread truly.
    #[inline(always)]
    pub(crate) unsafe fn allocated(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        thread: Attached,
        address: usize,
        size: usize,
    ) {
        // SAFETY: as the caller promises; every node comes from the tree.
        unsafe {
            if remote::pending() {
                self.carry_over();
            }
            let node = self.stack(api, blocks, thread);
            match blocks.put(address, Block { node, size }) {
                Ok(Entry::Nothing) => {}
                // Its free was not seen: by a hook of another tool's that was in front of ours, or in a gap.
                Ok(Entry::Block(stale)) => self.accounts.freed(stale.node, stale.size),
                Ok(Entry::Watched(number)) => self.code_died(number),
                Err(_) => {
                    self.tree.capture.lost(LossKind::BlockTable).fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            self.accounts.allocated(node, size);
            self.until_look -= 1;
            if self.until_look == 0 {
                self.look();
            }
        }
    }

    /// Books the free of what was taken from the block table.
    ///
    /// # Safety
    /// The caller holds the main interpreter's GIL; the entry comes from this session's table.
    #[inline(always)]
    pub(crate) unsafe fn freed(&mut self, entry: Entry) {
        // SAFETY: as the caller promises.
        unsafe {
            match entry {
                Entry::Nothing => {}
                Entry::Block(block) => {
                    if remote::pending() {
                        self.carry_over();
                    }
                    self.accounts.freed(block.node, block.size);
                }
                Entry::Watched(number) => self.code_died(number),
            }
        }
    }

    #[cold]
    unsafe fn code_died(&mut self, number: u32) {
        if let Some(block) = self.tree.code_died(number) {
            // SAFETY: the block was booked under this node before it was watched.
            unsafe { self.accounts.freed(block.node, block.size) };
        }
    }

    #[inline(always)]
    unsafe fn stack(&mut self, api: &Api, blocks: &BlockTable, thread: Attached) -> u32 {
        let Attached { state, local, domain } = thread;
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            match self.walk {
                Some(walk) => walk(state, &mut self.frames),
                None if domain == Domain::Raw => return NOT_WALKED,
                None => public_frame::walk(api, state, &mut self.frames),
            }
            if self.frames.truncated {
                self.tree.capture.lost(LossKind::DeepFrames).fetch_add(1, Ordering::Relaxed);
            }
            let root =
                if (*local).session == self.session { (*local).root } else { self.find_root(api, thread) };
            let before = self.tree.node_count();
            let node = self.tree.node(api, blocks, root, &self.frames);
            if self.tree.node_count() != before {
                self.accounts.set_nodes(self.tree.node_count());
            }
            node
        }
    }

    /// The node of the calling thread's name.
    #[cold]
    unsafe fn find_root(&mut self, api: &Api, thread: Attached) -> u32 {
        let Attached { local, domain, .. } = thread;
        let tree = &mut self.tree;
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            let layout = tree.layout();
            let may_ask = domain == Domain::WithGil;
            let root = preserving_errno(|| {
                self.namer.root(api, layout.filter(|_| may_ask), &self.frames, |name| {
                    tree.add_root(NodeKind::Thread, name).unwrap_or(OVERFLOW)
                })
            });
            // A thread that runs no Python code yet may still get its name.
            if may_ask && !self.frames.as_slice().is_empty() {
                (*local).session = self.session;
                (*local).root = root;
            }
            self.accounts.set_nodes(self.tree.node_count());
            root
        }
    }

    /// Books what threads without the GIL have left notes of.
    ///
    /// # Safety
    /// The caller holds the main interpreter's GIL.
    #[cold]
    pub(crate) unsafe fn carry_over(&mut self) {
        let Some(notes) = remote::desk().take() else { return };
        // SAFETY: notes name nodes of this session's tree, and were left before the blocks were seen by others.
        unsafe {
            for note in notes.ordered {
                match note {
                    Note::Allocated { node, size } => self.accounts.allocated(node, size),
                    Note::Freed { node, size } => self.accounts.freed(node, size),
                    Note::CodeDied(number) => self.code_died(number),
                }
            }
            for (node, batch) in notes.summed {
                self.accounts.batch(node, batch);
            }
            for number in notes.dead_code {
                self.code_died(number);
            }
        }
    }

    /// Looks at the clock, and now and then at the resident set size.
    #[cold]
    fn look(&mut self) {
        self.until_look = LOOK_INTERVAL;
        let now = clock::now_ns();
        if now.wrapping_sub(self.last_look_ns) < self.look_interval_ns {
            return;
        }
        self.last_look_ns = now;
        self.looks += 1;
        if self.looks == LOOKS_PER_INTERVAL {
            self.looks = 0;
            self.look_interval_ns = (self.look_interval_ns * 2).min(1_000_000_000);
        }
        self.accounts.look(now);
        self.state_losses();
    }

    /// Writes what is known of losses into the header.
    pub(crate) fn state_losses(&mut self) {
        let children = fork::CHILDREN.load(Ordering::Relaxed);
        self.tree.capture.lost(LossKind::ForkedChildren).store(children, Ordering::Relaxed);
        if let Some(kind) = self.tree.full() {
            // SAFETY: the overflow node exists from the start.
            let count = unsafe { self.accounts.get(OVERFLOW) }.allocated_count;
            self.tree.capture.lost(kind).store(count, Ordering::Relaxed);
        }
    }
}
