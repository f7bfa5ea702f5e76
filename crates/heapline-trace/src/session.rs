//! A recording from its start to its end.

use std::cell::UnsafeCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use heapline_format::{
    HEADER_BYTES, Header, LossKind, MAGIC, MetaKey, SAMPLED_FLAG, State, UNBEGUN, VERSION,
};

use crate::birth_table::LiveBlocks;
use crate::block_table::BlockTable;
use crate::capture::Capture;
use crate::clock;
use crate::counters::Accounts;
use crate::environment::{self, Environment};
use crate::error::Error;
use crate::fork;
use crate::got;
use crate::history::History;
use crate::hooks;
use crate::installation;
use crate::layer_table::LayerTable;
use crate::layout_check::FrameAccess;
use crate::options::Options;
use crate::pair_cost::WithoutHooks;
use crate::recorder::Recorder;
use crate::recording::{FileState, Recording};
use crate::reference_tracer;
use crate::remote;
use crate::rss;
use crate::sample_filter;
use crate::sampler;
use crate::sampling_control::SamplingControl;
use crate::thread_local;
use crate::thread_name::ThreadNamer;
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
    /// Whether somebody records all of it, beside the layers.
    pub(crate) has_base: AtomicBool,
    /// Account of the tree's first fixed node, for threads without the GIL; changed with the desk in hand.
    pub(crate) fixed_accounts: AtomicU32,
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

    /// Everything that is live.
    pub(crate) fn live_blocks(&self) -> LiveBlocks<'_> {
        LiveBlocks { table: &self.blocks, tracked: &self.tracked }
    }

    /// The capture. The caller holds the main interpreter's GIL, or nobody else knows of the session any more.
    pub(crate) fn capture(&self) -> &Capture {
        // SAFETY: see above; the reference is used before anything is written to the recorder.
        unsafe { &(*self.recorder.get()).tree.capture }
    }

    pub(crate) fn output(&self) -> Option<(&Path, FileState)> {
        let capture = self.capture();
        let state = match capture.path()? {
            _ if capture.has_failed() => FileState::CutShort,
            _ if !capture.is_in_place() => FileState::Gone,
            _ if is_overwritten(capture) => FileState::Overwritten,
            _ => FileState::Whole,
        };
        Some((capture.path()?, state))
    }

    /// Counts allocations of a thread without the GIL that could not be recorded.
    pub(crate) fn count_unrecorded(&self, count: u32) {
        // SAFETY: the counter lies in the capture's header, which the recorder keeps mapped; it is atomic.
        unsafe { &*self.unrecorded }.fetch_add(count.into(), Ordering::Relaxed);
    }
}

/// Whether the header is not the one that this process wrote.
fn is_overwritten(capture: &Capture) -> bool {
    // SAFETY: the header is mapped as long as the capture; any bytes are a valid header.
    let header = unsafe { &*capture.header() };
    header.magic != u64::from_le_bytes(MAGIC) || header.pid != std::process::id()
}

/// Whether a recording is going on in this process that [`start`] began.
#[must_use]
pub fn is_tracing() -> bool {
    // SAFETY: the GIL is held by whoever asks, so a session that is found stays.
    unsafe { hooks::session_of_caller().as_ref() }
        .is_some_and(|session| session.has_base.load(Ordering::Relaxed))
}

/// Starts to record.
///
/// # Errors
/// Nothing is recorded then; see [`Error`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter and runs below at least one Python frame.
pub unsafe fn start(options: Options) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    unsafe { begin(options, true) }
}

