//! The tables of a capture that have a record for each account.

use heapline_format::{Account, Counters, Outlived, Variance};

/// Where the records of accounts are. All tables have one for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountTables {
    pub(crate) accounts: *mut Account,
    pub(crate) counters: *mut Counters,
    pub(crate) outlived: *mut Outlived,
    /// Null in exact recordings.
    pub(crate) variances: *mut Variance,
    /// How many accounts there are; not in the capture's file, which anybody may have written to.
    pub(crate) count: *const u64,
}

impl AccountTables {
    /// Saves what is live of an account. It is copied by way of vector registers: this happens rarely, and general ones would
    /// have to be saved before by everybody who comes past here.
    ///
    /// # Safety
    /// The account exists, the tables are mapped as far, and nobody else writes to them.
    #[inline(always)]
    pub(crate) unsafe fn save_live(&self, account: u32) {
        // SAFETY: as the caller promises; the assembly reads and writes these fields and nothing else.
        unsafe {
            let counters = self.counters.add(account as usize);
            let account = self.accounts.add(account as usize);
            core::arch::asm!(
                "movq {value}, qword ptr [{counters} + {live_bytes}]",
                "movq qword ptr [{account} + {saved_bytes}], {value}",
                "movd {value}, dword ptr [{counters} + {live_count}]",
                "movd dword ptr [{account} + {saved_count}], {value}",
                value = out(xmm_reg) _,
                counters = in(reg) counters,
                account = in(reg) account,
                live_bytes = const std::mem::offset_of!(Counters, live_bytes),
                live_count = const std::mem::offset_of!(Counters, live_count),
                saved_bytes = const std::mem::offset_of!(Account, saved_bytes),
                saved_count = const std::mem::offset_of!(Account, saved_count),
                options(nostack, preserves_flags),
            );
        }
    }
}
