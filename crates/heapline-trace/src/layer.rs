//! Layers: several owners look at one recording, each from its own beginning.
//!
//! A layer belongs to whoever opened it (the face of `tracemalloc`, say, in a program that runs under `heapline run`): it
//! sees what was allocated since it began, has its own peak, and may begin anew, without a change for anybody else. A
//! layer that is opened while nothing is recorded starts a session for itself, which ends with it.

use std::sync::atomic::{AtomicU32, Ordering};

use heapline_format::{Account, Counters, Variance};

use crate::block_table::{ACCOUNT_LIMIT, Block, Entry};
use crate::domain::PYTHON;
use crate::error::Error;
use crate::hooks;
use crate::layer_table::{Allocated, LayerId, MOST_LAYERS};
use crate::options::Options;
use crate::recorder::Recorder;
use crate::remote;
use crate::session::{self, Session};
use crate::thread_local;
use crate::weight::Weight;

/// A live block of a frozen layer. There may be millions: 8 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveBlock {
    account_and_age: u32,
    /// Bytes that were asked for.
    pub size: u32,
}

impl LiveBlock {
    /// Set of a block that is young; accounts have fewer bits.
    const YOUNG: u32 = 1 << 31;

    fn new(account: u32, size: u32, is_young: bool) -> Self {
        const { assert!(ACCOUNT_LIMIT <= Self::YOUNG) };
        Self { account_and_age: account | if is_young { Self::YOUNG } else { 0 }, size }
    }

    /// Number of its account in the capture.
    #[must_use]
    pub fn account(self) -> u32 {
        self.account_and_age & !Self::YOUNG
    }

    /// Whether it is known to have been born in the base tick of the freeze: it may still turn out to be temporary.
    #[must_use]
    pub fn is_young(self) -> bool {
        self.account_and_age & Self::YOUNG != 0
    }
}

/// Room for the live blocks of a layer. It is made before the freeze, without the GIL: memory that is touched for the first
/// time takes as long as the freeze itself, in which everybody waits.
#[derive(Debug, Default)]
pub struct BlockRoom(Vec<LiveBlock>);

impl BlockRoom {
    const PAGE_BYTES: usize = 4096;

    /// Room for so many blocks, and some more that may come meanwhile. Without memory there is none, and the freeze asks again.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut room = Vec::new();
        if room.try_reserve_exact(count + count / 64 + 1024).is_ok() {
            let in_page = Self::PAGE_BYTES / size_of::<LiveBlock>();
            for place in room.spare_capacity_mut().iter_mut().step_by(in_page) {
                place.write(LiveBlock::new(0, 0, false));
            }
        }
        Self(room)
    }
}

/// A live block of 4 GiB or more, or one that stands for others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeBlock {
    /// Number of its account in the capture.
    pub account: u32,
    /// Bytes that were asked for, of a sample those that it stands for.
    pub size: u64,
    /// How many blocks it stands for.
    pub count: u32,
    /// As of a [`LiveBlock`].
    pub is_young: bool,
}

/// A layer at one instant.
#[derive(Debug)]
pub struct FrozenLayer {
    /// The whole recording as a capture.
    pub image: Vec<u8>,
    /// The layer's live blocks of less than 4 GiB, by address. Others of the capture are not the layer's.
    pub blocks: Vec<LiveBlock>,
    /// Larger ones, and all of a sampled recording.
    pub large: Vec<LargeBlock>,
    /// What was allocated since the layer began, by account; `None` if it is not known: a process was forked since, and the
    /// child counts from the fork on.
    pub allocated: Option<Vec<Allocated>>,
}

/// The session and its recorder, to be used with the main interpreter's GIL held.
///
/// # Safety
/// The caller holds that GIL, and uses what is returned before it gives it up.
unsafe fn current<'a>() -> Option<(&'a Session, &'a mut Recorder)> {
    // SAFETY: with the GIL held the session stays, and nobody else uses the recorder.
    unsafe {
        let session = hooks::session_of_caller().as_ref()?;
        Some((session, &mut *session.recorder.get()))
    }
}