/// Starts a session, for itself or only for the layers that will be opened in it.
///
/// # Errors
/// As for [`start`].
///
/// # Safety
/// As for [`start`].
pub(crate) unsafe fn begin(options: Options, has_base: bool) -> Result<(), Error> {
    static SESSIONS: AtomicU32 = AtomicU32::new(0);
    // SAFETY: the GIL is held, so a session that is found stays.
    if let Some(session) = unsafe { hooks::session_of_caller().as_ref() } {
        let has_base = session.has_base.load(Ordering::Relaxed);
        return Err(if has_base { Error::AlreadyTracing } else { Error::LayersOnly });
    }
    fork::leave_parent();
    // SAFETY: as this function's caller promises.
    let environment = unsafe { environment::find()? };
    if !hooks::session_of_caller().is_null() {
        // Finding the environment may have let another thread run.
        return Err(Error::AlreadyTracing);
    }
    let allocator = allocator_name(environment);
    let capture = Capture::create(options.output.as_deref())?;
    let output = capture.path().map(PathBuf::from);
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut session =
        prepare(environment, &options, capture, allocator, number).map_err(|reason| match output {
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
    *session.has_base.get_mut() = has_base;
    session.recorder.get_mut().tree.set_file_names(options.file_names);
    session.recorder.get_mut().tree.set_filter(options.filter);
    fork::register();
    let version = match options.sampling {
        Some(_) => installation::SAMPLED,
        None => session.recorder.get_mut().walker.fast_version(),
    };
    if sampler::is_on() {
        // The recording before left something there.
        sample_filter::clear();
    }
    match options.sampling {
        Some(sampling) => sampler::begin(sampling.interval, sampling.seed),
        None => sampler::begin(1, None),
    }
    // SAFETY: the GIL is held.
    let without_hooks = options.sampling.map(|_| unsafe { WithoutHooks::look(environment.api) });
    // SAFETY: the GIL is held, and there is no session.
    if let Err(error) = unsafe { installation::install(environment.api, version) } {
        if let Some(path) = session.capture().path() {
            let _ = std::fs::remove_file(path);
        }
        return Err(error);
    }
    if let (Some(sampling), Some(without)) = (&mut session.recorder.get_mut().sampling, without_hooks) {
        // SAFETY: the GIL is held.
        sampling.pair_ns = unsafe { without.added_ns(environment.api) };
    }
    tracked::install(environment.api);
    if options.sampling.is_none() && reference_tracer::is_possible(environment) {
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
            magic: u64::from_le_bytes(UNBEGUN),
            version: VERSION,
            header_bytes: HEADER_BYTES as u32,
            pid: std::process::id(),
            state: State::Recording as u32,
            start_unix_ns: clock::unix_ns(),
            process_start_ticks: rss::process_start_ticks(),
            sampling_interval: options.sampling.map_or(1, |sampling| sampling.interval),
            flags: if options.sampling.is_some() { SAMPLED_FLAG } else { 0 },
            python_version_hex: environment.version_hex,
            rss_bytes: resident,
            max_rss_bytes: resident,
            start_rss_bytes: resident,
            ..Header::default()
        });
    }
    let is_sampled = options.sampling.is_some();
    let mut tree =
        Tree::new(capture, &options.limits, environment.layout, environment.code_type, is_sampled)?;
    let sampling =
        options.sampling.map(|sampling| SamplingControl::new(&mut tree.capture, sampling)).transpose()?;
    let history = History::new(&mut tree.capture, tree.table.account_limit())?;
    let frame_access = match environment.frame_access {
        FrameAccess::Interpreter => "interpreter",
        FrameAccess::Public(_) => "public",
    };
    let free_lists =
        if !is_sampled && reference_tracer::is_possible(environment) { "seen" } else { "first_site" };
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
    let tables = tree.table.account_tables();
    // SAFETY: the tree has a generation for every account that there can be.
    let layers = unsafe { LayerTable::new(tree.table.generations()) }?;
    // SAFETY: all stay mapped as long as the tree, which the recorder owns together with the accounts.
    let accounts = unsafe { Accounts::new(header, tables, start_ns, layers) };
    let namer = ThreadNamer::new(environment.api);
    // Samples are few: nothing is left in the frames of the program for the next one.
    let walker = Walker::new(environment, number, options.jit || is_sampled)?;
    let unrecorded: *const AtomicU64 = tree.capture.lost(LossKind::BlockTable);
    let mut recorder = Recorder::new(tree, accounts, history, walker, namer, number, start_ns);
    recorder.sampling = sampling;
    // SAFETY: the header is mapped, and the field 8-aligned in it.
    let pending: *const AtomicU64 = unsafe { AtomicU64::from_ptr(&raw mut (*header).pending_bytes) };
    let recorder = UnsafeCell::new(recorder);
    let blocks = BlockTable::new()?;
    let (has_base, fixed_accounts) = (AtomicBool::new(true), AtomicU32::new(0));
    let tracked = TrackedBlocks::default();
    Ok(Session { recorder, blocks, tracked, number, has_base, fixed_accounts, unrecorded, pending })
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
    if !session.has_base.load(Ordering::Relaxed) {
        return Err(Error::NotTracing);
    }
    let api = environment::known().ok_or(Error::NotTracing)?.api;
    // SAFETY: as above.
    let capture = unsafe {
        settle(session);
        sum_up(session, false);
        &(*session.recorder.get()).tree.capture
    };
    // SAFETY: the GIL is held.
    if !unsafe { installation::in_place(api) } {
        capture.lost(LossKind::HooksRemoved).store(1, Ordering::Relaxed);
    }
    capture.image().map_err(Error::Memory)
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

/// Ends the recording that [`start`] began. Layers that are open go on, in memory.
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
    if !session.has_base.load(Ordering::Relaxed) {
        return Err(Error::NotTracing);
    }
    // SAFETY: as the caller promises.
    unsafe {
        let has_layers = !(*session.recorder.get()).accounts.layers.is_empty();
        if has_layers && let Ok(recording) = hand_over(session) { Ok(recording) } else { end(found) }
    }
}

