//! Tests against models.

use super::*;
use heapline_format::Account;
use proptest::prelude::*;

/// The mark by the book: a copy of everything at each new maximum.
#[derive(Default)]
struct Model {
    live: Vec<(u64, u32)>,
    mark: u64,
    at_mark: Vec<(u64, u32)>,
}

impl Model {
    fn note(&mut self) {
        let total: u64 = self.live.iter().map(|(bytes, _)| bytes).sum();
        if total > self.mark {
            self.mark = total;
            self.at_mark.clone_from(&self.live);
        }
    }
}

fn at_mark(header: &Header, account: &Account, counters: &Counters) -> (u64, u32) {
    if header.at_high_water_mark == 0 && counters.epoch == header.epoch {
        (account.saved_bytes, account.saved_count)
    } else {
        (counters.live_bytes, counters.live_count)
    }
}

fn agrees(first_epoch: u32, operations: Vec<(u32, usize, bool)>) -> Result<(), TestCaseError> {
    const ACCOUNTS: usize = 6;
    let mut header = Box::new(Header { epoch: first_epoch, ..Header::default() });
    let mut counters = vec![Counters::default(); ACCOUNTS];
    let mut records = vec![Account::default(); ACCOUNTS];
    let count = ACCOUNTS as u64;
    let mut model = Model { live: vec![(0, 0); ACCOUNTS], mark: 0, at_mark: vec![(0, 0); ACCOUNTS] };
    let mut blocks: Vec<(u32, usize)> = Vec::new();
    let mut outlived = vec![Outlived::default(); ACCOUNTS];
    // SAFETY: header and records outlive the accounts and are only read through the same pointers.
    let (header, counters, records) = (&raw mut *header, counters.as_mut_ptr(), records.as_mut_ptr());
    let outlived = outlived.as_mut_ptr();
    let mut temporary = [0; ACCOUNTS];
    let generations = [0; ACCOUNTS];
    // SAFETY: as above; no layer is opened.
    let layers = unsafe { LayerTable::new(generations.as_ptr()) }.expect("memory");
    // SAFETY: as above.
    let mut accounts = unsafe {
        Accounts::new(
            header,
            AccountTables {
                accounts: records,
                counters,
                outlived,
                variances: std::ptr::null_mut(),
                count: &raw const count,
            },
            clock::now_ns(),
            layers,
        )
    };
    for (account, size, free) in operations {
        if free && !blocks.is_empty() {
            let (account, size) = blocks.swap_remove(size % blocks.len());
            let life = if size % 3 == 0 { Life::Temporary } else { Life::Longer };
            temporary[account as usize] += if life == Life::Temporary { size as u64 } else { 0 };
            // SAFETY: the account is below `ACCOUNTS` and holds this block.
            unsafe { accounts.freed(account, size, life) };
            let live = &mut model.live[account as usize];
            *live = (live.0 - size as u64, live.1 - 1);
        } else {
            blocks.push((account, size));
            // SAFETY: as above.
            unsafe { accounts.allocated(account, size) };
            let live = &mut model.live[account as usize];
            *live = (live.0 + size as u64, live.1 + 1);
        }
        model.note();
        // SAFETY: nothing else points into the header now.
        let header = unsafe { &*header };
        prop_assert_eq!(header.high_water_mark_bytes, model.mark);
        for (account, &temporary) in temporary.iter().enumerate() {
            // SAFETY: as above.
            let found = unsafe { accounts.get(account as u32) };
            prop_assert_eq!((found.live_bytes, found.live_count), model.live[account]);
            // SAFETY: as above.
            let freed_later = unsafe { (*outlived.add(account)).bytes };
            prop_assert_eq!(found.allocated_bytes - found.live_bytes - freed_later, temporary);
            // SAFETY: as above.
            let record = unsafe { *records.add(account) };
            prop_assert_eq!(at_mark(header, &record, &found), model.at_mark[account]);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_mark_is_that_of_a_copy_at_each_maximum(
        operations in prop::collection::vec((0u32..6, 1usize..50, any::<bool>()), 1..200)
    ) {
        agrees(0, operations)?;
    }

    #[test]
    fn epochs_may_run_out(
        operations in prop::collection::vec((0u32..6, 1usize..50, any::<bool>()), 1..200)
    ) {
        agrees(u32::MAX - 3, operations)?;
    }
}

/// What an account holds by the book: the sums of its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Estimate {
    bytes: u64,
    count: u64,
    bytes_variance: f64,
    count_variance: f64,
}

impl Estimate {
    fn of(samples: &[(u32, usize, Weight)], account: u32) -> Self {
        let own = samples.iter().filter(|(owner, ..)| *owner == account);
        own.fold(Self::default(), |sum, (_, size, weight)| Self {
            bytes: sum.bytes + weight.bytes,
            count: sum.count + u64::from(weight.count),
            bytes_variance: sum.bytes_variance + weight.bytes_variance(*size),
            count_variance: sum.count_variance + weight.count_variance(),
        })
    }
}

proptest! {
    #[test]
    fn variances_are_those_of_the_samples_that_are_live_and_were_at_the_mark(
        operations in prop::collection::vec((0u32..4, 1usize..3000, any::<u64>(), any::<bool>()), 1..150)
    ) {
        const ACCOUNTS: usize = 4;
        let mut header = Box::new(Header::default());
        let mut counters = vec![Counters::default(); ACCOUNTS];
        let mut records = vec![Account::default(); ACCOUNTS];
        let mut variances = vec![Variance::default(); ACCOUNTS];
        let mut outlived = vec![Outlived::default(); ACCOUNTS];
        let outlived = outlived.as_mut_ptr();
        let mut temporary = [0; ACCOUNTS];
        let count = ACCOUNTS as u64;
        let (header, counters) = (&raw mut *header, counters.as_mut_ptr());
        let (records, variances) = (records.as_mut_ptr(), variances.as_mut_ptr());
        let generations = [0; ACCOUNTS];
        // SAFETY: as in `agrees`.
        let mut accounts = unsafe {
            let layers = LayerTable::new(generations.as_ptr()).expect("memory");
            {
                let tables =
                    AccountTables { accounts: records, counters, outlived, variances, count: &raw const count };
                Accounts::new(header, tables, clock::now_ns(), layers)
            }
        };
        let mut live: Vec<(u32, usize, Weight)> = Vec::new();
        let mut at_mark = Vec::new();
        let mut mark = 0;
        for (account, size, uniform, free) in operations {
            if free && !live.is_empty() {
                let (account, size, weight) = live.swap_remove(size % live.len());
                let life = if size % 3 == 0 { Life::Temporary } else { Life::Longer };
                temporary[account as usize] += if life == Life::Temporary { weight.bytes } else { 0 };
                // SAFETY: the account holds this sample.
                unsafe { accounts.freed_with(account, size, weight, life) };
            } else {
                let weight = Weight::sampled(size, 1000, uniform);
                // SAFETY: there is such an account.
                unsafe { accounts.allocated_with(account, size, weight) };
                live.push((account, size, weight));
            }
            let total: u64 = live.iter().map(|(_, _, weight)| weight.bytes).sum();
            if total > mark {
                mark = total;
                at_mark.clone_from(&live);
            }
            for (account, &temporary) in temporary.iter().enumerate() {
                // SAFETY: nothing else points there now.
                let (header, counters, record, variance) =
                    unsafe { (&*header, &*counters.add(account), &*records.add(account), &*variances.add(account)) };
                let found = Estimate {
                    bytes: counters.live_bytes,
                    count: counters.live_count.into(),
                    bytes_variance: f64::from_bits(variance.live_bytes),
                    count_variance: f64::from_bits(variance.live_count),
                };
                // SAFETY: as above.
                let freed_later = unsafe { (*outlived.add(account)).bytes };
                prop_assert_eq!(
                    counters.allocated_bytes - counters.live_bytes - freed_later,
                    temporary
                );
                // Sums of whole numbers that a double holds are exact.
                prop_assert_eq!(found, Estimate::of(&live, account as u32));
                let is_saved = header.at_high_water_mark == 0 && counters.epoch == header.epoch;
                let then = if is_saved {
                    Estimate {
                        bytes: record.saved_bytes,
                        count: record.saved_count.into(),
                        bytes_variance: f64::from_bits(variance.saved_bytes),
                        count_variance: f64::from_bits(variance.saved_count),
                    }
                } else {
                    found
                };
                prop_assert_eq!(then, Estimate::of(&at_mark, account as u32));
            }
        }
    }
}

/// Accounts of books of their own, for tests of a few steps.
struct Books {
    accounts: Accounts,
    counters: Vec<Counters>,
    outlived: Vec<Outlived>,
    _others: (Box<Header>, Vec<Account>, Box<u64>, Box<[u32; 2]>),
}

impl Books {
    fn new() -> Self {
        let mut others = (Box::default(), vec![Account::default(); 2], Box::new(2), Box::new([0; 2]));
        let (mut counters, mut outlived) = (vec![Counters::default(); 2], vec![Outlived::default(); 2]);
        // SAFETY: what the pointers lead to is on the heap, and lives as long as the value.
        let accounts = unsafe {
            let tables = AccountTables {
                accounts: others.1.as_mut_ptr(),
                counters: counters.as_mut_ptr(),
                outlived: outlived.as_mut_ptr(),
                variances: std::ptr::null_mut(),
                count: &raw const *others.2,
            };
            let layers = LayerTable::new(others.3.as_ptr()).expect("memory");
            Accounts::new(&raw mut *others.0, tables, clock::now_ns(), layers)
        };
        Self { accounts, counters, outlived, _others: others }
    }

    fn temporary(&self) -> [u64; 2] {
        [0, 1].map(|account| {
            // SAFETY: there are two accounts, read where they are written.
            unsafe {
                let counters = self.counters.as_ptr().add(account).read_volatile();
                let outlived = self.outlived.as_ptr().add(account).read_volatile();
                counters.allocated_bytes.wrapping_sub(counters.live_bytes).wrapping_sub(outlived.bytes)
            }
        })
    }
}

#[test]
fn a_life_ends_when_memory_is_used_again() {
    let mut books = Books::new();
    // SAFETY: there are two accounts, and blocks are freed where they are live.
    unsafe {
        books.accounts.allocated(0, 24);
        books.accounts.moved(0, 1, 24);
        assert_eq!(books.temporary(), [24, 0]);
        books.accounts.outlive(1, 24);
        books.accounts.moved(1, 1, 24);
        assert_eq!(books.temporary(), [24, 0]);
        books.accounts.moved(1, 1, 24);
        books.accounts.outlive(1, 24);
        books.accounts.moved(1, 0, 24);
        assert_eq!(books.temporary(), [24, 24]);
        books.accounts.freed(0, 24, Life::Temporary);
        assert_eq!(books.temporary(), [48, 24]);
    }
}

#[test]
fn what_was_inherited_is_never_temporary() {
    let mut books = Books::new();
    // SAFETY: as above.
    unsafe {
        books.accounts.restart();
        books.accounts.inherit(0, 100, Weight::exact(100));
        assert_eq!(books.temporary(), [0, 0]);
        books.accounts.freed(0, 100, Life::Longer);
        assert_eq!(books.temporary(), [0, 0]);
        books.accounts.allocated(0, 7);
        books.accounts.freed(0, 7, Life::Temporary);
        assert_eq!(books.temporary(), [7, 0]);
    }
}
