//! A recording from its start to its end.

use std::cell::UnsafeCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heapline_format::{HEADER_BYTES, Header, LossKind, MetaKey, State, VERSION};

use crate::block_table::{BlockTable, Entry};
use crate::capture::Capture;
use crate::clock;
use crate::counters::Accounts;
use crate::environment::{self, Environment};
use crate::error::Error;
use crate::fork;
use crate::got;
use crate::hooks;
use crate::installation;
use crate::layout_check::FrameAccess;
use crate::options::Options;
use crate::recorder::Recorder;
use crate::reference_tracer;
use crate::remote;
use crate::rss;
use crate::thread_local;
use crate::thread_name::ThreadNamer;
use crate::timeline::Timeline;
use crate::tracked::{self, TrackedBlocks};
use crate::tree::Tree;
use crate::walker::{WalkCounts, Walker};

/// What hooks write to.
#[derive(Debug)]
pub(crate) struct Session {
    /// Touched only with the main interpreter's GIL held.
    pub(crate) recorder: UnsafeCell<Recorder>,
    /// Shared by all threads.
    pub(crate) blocks: BlockTable,
    /// Changed with the desk in hand.
    pub(crate) tracked: TrackedBlocks,
    /// Tells this session from every other of the process.
    pub(crate) number: u32,
    /// The capture's own counter of allocations that found no slot; mapped as long as the recorder's capture.
    unrecorded: *const AtomicU64,
    /// The capture's own sum of what notes tell of; mapped as long.
    pending: *const AtomicU64,
}

impl Session {
    /// States that a note was left of so many bytes more, or fewer.
    pub(crate) fn count_pending(&self, bytes: i64) {
        // SAFETY: as in `count_unrecorded`.
        unsafe { &*self.pending }.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts an allocation of a thread without the GIL that could not be recorded.
    pub(crate) fn count_unrecorded(&self) {
        // SAFETY: the counter lies in the capture's header, which the recorder keeps mapped; it is atomic.
        unsafe { &*self.unrecorded }.fetch_add(1, Ordering::Relaxed);
    }
}

/// A recording that has ended. Its capture is complete, and stays in memory until this is dropped.
#[derive(Debug)]
pub struct Recording {
    session: Box<Session>,
}

impl Recording {
    /// Where the capture stands in a file, if an output was asked for and nobody has truncated it.
    #[must_use]
    pub fn output(&self) -> Option<&Path> {
        self.capture().path().filter(|_| !self.capture().has_failed())
    }

    /// Size of the capture in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.capture().bytes()
    }

    /// The whole capture, as it would stand in a file.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is no room for it.
    pub fn image(&self) -> Result<Vec<u8>, Error> {
        self.capture().image().map_err(Error::Memory)
    }

    fn capture(&self) -> &Capture {
        // SAFETY: hooks do not find this session any more; nobody writes to its recorder.
        unsafe { &(*self.session.recorder.get()).tree.capture }
    }
}

/// Whether a recording is going on in this process.
#[must_use]
pub fn is_tracing() -> bool {
    !hooks::session_of_caller().is_null()
}

/// Starts to record.
///
/// # Errors
/// Nothing is recorded then; see [`Error`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter and runs below at least one Python frame.
pub unsafe fn start(options: &Options) -> Result<(), Error> {
    static SESSIONS: AtomicU32 = AtomicU32::new(0);
    if is_tracing() {
        return Err(Error::AlreadyTracing);
    }
    fork::leave_parent();
    // SAFETY: as this function's caller promises.
    let environment = unsafe { environment::find()? };
    if is_tracing() {
        // Finding the environment may have let another thread run.
        return Err(Error::AlreadyTracing);
    }
    let allocator = allocator_name(environment);
    let capture = Capture::create(options.output.as_deref())?;
    let output = capture.path().map(PathBuf::from);
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut session =
        prepare(environment, options, capture, allocator, number).map_err(|reason| match output {
            Some(path) => {
                let _ = std::fs::remove_file(&path);
                Error::Output {
                    path,
                    reason: crate::capture_file::describe(&reason),
                    errno: reason.raw_os_error(),
                }
            }
            None => Error::Memory(reason),
        })?;
    fork::register();
    let version = session.recorder.get_mut().walker.fast_version();
    // SAFETY: the GIL is held, and there is no session.
    unsafe { installation::install(environment.api, version) };
    tracked::install(environment.api);
    if reference_tracer::is_possible(environment) {
        session.recorder.get_mut().trace_references();
        // SAFETY: the GIL is held.
        unsafe { reference_tracer::install(environment) };
    }
    fork::begin(Box::into_raw(Box::new(session)));
    Ok(())
}