/// Ends everything that is recorded, layers included: the interpreter is about to take itself apart.
///
/// # Errors
/// [`Error::NotTracing`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn shut_down() -> Result<Recording, Error> {
    let found = hooks::session_of_caller();
    if found.is_null() {
        return Err(Error::NotTracing);
    }
    // SAFETY: as the caller promises.
    unsafe { end(found) }
}

/// Ends what [`start`] began of a session whose layers go on: its capture is complete, and the session parts with it.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
unsafe fn hand_over(session: &Session) -> Result<Recording, Error> {
    let api = environment::known().ok_or(Error::NotTracing)?.api;
    // SAFETY: as in `freeze`; nobody else uses the recorder meanwhile.
    unsafe {
        settle(session);
        sum_up(session, true);
        let recorder = &mut *session.recorder.get();
        if recorder.tree.capture.has_failed() {
            return Err(Error::NotTracing);
        }
        let hooked = installation::in_place(api);
        // Threads without the GIL write to the header with the desk in hand: not while it changes its place.
        let mut desk = remote::desk();
        recorder.book(&mut desk);
        finish(&recorder.tree.capture, hooked);
        let image = recorder.tree.capture.image().map_err(Error::Memory)?;
        let output = session.output().map(|(path, state)| (path.to_owned(), state));
        let losses = recorder.tree.capture.losses();
        recorder.tree.detach().map_err(Error::Memory)?;
        recorder.tree.capture.set_losses(losses);
        recorder.tree.set_filter(None);
        recorder.history.restart(&recorder.tree.capture).map_err(Error::Memory)?;
        if let Some(sampling) = &mut recorder.sampling {
            sampling.restart(&recorder.tree.capture).map_err(Error::Memory)?;
        }
        recorder.restart_cost();
        (*recorder.tree.capture.header()).state = State::Recording as u32;
        session.has_base.store(false, Ordering::Relaxed);
        Ok(Recording::of_image(image, output))
    }
}

/// States in a capture that its recording is over.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
unsafe fn finish(capture: &Capture, hooked: bool) {
    if !hooked {
        capture.lost(LossKind::HooksRemoved).store(1, Ordering::Relaxed);
    }
    let header = capture.header();
    // SAFETY: the header is mapped as long as the capture.
    unsafe {
        (*header).max_rss_bytes = (*header).max_rss_bytes.max(rss::max_bytes());
        (*header).state = State::Finished as u32;
    }
}

/// Ends a session.
///
/// # Safety
/// The caller holds the GIL of the main interpreter; the session was found by its hooks.
pub(crate) unsafe fn end(found: *mut Session) -> Result<Recording, Error> {
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
    // `begin`.
    unsafe {
        settle(&*found);
        sum_up(&*found, true);
        reference_tracer::remove(api);
        (*(*found).recorder.get()).accounts.layers.close_all();
        finish((*found).capture(), hooked);
        remote::desk().take();
        Ok(Recording::of_session(Box::from_raw(found)))
    }
}

/// Brings the books up to this instant.
///
/// # Safety
/// The caller holds the GIL of the main interpreter, and the session is alive.
pub(crate) unsafe fn settle(session: &Session) {
    let local = thread_local::current();
    // SAFETY: as the caller promises; the block is this thread's own.
    unsafe {
        (*local).inside += 1;
        let recorder = &mut *session.recorder.get();
        recorder.carry_over();
        let now = recorder.now_ns();
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

/// Has the capture tell how old everything is that is live now; the books are up to this instant.
///
/// # Safety
/// As for [`settle`].
unsafe fn sum_up(session: &Session, ended: bool) {
    let local = thread_local::current();
    // SAFETY: as the caller promises; the block is this thread's own.
    unsafe {
        (*local).inside += 1;
        (*session.recorder.get()).sum_up(session.live_blocks(), ended);
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
