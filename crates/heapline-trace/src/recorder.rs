//! The books: who allocated what, kept by whoever holds the GIL of the main interpreter.

use std::sync::atomic::Ordering;

use heapline_format::{LossKind, NodeKind};

use crate::birth_table::LiveBlocks;
use crate::block_table::{Block, BlockTable, Entry, born};
use crate::clock;
use crate::cost_meter::CostMeter;
use crate::counters::Accounts;
use crate::errno::preserving_errno;
use crate::ffi::Api;
use crate::fork;
use crate::history::History;
use crate::life::Life;
use crate::look::is_large;
use crate::remote;
use crate::sampling_control::SamplingControl;
use crate::thread_local::ThreadLocal;
use crate::thread_name::ThreadNamer;
use crate::tree::{DROPPED, NOT_WALKED, OVERFLOW, Tree};
use crate::walker::{FastAnswer, Walker};
use crate::weight::Weight;

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
    pub(crate) history: History,
    pub(crate) walker: Walker,
    namer: ThreadNamer,
    session: u32,
    pub(crate) start_ns: u64,
    /// Base tick that blocks are born in now ...
    pub(crate) birth: u32,
    /// ... as [`born`] has it.
    pub(crate) born: u32,
    pub(crate) until_look: u32,
    pub(crate) look_interval: u32,
    /// Allocations between the last look and the next.
    pub(crate) look_distance: u32,
    pub(crate) last_look_ns: u64,
    pub(crate) last_rss_ns: u64,
    /// The block that was allocated last, until an object was made of it.
    pub(crate) last_allocated: usize,
    /// Whether revived objects are seen: the interpreter tells of them.
    pub(crate) traces_references: bool,
    /// Allocations that counted as overflow, as far as the header says so.
    overflow_stated: u64,
    /// In sampled recordings.
    pub(crate) sampling: Option<SamplingControl>,
    /// In exact ones.
    pub(crate) meter: CostMeter,
}

impl Recorder {
    pub(crate) fn new(
        tree: Tree,
        accounts: Accounts,
        history: History,
        walker: Walker,
        namer: ThreadNamer,
        session: u32,
        start_ns: u64,
    ) -> Self {
        Self {
            tree,
            accounts,
            history,
            walker,
            namer,
            session,
            start_ns,
            birth: 0,
            born: born(0),
            until_look: 1,
            look_interval: 1,
            look_distance: 1,
            last_look_ns: start_ns,
            last_rss_ns: start_ns,
            last_allocated: 0,
            traces_references: false,
            overflow_stated: 0,
            sampling: None,
            meter: CostMeter::new(clock::process_cpu_ns(), 0),
        }
    }

    /// Books an allocation under the calling thread's stack.
    ///
    /// # Safety
    /// `thread` describes the calling thread truly.
    pub(crate) unsafe fn allocated(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        thread: Attached,
        address: usize,
        size: usize,
    ) {
        // SAFETY: as the caller promises; every account comes from the tree.
        unsafe {
            if remote::pending() {
                self.carry_over();
            }
            let account = self.stack(api, blocks, thread);
            if account == DROPPED {
                return self.dropped(blocks, address, size);
            }
            self.book_block(blocks, account, address, size);
        }
    }

