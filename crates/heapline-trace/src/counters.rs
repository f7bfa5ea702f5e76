//! Live and cumulative counts per account, and the high-water mark with the share that each account has in it.
//!
//! # The mark in constant time
//! Live bytes L move up and down; M is their maximum. What each account held *when L was last at M* is wanted, without
//! a copy of all of them at every new maximum. Let an *epoch* begin whenever L first falls (or changes without a new
//! maximum) after having stood at M. In an epoch, the first time an account is about to change, its live value, which is
//! still the one it had at M, is saved together with the epoch. So at any moment an account's value at M is the saved
//! one if it was saved in the current epoch, and the live one otherwise; while L stands at M every live value is the
//! one. An allocation or free costs one comparison more, and a new maximum nothing.
//!
//! Epochs are 32-bit; when they run out, all epochs are set back to 0, once in four billion maxima.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use heapline_format::{Counters, Header, Outlived, Variance};

use crate::account_tables::AccountTables;
use crate::clock;
use crate::errno::preserving_errno;
use crate::layer_table::LayerTable;
use crate::life::Life;
use crate::rss;
use crate::weight::{Batch, Sum, Variances, Weight};

/// The smallest time between two looks at the resident set size on account of a high-water mark.
const RSS_INTERVAL_NS: u64 = 10_000_000;

/// Writes the counters of a capture.
#[derive(Debug)]
pub(crate) struct Accounts {
    header: *mut Header,
    tables: AccountTables,
    start_ns: u64,
    rss_ns: u64,
    /// The latest look at the clock that the history knows of.
    pub(crate) latest_ns: u64,
    pub(crate) layers: LayerTable,
}

