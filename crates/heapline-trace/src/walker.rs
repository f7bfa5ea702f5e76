//! Which way stacks are walked, and how well two ways agree.

use std::io;

use crate::environment::Environment;
use crate::fast_path;
use crate::ffi::{self, Api};
use crate::frame::{self, Frames, Walk};
use crate::public_frame;
use crate::recorder::{Domain, Recorder};
use crate::thread_state;
use crate::token_walk;

/// How much of a stack a walk reads. `HEAPLINE_WALK` chooses: `plain`, `verify`, or anything else for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As far as it is new, where that is sound.
    Tokens,
    /// All of it.
    Plain,
    /// Both, compared.
    Verify,
}

/// For tests and for finding faults.
const OVERRIDE: &str = "HEAPLINE_WALK";

/// The account of the calling thread's stack by [`fast_path::account`].
pub(crate) type FastAccount = unsafe fn(&mut Recorder, *const u8) -> FastAnswer;

/// What the fast path's two ways say of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastAnswer {
    /// The general path is to look.
    Unknown,
    Account(u32),
    /// One way says this, the other that.
    Differ,
}

/// What verify mode has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkCounts {
    /// Walks that were made both ways.
    pub walks: u64,
    /// Those that ended early, at a token.
    pub shortened: u64,
    /// Those whose two stacks differ.
    pub mismatches: u64,
}

/// Walks the calling thread's frames.
#[derive(Debug)]
pub(crate) struct Walker {
    pub(crate) frames: Frames,
    /// The walk that is made first; `None`: through the public API.
    walk: Option<Walk>,
    /// The plain walk that verify mode makes as well.
    plain: Option<Walk>,
    /// What tokens have in common, if any are left.
    tag: Option<u64>,
    /// Which layout's fast path hooks may take.
    fast_version: usize,
    counts: WalkCounts,
}

impl Walker {
    /// A walker for this interpreter. `jit`: it may compile to machine code that keeps operands in registers.
    pub(crate) fn new(environment: &Environment, session: u32, jit: bool) -> io::Result<Self> {
        let mode = match std::env::var(OVERRIDE).as_deref() {
            Ok("plain") => Mode::Plain,
            Ok("verify") => Mode::Verify,
            _ => Mode::Tokens,
        };
        let none = ffi::data_symbol(c"_Py_NoneStruct");
        let plain = environment.layout.map(frame::walk_for);
        let with_tokens = environment
            .layout
            .and_then(token_walk::walk_for)
            .filter(|_| !jit && mode != Mode::Plain && !none.is_null())
            .zip(token_walk::tag(session));
        Ok(Self {
            frames: Frames::new(with_tokens.map_or(token_walk::NO_TAG, |(_, tag)| tag), none)?,
            walk: with_tokens.map(|(walk, _)| walk).or(plain),
            plain: plain.filter(|_| mode == Mode::Verify),
            tag: with_tokens.map(|(_, tag)| tag),
            fast_version: environment.layout.filter(|_| with_tokens.is_some()).map_or(0, token_walk::index),
            counts: WalkCounts::default(),
        })
    }

    /// Walks into `frames`; false where the stack must not be asked for.
    ///
    /// # Safety
    /// `state` belongs to the calling thread, which holds the GIL and is marked as inside a hook.
    #[inline(always)]
    pub(crate) unsafe fn walk(&mut self, api: &Api, state: *const u8, domain: Domain) -> bool {
        // SAFETY: as the caller promises.
        unsafe {
            match self.walk {
                Some(walk) => walk(state, &mut self.frames),
                None if domain == Domain::Raw => return false,
                None => public_frame::walk(api, state, &mut self.frames),
            }
        }
        true
    }

    /// What tokens are made of; `None` where none are left.
    #[inline(always)]
    pub(crate) fn tokens(&self) -> Option<u64> {
        self.tag
    }

    #[inline(always)]
    pub(crate) fn verifies(&self) -> bool {
        self.plain.is_some()
    }

    /// Index of the layout whose fast path hooks may take; 0 for none.
    pub(crate) fn fast_version(&self) -> usize {
        if self.verifies() || !thread_state::is_found(self.fast_version) { 0 } else { self.fast_version }
    }

    /// The fast path's own way to find an account, for verify mode.
    pub(crate) fn fast(&self) -> Option<FastAccount> {
        match self.fast_version {
            1 => Some(fast_path::account::<1>),
            2 => Some(fast_path::account::<2>),
            3 => Some(fast_path::account::<3>),
            4 => Some(fast_path::account::<4>),
            _ => None,
        }
    }

    /// Whether the fast path is to go first at the next comparison: the general one leaves tokens wherever it can, and
    /// then there is little left to be found.
    pub(crate) fn fast_goes_first(&self) -> bool {
        self.counts.walks % 2 == 1
    }

    /// Walks all frames into `frames`, in verify mode.
    ///
    /// # Safety
    /// As for [`Self::walk`].
    pub(crate) unsafe fn walk_plainly(&mut self, state: *const u8) {
        if let Some(walk) = self.plain {
            // SAFETY: as the caller promises.
            unsafe { walk(state, &mut self.frames) };
        }
    }

    /// Counts a comparison.
    pub(crate) fn compared(&mut self, shortened: bool, equal: bool) {
        self.counts.walks += 1;
        self.counts.shortened += u64::from(shortened);
        self.counts.mismatches += u64::from(!equal);
    }

    pub(crate) fn counts(&self) -> WalkCounts {
        self.counts
    }
}