    /// Books a block of any size under an account, whatever the table thought was at its address.
    ///
    /// # Safety
    /// As for [`Self::count`].
    #[inline(always)]
    pub(crate) unsafe fn book_block(
        &mut self,
        blocks: &BlockTable,
        account: u32,
        address: usize,
        size: usize,
    ) {
        self.look_for(size);
        // SAFETY: as the caller promises; what the table had was booked under an account of this session.
        unsafe {
            match blocks.put(address, Block { account, size, birth: self.birth }) {
                Ok(Entry::Nothing) => {}
                // Its free was not seen: by a hook of another tool's that was in front of ours, or in a gap.
                Ok(Entry::Block(stale)) => self.accounts.freed(stale.account, stale.size, Life::Longer),
                Ok(Entry::Watched(number)) => self.code_died(number),
                Err(_) => {
                    self.tree.capture.lost(LossKind::BlockTable).fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            self.count(account, address, size);
        }
    }

    /// An allocation whose stack is not kept: it has no slot, so its free costs nothing.
    #[cold]
    unsafe fn dropped(&mut self, blocks: &BlockTable, address: usize, size: usize) {
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            // Of a block whose free was not seen.
            self.freed(blocks.take(address));
        }
        self.last_allocated = address;
        self.count_dropped(Weight::exact(size));
    }

    /// Counts what is left out.
    pub(crate) fn count_dropped(&mut self, weight: Weight) {
        // SAFETY: the header is mapped as long as the capture.
        unsafe {
            let header = &mut *self.tree.capture.header();
            header.dropped_bytes = header.dropped_bytes.wrapping_add(weight.bytes);
            header.dropped_count = header.dropped_count.wrapping_add(u64::from(weight.count));
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.look();
        }
    }

    /// Base tick that blocks are born in now.
    #[inline(always)]
    pub(crate) fn birth(&self) -> u32 {
        self.birth
    }

    /// Counts an allocation whose block is in the table.
    ///
    /// # Safety
    /// The account exists, and the caller holds the main interpreter's GIL.
    #[inline(always)]
    pub(crate) unsafe fn count(&mut self, account: u32, address: usize, size: usize) {
        self.last_allocated = address;
        // SAFETY: as the caller promises.
        unsafe { self.accounts.allocated(account, size) };
        self.until_look -= 1;
        if self.until_look == 0 {
            self.look();
        }
    }

    /// As [`Self::count`], where no more than one layer is open: without a call if no look is due.
    ///
    /// # Safety
    /// As for [`Self::count`].
    #[inline(always)]
    pub(crate) unsafe fn count_as_usual(&mut self, account: u32, address: usize, size: usize) {
        self.last_allocated = address;
        // SAFETY: as the caller promises.
        unsafe { self.accounts.allocated_as_usual(account, size) };
        self.until_look -= 1;
        if self.until_look == 0 {
            self.look();
        }
    }

    /// Counts a block that is not in the block table: what no allocator of Python's has allocated, or a sample.
    ///
    /// # Safety
    /// As for [`Self::count`].
    pub(crate) unsafe fn count_elsewhere(&mut self, account: u32, size: usize, weight: Weight) {
        // SAFETY: as the caller promises.
        unsafe { self.accounts.allocated_with(account, size, weight) };
        self.until_look -= 1;
        if self.until_look == 0 {
            self.look();
        }
    }

    /// Books the free of what was taken from the block table.
    ///
    /// # Safety
    /// The caller holds the main interpreter's GIL; the entry comes from this session's table.
    pub(crate) unsafe fn freed(&mut self, entry: Entry) {
        // SAFETY: as the caller promises.
        unsafe {
            match entry {
                Entry::Nothing => {}
                Entry::Block(block) => {
                    if remote::pending() {
                        self.carry_over();
                    }
                    let life = Life::between(block.birth, self.birth);
                    self.accounts.freed(block.account, block.size, life);
                }
                Entry::Watched(number) => self.code_died(number),
            }
        }
    }

    /// Takes out of the block table what is about to end. Where that is large there is a look at the clock; if that has
    /// moved on, the block is where it was meanwhile: whoever sums up the table then finds what the counters have.
    #[inline(always)]
    pub(crate) fn take(&mut self, blocks: &BlockTable, address: usize) -> Entry {
        match blocks.take(address) {
            Entry::Block(block)
                if is_large(block.size) && self.has_time_passed() && blocks.put(address, block).is_ok() =>
            {
                self.look_again();
                blocks.take(address)
            }
            entry => entry,
        }
    }

    /// Books the end of a code object.
    ///
    /// # Safety
    /// As for [`Self::freed`].
    #[cold]
    pub(crate) unsafe fn code_died(&mut self, number: u32) {
        if let Some(block) = preserving_errno(|| self.tree.code_died(number)) {
            let life = Life::between(block.birth, self.birth);
            // SAFETY: the block was booked under this account before it was watched.
            unsafe { self.accounts.freed(block.account, block.size, life) };
        }
    }

    /// The account of the calling thread's stack.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    #[inline(always)]
    pub(crate) unsafe fn stack(&mut self, api: &Api, blocks: &BlockTable, thread: Attached) -> u32 {
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            if self.walker.verifies() {
                return self.verified(api, blocks, thread);
            }
            if !self.walker.walk(api, thread.state, thread.domain) {
                return self.tree.fixed_accounts() + NOT_WALKED;
            }
            self.find_account(api, blocks, thread, self.walker.tokens())
        }
    }