fn prepare(
    environment: &'static Environment,
    options: &Options,
    capture: Capture,
    allocator: &str,
    number: u32,
) -> std::io::Result<Session> {
    let header = capture.header();
    let start_ns = clock::now_ns();
    let resident = rss::current_bytes();
    // SAFETY: the header is mapped and nobody else knows of it yet. The magic number comes last.
    unsafe {
        header.write(Header {
            version: VERSION,
            header_bytes: HEADER_BYTES as u32,
            pid: std::process::id(),
            state: State::Recording as u32,
            start_unix_ns: clock::unix_ns(),
            process_start_ticks: rss::process_start_ticks(),
            sampling_interval: 1,
            python_version_hex: environment.version_hex,
            rss_bytes: resident,
            max_rss_bytes: resident,
            start_rss_bytes: resident,
            ..Header::default()
        });
    }
    let mut tree = Tree::new(capture, &options.limits, environment.layout, environment.code_type)?;
    let timeline = Timeline::new(&mut tree.capture)?;
    let frame_access = match environment.frame_access {
        FrameAccess::Interpreter => "interpreter",
        FrameAccess::Public(_) => "public",
    };
    let free_lists = if reference_tracer::is_possible(environment) { "seen" } else { "first_site" };
    let own = [
        (MetaKey::FrameAccess, frame_access),
        (MetaKey::Allocator, allocator),
        (MetaKey::FreeLists, free_lists),
    ];
    let given = options.meta.iter().map(|(key, value)| (*key, value.as_str()));
    for (key, value) in given.chain(own) {
        if tree.add_meta(key, value).is_err() {
            break;
        }
    }
    tree.capture.publish();
    tree.capture.keep_remains()?;
    let (records, counters) = (tree.table.accounts(), tree.table.counters());
    // SAFETY: all stay mapped as long as the tree, which the recorder owns together with the accounts.
    let accounts =
        unsafe { Accounts::new(header, records, counters, tree.table.count(&tree.capture), start_ns) };
    let namer = ThreadNamer::new(environment.api);
    let walker = Walker::new(environment, number, options.jit)?;
    let unrecorded: *const AtomicU64 = tree.capture.lost(LossKind::BlockTable);
    let recorder = Recorder::new(tree, accounts, timeline, walker, namer, number, start_ns);
    // SAFETY: the header is mapped, and the field 8-aligned in it.
    let pending: *const AtomicU64 = unsafe { AtomicU64::from_ptr(&raw mut (*header).pending_bytes) };
    let recorder = UnsafeCell::new(recorder);
    let tracked = TrackedBlocks::default();
    Ok(Session { recorder, blocks: BlockTable::new()?, tracked, number, unrecorded, pending })
}

/// A complete image of the capture at this instant; recording goes on.
///
/// # Errors
/// [`Error::NotTracing`], or [`Error::Memory`] when there is no room for the image.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn freeze() -> Result<Vec<u8>, Error> {
    // SAFETY: the GIL is held, so the session stays, and nobody else uses the recorder.
    let session = unsafe { hooks::session_of_caller().as_ref() }.ok_or(Error::NotTracing)?;
    let api = environment::known().ok_or(Error::NotTracing)?.api;
    // SAFETY: as above.
    let capture = unsafe {
        settle(session);
        &(*session.recorder.get()).tree.capture
    };
    // SAFETY: the GIL is held.
    if !unsafe { installation::in_place(api) } {
        capture.lost(LossKind::HooksRemoved).store(1, Ordering::Relaxed);
    }
    capture.image().map_err(Error::Memory)
}