/// The same for a layer that is open, with the generation of accounts that it began with. Nothing if the capture has
/// failed: what its books say since then is not true.
///
/// # Safety
/// As for [`current`].
unsafe fn layer<'a>(id: LayerId) -> Option<(&'a Session, &'a mut Recorder, u32)> {
    // SAFETY: as the caller promises.
    let (session, recorder) = unsafe { current() }?;
    if recorder.tree.capture.has_failed() {
        return None;
    }
    let generation = recorder.accounts.layers.get(id)?.generation;
    Some((session, recorder, generation))
}

/// Begins a layer. Where nothing is recorded yet a session is started with these options, in memory, and without its
/// owner; otherwise the options are of no account, and what a filter of the recording leaves out is not the layer's.
///
/// # Errors
/// Nothing has changed then; see [`Error`].
///
/// # Safety
/// The caller holds the GIL of the main interpreter and runs below at least one Python frame.
pub unsafe fn open_layer(options: Options) -> Result<LayerId, Error> {
    static IDS: AtomicU32 = AtomicU32::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed) + 1;
    // SAFETY: as the caller promises.
    unsafe {
        if current().is_none() {
            match session::begin(Options { output: None, ..options }, false) {
                // Another thread has begun one meanwhile.
                Ok(()) | Err(Error::AlreadyTracing | Error::LayersOnly) => {}
                Err(error) => return Err(error),
            }
        }
        let (session, recorder) = current().ok_or(Error::NotTracing)?;
        if recorder.tree.capture.has_failed() {
            return Err(Error::Memory(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
        }
        let layers = &recorder.accounts.layers;
        if !layers.has_room() {
            return Err(Error::TooManyOwners(MOST_LAYERS));
        }
        if layers.is_empty() && !session.has_base.load(Ordering::Relaxed) {
            let live_bytes = (*recorder.tree.capture.header()).live_bytes;
            recorder.accounts.layers.open(id, 0, live_bytes, Some(Vec::new()));
            return Ok(id);
        }
        let (generation, before) = begin_generation(session, recorder)?;
        recorder.accounts.layers.open(id, generation, 0, before);
    }
    Ok(id)
}

fn no_room() -> Error {
    Error::Memory(std::io::Error::from(std::io::ErrorKind::OutOfMemory))
}

/// From now on stacks that allocate have accounts of a new generation. Also returns what each account has allocated until
/// now, if there is memory for that.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
unsafe fn begin_generation(
    session: &Session,
    recorder: &mut Recorder,
) -> Result<(u32, Option<Vec<Allocated>>), Error> {
    // SAFETY: as the caller promises. With the desk in hand nobody leaves a note meanwhile.
    unsafe {
        inside(|| {
            let mut desk = remote::desk();
            recorder.book(&mut desk);
            let generation = recorder.tree.begin_generation().map_err(|_| Error::NodeLimit)?;
            session.fixed_accounts.store(recorder.tree.fixed_accounts(), Ordering::Relaxed);
            Ok((generation, allocated_since(recorder, &[])))
        })
    }
}

/// What was allocated by account since it was `before`; `None` if there is no memory for that.
fn allocated_since(recorder: &Recorder, before: &[Allocated]) -> Option<Vec<Allocated>> {
    let table = &recorder.tree.table;
    let mut allocated = Vec::new();
    allocated.try_reserve_exact(table.account_count() as usize).ok()?;
    allocated.extend((0..table.account_count()).map(|account| {
        let counters = table.counters_of(account);
        let before = before.get(account as usize).copied().unwrap_or_default();
        let temporary_bytes = table.temporary_bytes(account);
        Allocated {
            bytes: counters.allocated_bytes.wrapping_sub(before.bytes),
            count: counters.allocated_count.wrapping_sub(before.count),
            temporary_bytes: temporary_bytes.wrapping_sub(before.temporary_bytes),
        }
    }));
    Some(allocated)
}

/// Does something that allocates, and none of that is booked.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
unsafe fn inside<T>(work: impl FnOnce() -> T) -> T {
    let local = thread_local::current();
    // SAFETY: the block is this thread's own.
    unsafe {
        (*local).inside += 1;
        let result = work();
        (*local).inside -= 1;
        result
    }
}

/// Ends a layer, and the session if it was there for its layers only and this was the last.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn close_layer(id: LayerId) {
    // SAFETY: as the caller promises.
    unsafe {
        let Some((session, recorder, _)) = layer(id) else { return };
        recorder.accounts.layers.close(id);
        if recorder.accounts.layers.is_empty() && !session.has_base.load(Ordering::Relaxed) {
            let _ = session::end(hooks::session_of_caller());
        }
    }
}