    /// The account of what the walker has just seen.
    #[inline(always)]
    unsafe fn find_account(
        &mut self,
        api: &Api,
        blocks: &BlockTable,
        thread: Attached,
        tokens: Option<u64>,
    ) -> u32 {
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            let (base, tokens) = match self.walker.frames.base {
                Some(node) => (node, tokens),
                None => {
                    let root = self.root(api, thread);
                    // A token outlasts this allocation: none for a thread whose name is not final, or for frames whose
                    // outermost callers were cut off.
                    let lasting = (*thread.local).session == self.session && !self.walker.frames.truncated;
                    (root, tokens.filter(|_| lasting))
                }
            };
            self.tree.account(api, blocks, base, &self.walker.frames, tokens)
        }
    }

    /// Verify mode: the stack by every way, of which the plain walk's answer is taken.
    #[cold]
    unsafe fn verified(&mut self, api: &Api, blocks: &BlockTable, thread: Attached) -> u32 {
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            let fast = self.walker.fast();
            let first = if self.walker.fast_goes_first() { fast } else { None };
            let first = first.map(|fast| fast(self, thread.state));
            if !self.walker.walk(api, thread.state, thread.domain) {
                return self.tree.fixed_accounts() + NOT_WALKED;
            }
            let had_token = self.walker.frames.base.is_some();
            let account = self.find_account(api, blocks, thread, self.walker.tokens());
            let fast = first.or_else(|| fast.map(|fast| fast(self, thread.state)));
            self.walker.walk_plainly(thread.state);
            let plain = self.find_account(api, blocks, thread, None);
            let is_same = match fast {
                None | Some(FastAnswer::Unknown) => true,
                Some(FastAnswer::Account(fast)) => fast == plain,
                Some(FastAnswer::Differ) => false,
            };
            self.walker.compared(had_token, plain == account && is_same);
            plain
        }
    }

    /// The node below which the calling thread's stacks are.
    #[inline(always)]
    unsafe fn root(&mut self, api: &Api, thread: Attached) -> u32 {
        // SAFETY: as `allocated`'s caller promises.
        unsafe {
            if self.walker.frames.truncated {
                self.tree.capture.lost(LossKind::DeepFrames).fetch_add(1, Ordering::Relaxed);
            }
            let local = thread.local;
            if (*local).session == self.session { (*local).root } else { self.find_root(api, thread) }
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
                self.namer.root(api, layout.filter(|_| may_ask), &self.walker.frames, |name| {
                    tree.add_root(NodeKind::Thread, name).unwrap_or(OVERFLOW)
                })
            });
            // A thread that runs no Python code yet may still get its name.
            if may_ask && !self.walker.frames.as_slice().is_empty() {
                (*local).session = self.session;
                (*local).root = root;
            }
            root
        }
    }

    /// Has the capture tell how old everything is that is live at its latest look at the clock; `ended`: nothing will change any more.
    pub(crate) fn sum_up(&mut self, blocks: LiveBlocks<'_>, ended: bool) {
        if self.tree.capture.has_failed() {
            return;
        }
        // SAFETY: the header is mapped as long as the capture.
        let elapsed = unsafe { (*self.tree.capture.header()).now_ns };
        let sum = if ended { History::finish } else { History::sum_ages };
        self.measured_if_asked(|recorder| sum(&mut recorder.history, &mut recorder.tree, blocks, elapsed));
        // The latest note may be older than that by a tick; a run that is shorter than one has none.
        self.note_cost(blocks);
    }

    /// If the map of the capture has failed the recording ends here: hooks pass everything through.
    pub(crate) fn end_if_map_failed(&mut self, now: u64) -> bool {
        let failed = self.tree.capture.has_failed();
        if failed && self.tree.capture.give_up() {
            self.accounts.look(now);
            fork::suspend();
        }
        failed
    }

    /// Losses begin anew.
    pub(crate) fn forget_overflow(&mut self) {
        self.overflow_stated = 0;
    }

    /// Writes what is known of losses into the header.
    pub(crate) fn state_losses(&mut self) {
        let children = fork::CHILDREN.load(Ordering::Relaxed);
        self.tree.capture.lost(LossKind::ForkedChildren).store(children, Ordering::Relaxed);
        if let Some(kind) = self.tree.full() {
            // SAFETY: accounts of the tree exist.
            let count = self
                .tree
                .overflow_accounts()
                .map(|account| unsafe { self.accounts.get(account) }.allocated_count)
                .sum();
            let more = u64::wrapping_sub(count, self.overflow_stated);
            self.overflow_stated = count;
            self.tree.capture.lost(kind).fetch_add(more, Ordering::Relaxed);
        }
    }
}