/// Compares the counters of every account with a scan of all live blocks; an error names the first difference.
///
/// For tests: takes a few milliseconds for each 16 MiB of address space in use.
///
/// # Safety
/// The caller holds the GIL of the main interpreter. For a true answer no other thread may allocate without it.
#[doc(hidden)]
pub unsafe fn verify() -> Result<(), String> {
    // SAFETY: as in `freeze`.
    let session = unsafe { hooks::session_of_caller().as_ref() }.ok_or("no recording is going on")?;
    // SAFETY: as in `freeze`.
    let recorder = unsafe {
        settle(session);
        &*session.recorder.get()
    };
    if recorder.tree.capture.has_failed() {
        return Err("the recording has ended: its capture was cut short".to_owned());
    }
    // Threads without the GIL wait meanwhile: what they did before is in the books, what they do next is not in the table.
    let mut desk = remote::desk();
    // SAFETY: as above; the local mark keeps what this allocates out of the books.
    let recorder = unsafe {
        let recorder = &mut *session.recorder.get();
        recorder.book(&mut desk);
        &*recorder
    };
    let mut found = vec![(0u64, 0u32); recorder.tree.table.account_count() as usize];
    session.tracked.for_each(|domain, block| {
        let account = recorder.tree.known_domain_account(block.account, domain);
        if let Some(place) = account.and_then(|account| found.get_mut(account as usize)) {
            place.0 = place.0.wrapping_add(block.size as u64);
            place.1 += 1;
        }
    });
    session.blocks.for_each(|entry| {
        let block = match entry {
            Entry::Block(block) => Some(block),
            Entry::Watched(number) => recorder.tree.watched_block(number),
            Entry::Nothing => None,
        };
        if let Some(place) =
            block.and_then(|block| Some((found.get_mut(block.account as usize)?, block.size)))
        {
            place.0.0 += place.1 as u64;
            place.0.1 += 1;
        }
    });
    let (mut live_bytes, mut live_count) = (0, 0);
    for (account, (bytes, count)) in found.into_iter().enumerate() {
        // SAFETY: the account is below the number of accounts.
        let counters = unsafe { recorder.accounts.get(account as u32) };
        if (counters.live_bytes, counters.live_count) != (bytes, count) {
            return Err(format!(
                "account {account} has {} bytes in {} blocks by its counters, and {bytes} in {count} by the block table",
                counters.live_bytes, counters.live_count
            ));
        }
        live_bytes += bytes;
        live_count += u64::from(count);
    }
    // SAFETY: the header is mapped as long as the capture.
    let header = unsafe { &*recorder.tree.capture.header() };
    if (header.live_bytes, header.live_count) == (live_bytes, live_count) {
        return Ok(());
    }
    Err(format!(
        "{} live bytes in {} blocks in all, {live_bytes} in {live_count} by account",
        header.live_bytes, header.live_count
    ))
}

/// What verify mode (`HEAPLINE_WALK=verify`) has counted in this recording.
///
/// # Errors
/// [`Error::NotTracing`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
#[doc(hidden)]
pub unsafe fn walk_counts() -> Result<WalkCounts, Error> {
    // SAFETY: as in `freeze`.
    let session = unsafe { hooks::session_of_caller().as_ref() }.ok_or(Error::NotTracing)?;
    // SAFETY: as in `freeze`.
    Ok(unsafe { &*session.recorder.get() }.walker.counts())
}

/// Ends the recording.
///
/// # Errors
/// [`Error::NotTracing`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn stop() -> Result<Recording, Error> {
    let found = hooks::session_of_caller();
    // SAFETY: as in `freeze`.
    let session = unsafe { found.as_ref() }.ok_or(Error::NotTracing)?;
    let api = environment::known().ok_or(Error::NotTracing)?.api;
    // SAFETY: the GIL is held.
    let hooked = unsafe { installation::in_place(api) };
    // SAFETY: the GIL is held.
    unsafe { installation::remove(api) };
    got::remove();
    {
        // Threads without the GIL look at the session only with the desk in hand.
        let _desk = remote::desk();
        fork::end();
    }
    // SAFETY: the GIL is held, and no hook finds the session any more: this is the only use of it. It was boxed by
    // `start`.
    unsafe {
        settle(session);
        reference_tracer::remove(api);
        let capture = &(*session.recorder.get()).tree.capture;
        if !hooked {
            capture.lost(LossKind::HooksRemoved).store(1, Ordering::Relaxed);
        }
        let header = capture.header();
        (*header).max_rss_bytes = (*header).max_rss_bytes.max(rss::max_bytes());
        (*header).state = State::Finished as u32;
        remote::desk().take();
        Ok(Recording { session: Box::from_raw(found) })
    }
}

/// Brings the books up to this instant.
///
/// # Safety
/// The caller holds the GIL of the main interpreter, and the session is alive.
unsafe fn settle(session: &Session) {
    let local = thread_local::current();
    // SAFETY: as the caller promises; the block is this thread's own.
    unsafe {
        (*local).inside += 1;
        let recorder = &mut *session.recorder.get();
        recorder.carry_over();
        let now = clock::now_ns();
        recorder.tree.capture.check_file();
        if !recorder.end_if_map_failed(now) {
            recorder.accounts.look(now);
            recorder.note_time(now);
        }
        let capture = &recorder.tree.capture;
        capture
            .lost(LossKind::ForkedChildren)
            .store(fork::CHILDREN.load(Ordering::Relaxed), Ordering::Relaxed);
        (*local).inside -= 1;
    }
}

fn allocator_name(environment: &Environment) -> &'static str {
    let Some(name) = environment.api.allocator_name else { return "unknown" };
    // SAFETY: the function needs no more than an initialised interpreter, and returns a static C string or null.
    let name = unsafe {
        let name = name();
        if name.is_null() {
            return "unknown";
        }
        std::ffi::CStr::from_ptr(name)
    };
    match name.to_bytes() {
        b"pymalloc" => "pymalloc",
        b"malloc" => "malloc",
        name if name.ends_with(b"debug") => "debug",
        _ => "unknown",
    }
}