/// Live bytes of a layer, and the most that they were; nothing if it is not open.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
#[must_use]
pub unsafe fn layer_memory(id: LayerId) -> Option<(u64, u64)> {
    // SAFETY: as the caller promises.
    unsafe {
        let (session, recorder, _) = layer(id)?;
        if remote::pending() {
            session::settle(session);
        }
        recorder.accounts.layers.get(id).map(|layer| (layer.live_bytes, layer.peak_bytes))
    }
}

/// Has the peak of a layer begin at what is live now.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn reset_layer_peak(id: LayerId) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some((session, recorder, _)) = layer(id) {
            session::settle(session);
            recorder.accounts.layers.reset_peak(id);
        }
    }
}

/// Has a layer begin anew: what was allocated until now is not the layer's any more.
///
/// # Errors
/// [`Error::NotTracing`] if it is not open, [`Error::NodeLimit`] if there is no room; then it goes on as it was.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn restart_layer(id: LayerId) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    unsafe {
        let (session, recorder, _) = layer(id).ok_or(Error::NotTracing)?;
        let (generation, before) = begin_generation(session, recorder)?;
        recorder.accounts.layers.restart(id, generation, before);
    }
    Ok(())
}

/// How many blocks are live in a layer; 0 if it is not open.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
#[must_use]
pub unsafe fn layer_count(id: LayerId) -> usize {
    // SAFETY: as the caller promises.
    let Some((_, recorder, generation)) = (unsafe { layer(id) }) else { return 0 };
    members(recorder, generation).map(|counters| counters.live_count as usize).sum()
}

/// A layer as it stands now, with its live blocks, which are put into `room`; it goes on.
///
/// # Errors
/// [`Error::NotTracing`] if it is not open, [`Error::Memory`] when there is no room for it.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
pub unsafe fn freeze_layer(id: LayerId, room: BlockRoom) -> Result<FrozenLayer, Error> {
    // SAFETY: as the caller promises.
    unsafe {
        let (session, recorder, generation) = layer(id).ok_or(Error::NotTracing)?;
        session::settle(session);
        // Threads without the GIL wait meanwhile: blocks and counters are of one instant.
        inside(|| {
            let mut desk = remote::desk();
            recorder.book(&mut desk);
            frozen(session, recorder, generation, id, room)
        })
    }
}