/// Adds to a count that is one word of memory for whoever reads the file meanwhile, and for the processor: two counts
/// that are written as one here and singly there would have to wait for each other.
///
/// # Safety
/// The place is 8-aligned and mapped, and nobody else writes to it.
#[inline(always)]
unsafe fn add(place: *mut u64, more: u64) {
    // SAFETY: as the caller promises.
    let place = unsafe { AtomicU64::from_ptr(place) };
    place.store(place.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl Accounts {
    /// # Safety
    /// All stay mapped as long as the value is used, and nobody else writes to them but for new records behind those
    /// that are counted.
    pub(crate) unsafe fn new(
        header: *mut Header,
        tables: AccountTables,
        start_ns: u64,
        layers: LayerTable,
    ) -> Self {
        // SAFETY: as the caller promises.
        unsafe { (*header).at_high_water_mark = 1 };
        Self { header, tables, start_ns, rss_ns: 0, latest_ns: start_ns, layers }
    }

    /// # Safety
    /// The account exists.
    pub(crate) unsafe fn get(&self, account: u32) -> Counters {
        // SAFETY: the caller vouches for the account.
        unsafe { *self.tables.counters.add(account as usize) }
    }

    /// # Safety
    /// The account exists, so its records are mapped.
    #[inline(always)]
    pub(crate) unsafe fn allocated(&mut self, account: u32, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.count_allocated(account, size as u64) };
        if !self.layers.is_empty() {
            self.layers.allocated(account, size as u64);
        }
    }

    /// As [`Self::allocated`], where no more than one layer is open: without a call.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    #[inline(always)]
    pub(crate) unsafe fn allocated_as_usual(&mut self, account: u32, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.count_allocated(account, size as u64) };
        if !self.layers.is_empty() {
            self.layers.allocated_in_one(account, size as u64);
        }
    }

    /// # Safety
    /// As for [`Self::allocated`]; and this account's live counters include the block.
    #[inline(always)]
    pub(crate) unsafe fn freed(&mut self, account: u32, size: usize, life: Life) {
        // SAFETY: as the caller promises.
        unsafe {
            if (*self.header).at_high_water_mark != 0 {
                self.leave_mark();
            }
            if life == Life::Longer {
                self.outlive(account, size);
            }
            self.count_freed(account, size as u64);
        }
        if !self.layers.is_empty() {
            self.layers.freed(account, size as u64);
        }
    }

    /// As [`Self::freed`], where no more than one layer is open and [`Self::is_below_mark`] says yes: without a call.
    ///
    /// # Safety
    /// As for [`Self::freed`].
    #[inline(always)]
    pub(crate) unsafe fn freed_as_usual(&mut self, account: u32, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.count_freed(account, size as u64) };
        if !self.layers.is_empty() {
            self.layers.freed_in_one(account, size as u64);
        }
    }

    /// Whether live bytes are not at their maximum, from which a free would have them fall.
    #[inline(always)]
    pub(crate) fn is_below_mark(&self) -> bool {
        // SAFETY: the constructor's caller vouches for the header.
        unsafe { (*self.header).at_high_water_mark == 0 }
    }

    #[inline(always)]
    unsafe fn count_allocated(&mut self, account: u32, size: u64) {
        // SAFETY: the constructor's caller vouches for the header, this one's for the account.
        unsafe {
            let counters = self.tables.counters.add(account as usize);
            self.rise(account, counters, size, 1);
            add(&raw mut (*counters).live_bytes, size);
            (*counters).live_count = (*counters).live_count.wrapping_add(1);
            add(&raw mut (*counters).allocated_bytes, size);
            add(&raw mut (*counters).allocated_count, 1);
        }
    }

    /// Where live bytes have left their maximum already.
    #[inline(always)]
    unsafe fn count_freed(&mut self, account: u32, size: u64) {
        // SAFETY: as above.
        unsafe {
            let counters = self.tables.counters.add(account as usize);
            self.fall(account, counters, size, 1);
            add(&raw mut (*counters).live_bytes, size.wrapping_neg());
            (*counters).live_count = (*counters).live_count.wrapping_sub(1);
        }
    }

    /// What is about to be counted as freed, or moved, is not known to be temporary. That is the smaller part of most
    /// programs' frees, so it is what is counted.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    #[inline(always)]
    pub(crate) unsafe fn outlive(&self, account: u32, bytes: usize) {
        // SAFETY: as the caller promises; each account has a record.
        unsafe { add(&raw mut (*self.tables.outlived.add(account as usize)).bytes, bytes as u64) };
    }

    /// A live block changes its account: memory that the interpreter uses again without an allocation. It counts as an
    /// allocation of the new account, and as the end of a life of the one before.
    ///
    /// # Safety
    /// As for [`Self::freed`], for the account that it leaves.
    pub(crate) unsafe fn moved(&mut self, from: u32, to: u32, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.count_moved(from, to, size as u64) };
        if from != to && !self.layers.is_empty() {
            self.layers.freed(from, size as u64);
            self.layers.allocated(to, size as u64);
        }
    }

    /// As [`Self::moved`], where no more than one layer is open: without a call.
    ///
    /// # Safety
    /// As for [`Self::moved`].
    #[inline(always)]
    pub(crate) unsafe fn moved_as_usual(&mut self, from: u32, to: u32, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.count_moved(from, to, size as u64) };
        if from != to && !self.layers.is_empty() {
            self.layers.freed_in_one(from, size as u64);
            self.layers.allocated_in_one(to, size as u64);
        }
    }

    #[inline(always)]
    unsafe fn count_moved(&mut self, from: u32, to: u32, size: u64) {
        let (header, all) = (self.header, self.tables.counters);
        // SAFETY: as for `moved`.
        unsafe {
            let counters = all.add(to as usize);
            if from != to {
                let before = all.add(from as usize);
                self.save(from, before, header);
                add(&raw mut (*before).live_bytes, size.wrapping_neg());
                (*before).live_count = (*before).live_count.wrapping_sub(1);
                self.save(to, counters, header);
                add(&raw mut (*counters).live_bytes, size);
                (*counters).live_count = (*counters).live_count.wrapping_add(1);
            }
            add(&raw mut (*counters).allocated_bytes, size);
            add(&raw mut (*counters).allocated_count, 1);
        }
    }

    /// Several allocations and frees of one account at once, all allocations before all frees.
    ///
    /// # Safety
    /// As for [`Self::freed`].
    pub(crate) unsafe fn batch(&mut self, account: u32, batch: Batch) {
        let Batch { allocated, freed, temporary_bytes } = batch;
        // SAFETY: as above.
        unsafe {
            if !self.tables.variances.is_null() {
                (*self.header).sample_count += allocated.samples;
            }
            let epoch = (*self.tables.counters.add(account as usize)).epoch;
            self.rise(account, self.tables.counters.add(account as usize), allocated.bytes, allocated.count);
            self.vary(account, epoch, |variance| {
                variance.live_bytes += allocated.bytes_variance;
                variance.live_count += allocated.count_variance;
                variance.allocated_bytes += allocated.bytes_variance;
                variance.allocated_count += allocated.count_variance;
            });
            let counters = &mut *self.tables.counters.add(account as usize);
            counters.live_bytes = counters.live_bytes.wrapping_add(allocated.bytes);
            counters.live_count = counters.live_count.wrapping_add(allocated.count as u32);
            counters.allocated_bytes = counters.allocated_bytes.wrapping_add(allocated.bytes);
            counters.allocated_count = counters.allocated_count.wrapping_add(allocated.count);
            if !self.layers.is_empty() {
                self.layers.allocated(account, allocated.bytes);
                self.layers.freed(account, freed.bytes);
            }
            if freed.count > 0 {
                if (*self.header).at_high_water_mark != 0 {
                    self.leave_mark();
                }
                let epoch = (*self.tables.counters.add(account as usize)).epoch;
                self.fall(account, self.tables.counters.add(account as usize), freed.bytes, freed.count);
                self.outlive(account, freed.bytes.wrapping_sub(temporary_bytes) as usize);
                let is_last =
                    u64::from((*self.tables.counters.add(account as usize)).live_count) == freed.count;
                self.vary(account, epoch, |variance| {
                    variance.live_bytes -= freed.bytes_variance;
                    variance.live_count -= freed.count_variance;
                    if is_last {
                        // Of large variances rounding may leave something.
                        (variance.live_bytes, variance.live_count) = (0.0, 0.0);
                    }
                });
                let counters = &mut *self.tables.counters.add(account as usize);
                counters.live_bytes = counters.live_bytes.wrapping_sub(freed.bytes);
                counters.live_count = counters.live_count.wrapping_sub(freed.count as u32);
            }
        }
    }

    /// A block that counts for others too was allocated.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    pub(crate) unsafe fn allocated_with(&mut self, account: u32, size: usize, weight: Weight) {
        // SAFETY: as the caller promises.
        unsafe {
            if self.tables.variances.is_null() {
                return self.allocated(account, size);
            }
            self.batch(account, Batch { allocated: Sum::of(size, weight), ..Batch::default() });
        }
    }

    /// It was freed.
    ///
    /// # Safety
    /// As for [`Self::freed`].
    pub(crate) unsafe fn freed_with(&mut self, account: u32, size: usize, weight: Weight, life: Life) {
        // SAFETY: as the caller promises.
        unsafe {
            if self.tables.variances.is_null() {
                return self.freed(account, size, life);
            }
            let temporary_bytes = if life == Life::Temporary { weight.bytes } else { 0 };
            self.batch(account, Batch { freed: Sum::of(size, weight), temporary_bytes, ..Batch::default() });
        }
    }

    /// Changes the variances of an account whose values may just have been saved: its epoch was another before.
    #[inline(always)]
    unsafe fn vary(&mut self, account: u32, epoch_before: u32, change: impl FnOnce(&mut Variances)) {
        if self.tables.variances.is_null() {
            return;
        }
        // SAFETY: where there are variances each account has a record.
        unsafe {
            let record = &mut *self.tables.variances.add(account as usize);
            if (*self.tables.counters.add(account as usize)).epoch != epoch_before {
                (record.saved_bytes, record.saved_count) = (record.live_bytes, record.live_count);
            }
            let mut variances = Variances::of(record);
            change(&mut variances);
            variances.write(record);
        }
    }

    #[inline(always)]
    unsafe fn rise(&mut self, account: u32, counters: *mut Counters, bytes: u64, count: u64) {
        // SAFETY: as for `allocated`.
        unsafe {
            let header = self.header;
            (*header).live_count = (*header).live_count.wrapping_add(count);
            let live_bytes = (*header).live_bytes.wrapping_add(bytes);
            (*header).live_bytes = live_bytes;
            if live_bytes > (*header).high_water_mark_bytes {
                (*header).high_water_mark_bytes = live_bytes;
                compiler_fence(Ordering::Release);
                (*header).at_high_water_mark = 1;
            } else {
                self.save(account, counters, header);
            }
        }
    }

    #[inline(always)]
    unsafe fn fall(&mut self, account: u32, counters: *mut Counters, bytes: u64, count: u64) {
        // SAFETY: as for `allocated`.
        unsafe {
            let header = self.header;
            self.save(account, counters, header);
            (*header).live_count = (*header).live_count.wrapping_sub(count);
            (*header).live_bytes = (*header).live_bytes.wrapping_sub(bytes);
        }
    }

    /// Saves an account's value at the mark before it changes. `counters` are the account's.
    #[inline(always)]
    unsafe fn save(&mut self, account: u32, counters: *mut Counters, header: *const Header) {
        // SAFETY: as for `allocated`.
        unsafe {
            let epoch = (*header).epoch;
            if (*counters).epoch != epoch && (*header).at_high_water_mark == 0 {
                self.tables.save_live(account);
                // Whoever reads the file at this instant takes the saved value once it sees the epoch.
                compiler_fence(Ordering::Release);
                (*counters).epoch = epoch;
            }
        }
    }

    /// Live bytes are about to fall from their maximum: a new epoch.
    #[inline(never)]
    unsafe fn leave_mark(&mut self) {
        // SAFETY: as for `allocated`.
        unsafe {
            if (*self.header).epoch == u32::MAX {
                self.restart_epochs();
            }
            // A look at the fine clock may have been ahead of the coarse one.
            let now = clock::now_ns().max(self.latest_ns);
            if now.saturating_sub(self.rss_ns) >= RSS_INTERVAL_NS {
                self.look(now);
            }
            let header = &mut *self.header;
            header.epoch += 1;
            header.now_ns = now.saturating_sub(self.start_ns);
            header.high_water_mark_ns = header.now_ns;
            header.high_water_mark_rss_bytes = header.rss_bytes;
            compiler_fence(Ordering::Release);
            header.at_high_water_mark = 0;
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn restart_epochs(&mut self) {
        // SAFETY: the space behind `counters` is mapped as far as the table counts records.
        unsafe {
            for account in 0..*self.tables.count as usize {
                (*self.tables.counters.add(account)).epoch = 0;
            }
            (*self.header).epoch = 0;
        }
    }

    /// Makes all counts zero and forgets what was saved: for books that begin with blocks that are live already.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(crate) unsafe fn restart(&mut self) {
        self.layers.recount();
        // SAFETY: both tables are mapped as far as the capture counts records.
        unsafe {
            for account in 0..*self.tables.count as usize {
                *self.tables.counters.add(account) = Counters::default();
                *self.tables.outlived.add(account) = Outlived::default();
                let saved = &mut *self.tables.accounts.add(account);
                (saved.saved_bytes, saved.saved_count) = (0, 0);
                if !self.tables.variances.is_null() {
                    *self.tables.variances.add(account) = Variance::default();
                }
            }
        }
    }

    /// Counts a block that is live already.
    ///
    /// # Safety
    /// As for [`Self::allocated`].
    pub(crate) unsafe fn inherit(&mut self, account: u32, size: usize, weight: Weight) {
        let Weight { bytes, count } = weight;
        // SAFETY: as above.
        unsafe {
            let counters = &mut *self.tables.counters.add(account as usize);
            let epoch = counters.epoch;
            counters.live_bytes = counters.live_bytes.wrapping_add(bytes);
            counters.live_count = counters.live_count.wrapping_add(count);
            // It was not allocated by this process, so its free is none of something that was.
            add(&raw mut (*self.tables.outlived.add(account as usize)).bytes, bytes.wrapping_neg());
            let header = &mut *self.header;
            header.live_bytes = header.live_bytes.wrapping_add(bytes);
            header.live_count = header.live_count.wrapping_add(u64::from(count));
            self.vary(account, epoch, |variances| {
                variances.live_bytes += weight.bytes_variance(size);
                variances.live_count += weight.count_variance();
            });
            if !self.layers.is_empty() {
                self.layers.allocated(account, bytes);
            }
        }
    }

    /// What is live is the maximum so far.
    pub(crate) fn stand_at_mark(&mut self, now: u64) {
        let resident = self.look(now);
        // SAFETY: the constructor's caller vouches for the header.
        let header = unsafe { &mut *self.header };
        header.high_water_mark_bytes = header.live_bytes;
        header.high_water_mark_ns = header.now_ns;
        header.high_water_mark_rss_bytes = resident;
        header.at_high_water_mark = 1;
    }

    /// Looks at the resident set size.
    #[cold]
    pub(crate) fn look(&mut self, now: u64) -> u64 {
        self.rss_ns = now;
        let resident = preserving_errno(rss::current_bytes);
        // SAFETY: the constructor's caller vouches for the header.
        unsafe {
            (*self.header).now_ns = now.saturating_sub(self.start_ns);
            (*self.header).rss_bytes = resident;
            (*self.header).max_rss_bytes = (*self.header).max_rss_bytes.max(resident);
        }
        resident
    }
}

#[cfg(test)]
mod tests;
