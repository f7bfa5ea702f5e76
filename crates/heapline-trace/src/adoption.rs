//! How a forked child goes on with the recording that it inherited: inherited blocks stay live, new ones are added, and
//! all of it is in memory.
//!
//! Of what the map of the capture holds, the child takes only what its own, private counts say was complete at the fork:
//! the parent has gone on writing since. Records that never change after they were written are copied; whatever changes
//! is made anew. Live counts are summed from the block table, which a fork has made private. Notes of threads without the
//! GIL were left at the desk by threads that do not exist here; the blocks that they tell of are in the table or not at all,
//! and a code object whose end one told of has lost its mark there.

use std::io;

use heapline_format::{Header, OVERHEAD_FLAG, State};

use crate::block_table::Entry;
use crate::clock;
use crate::rss;
use crate::session::Session;
use crate::weight::Weight;

/// Makes a session this process' own. After an error it must not be used any more.
///
/// # Safety
/// The caller holds the main interpreter's GIL, nobody else uses the session, and its books were whole at the fork.
pub(crate) unsafe fn adopt(session: &Session, parent: u32) -> io::Result<()> {
    // SAFETY: as the caller promises.
    let recorder = unsafe { &mut *session.recorder.get() };
    recorder.tree.detach()?;
    recorder.begin_own_tick();
    recorder.history.restart(&recorder.tree.capture)?;
    if let Some(sampling) = &mut recorder.sampling {
        sampling.restart(&recorder.tree.capture)?;
    }
    if recorder.tree.capture.has_failed() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let header = recorder.tree.capture.header();
    let resident = rss::current_bytes();
    // SAFETY: the header is mapped as long as the capture, and private now.
    unsafe {
        let inherited = header.read();
        header.write(Header {
            magic: inherited.magic,
            version: inherited.version,
            header_bytes: inherited.header_bytes,
            pid: std::process::id(),
            parent_pid: parent,
            state: State::Recording as u32,
            // Time goes on, so that births of inherited blocks and of new ones can be compared.
            start_unix_ns: inherited.start_unix_ns,
            process_start_ticks: rss::process_start_ticks(),
            sampling_interval: inherited.sampling_interval,
            flags: inherited.flags & !OVERHEAD_FLAG,
            most_overhead_ppm: inherited.most_overhead_ppm,
            python_version_hex: inherited.python_version_hex,
            extent_count: inherited.extent_count,
            tick_ns: recorder.history.tick_ns(),
            folded_edges: recorder.tree.folded_edges(),
            rss_bytes: resident,
            max_rss_bytes: resident,
            start_rss_bytes: inherited.start_rss_bytes,
            ..Header::default()
        });
    }
    recorder.forget_overflow();
    let (tree, accounts) = (&mut recorder.tree, &mut recorder.accounts);
    tree.forget_dead_code(&session.blocks);
    // SAFETY: the tables are mapped and private; accounts that do not exist are left out.
    unsafe {
        accounts.restart();
        session.blocks.for_each(|entry| {
            let block = match entry {
                Entry::Block(block) => Some(block),
                Entry::Watched(number) => tree.watched_block(number),
                Entry::Nothing => None,
            };
            if let Some(block) = block.filter(|block| block.account < tree.table.account_count()) {
                accounts.inherit(block.account, block.size, Weight::exact(block.size));
            }
        });
        session.tracked.for_each(|domain, block, weight| {
            if block.account < tree.table.account_count() {
                accounts.inherit(tree.domain_account(block.account, domain), block.size, weight);
            }
        });
        accounts.stand_at_mark(clock::now_ns().max(accounts.latest_ns));
    }
    recorder.restart_cost();
    Ok(())
}