fn frozen(
    session: &Session,
    recorder: &Recorder,
    generation: u32,
    id: LayerId,
    BlockRoom(mut blocks): BlockRoom,
) -> Result<FrozenLayer, Error> {
    let mut is_member = Vec::new();
    is_member.try_reserve_exact(recorder.tree.table.account_count() as usize).map_err(|_| no_room())?;
    let layers = &recorder.accounts.layers;
    is_member
        .extend((0..recorder.tree.table.account_count()).map(|account| layers.is_in(account, generation)));
    let mut large = Vec::new();
    let mut lacked_room = false;
    let tick = recorder.birth();
    let is_sampled = recorder.sampling.is_some();
    let mut add = |block: Block, weight: Weight| {
        if is_member.get(block.account as usize) != Some(&true) {
            return;
        }
        let Weight { bytes, count } = weight;
        let small = u32::try_from(bytes).ok().filter(|_| !is_sampled);
        let room = if small.is_some() { blocks.try_reserve(1) } else { large.try_reserve(1) };
        let is_young = block.birth == tick;
        match small {
            _ if room.is_err() => lacked_room = true,
            Some(size) => blocks.push(LiveBlock::new(block.account, size, is_young)),
            None => large.push(LargeBlock { account: block.account, size: bytes, count, is_young }),
        }
    };
    session.blocks.for_each(|entry| {
        if let Some(block) = live_block(recorder, entry) {
            add(block, Weight::exact(block.size));
        }
    });
    session.tracked.for_each(|domain, block, weight| {
        if let Some(account) = recorder.tree.known_domain_account(block.account, domain) {
            add(Block { account, ..block }, weight);
        }
    });
    if lacked_room {
        return Err(no_room());
    }
    let image = recorder.tree.capture.image().map_err(Error::Memory)?;
    let allocated = layers.before(id).and_then(|before| allocated_since(recorder, before));
    Ok(FrozenLayer { image, blocks, large, allocated })
}

fn live_block(recorder: &Recorder, entry: Entry) -> Option<Block> {
    match entry {
        Entry::Block(block) => Some(block),
        Entry::Watched(number) => recorder.tree.watched_block(number),
        Entry::Nothing => None,
    }
}

/// Where a live block of a layer was allocated: file and line of its frames, most recent first, empty if no frame is
/// known; nothing if the layer has no such block.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
#[must_use]
pub unsafe fn stack_at(id: LayerId, address: usize) -> Option<Vec<(String, u32)>> {
    // SAFETY: as the caller promises.
    unsafe {
        let (session, recorder, generation) = layer(id)?;
        let tracked = session.tracked.get(PYTHON, address);
        let block = tracked.or_else(|| live_block(recorder, session.blocks.get(address)))?;
        if block.account >= recorder.tree.table.account_count()
            || !recorder.accounts.layers.is_in(block.account, generation)
        {
            return None;
        }
        let node = recorder.tree.table.node_of(block.account);
        let lines = recorder.tree.lines(node, usize::MAX);
        Some(lines.into_iter().map(|(file, line)| (file.to_owned(), line)).collect())
    }
}

/// Bytes that are kept for what is live in a layer: the accounts of its stacks, and 4 for each 16 bytes of its blocks, or
/// where samples are taken the table of all that are live. 0 if it is not open.
///
/// # Safety
/// The caller holds the GIL of the main interpreter.
#[must_use]
pub unsafe fn layer_bytes(id: LayerId) -> u64 {
    const GRANULE_BYTES: u64 = 16;
    const SLOT_BYTES: u64 = 4;
    const ACCOUNT_BYTES: u64 = (Account::BYTES + Counters::BYTES) as u64;
    // SAFETY: as the caller promises.
    let Some((session, recorder, generation)) = (unsafe { layer(id) }) else { return 0 };
    let live = members(recorder, generation).filter(|counters| counters.live_count > 0);
    if recorder.sampling.is_some() {
        return live.count() as u64 * (ACCOUNT_BYTES + Variance::BYTES as u64)
            + session.tracked.extent().1 as u64;
    }
    live.map(|counters| {
        let granules = counters.live_bytes.div_ceil(GRANULE_BYTES).max(counters.live_count.into());
        ACCOUNT_BYTES + granules * SLOT_BYTES
    })
    .sum()
}

/// The counters of the accounts that belong to a layer which began with this generation.
fn members(recorder: &Recorder, generation: u32) -> impl Iterator<Item = Counters> {
    let table = &recorder.tree.table;
    (0..table.account_count())
        .filter(move |account| recorder.accounts.layers.is_in(*account, generation))
        .map(|account| table.counters_of(account))
}
