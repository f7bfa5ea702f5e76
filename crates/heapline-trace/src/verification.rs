//! Whether the books are right: a comparison of the counters with all live blocks. For tests.

use crate::block_table::Entry;
use crate::hooks;
use crate::remote;
use crate::session::settle;

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
    // SAFETY: as above; what this allocates itself comes from `malloc`, which is not hooked.
    let recorder = unsafe {
        let recorder = &mut *session.recorder.get();
        recorder.book(&mut desk);
        &*recorder
    };
    let mut found = vec![(0u64, 0u32); recorder.tree.table.account_count() as usize];
    session.tracked.for_each(|domain, block, weight| {
        let account = recorder.tree.known_domain_account(block.account, domain);
        if let Some(place) = account.and_then(|account| found.get_mut(account as usize)) {
            place.0 = place.0.wrapping_add(weight.bytes);
            place.1 += weight.count;
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
