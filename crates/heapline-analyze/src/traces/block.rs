//! The live blocks of a snapshot, which may be millions.

use super::Sum;

/// A live block that is smaller than 4 GiB. There may be millions: 8 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    account_and_age: u32,
    size: u32,
}

impl Block {
    /// Set of a block that is young.
    const YOUNG: u32 = 1 << 31;

    /// A block of this account, by its index in the capture, and of so many bytes. It is young if it is known to have been
    /// born in the base tick of the snapshot. Indices of accounts have at most 31 bits.
    #[must_use]
    pub fn new(account: u32, size: u32, is_young: bool) -> Self {
        let account = account.min(!Self::YOUNG);
        Self { account_and_age: account | if is_young { Self::YOUNG } else { 0 }, size }
    }

    fn account(self) -> u32 {
        self.account_and_age & !Self::YOUNG
    }

    fn is_young(self) -> bool {
        self.account_and_age & Self::YOUNG != 0
    }
}

/// A live block of any size, or one that stands for others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeBlock {
    /// Index of its account in the capture.
    pub account: u32,
    /// Its size in bytes, of a sample the bytes that it stands for.
    pub size: u64,
    /// How many blocks it stands for.
    pub count: u32,
    /// As of a [`Block`].
    pub is_young: bool,
}

/// The blocks of a snapshot, in no particular order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) small: Vec<Block>,
    /// Those of 4 GiB and more, and samples.
    pub(super) large: Vec<LargeBlock>,
}

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Account and size of a block.
    pub(super) fn get(&self, index: usize) -> Option<(u32, u64)> {
        match self.small.get(index) {
            Some(block) => Some((block.account(), block.size.into())),
            None => self.large.get(index - self.small.len()).map(|block| (block.account, block.size)),
        }
    }

    /// The account of each block.
    pub(super) fn accounts(&self) -> impl Iterator<Item = u32> {
        let small = self.small.iter().map(|block| block.account());
        small.chain(self.large.iter().map(|block| block.account))
    }

    /// Whether each block is young.
    pub(super) fn young(&self) -> impl Iterator<Item = bool> {
        let small = self.small.iter().map(|block| block.is_young());
        small.chain(self.large.iter().map(|block| block.is_young))
    }

    /// The blocks for which `keep` says so, given their index, account and whether they are young.
    pub(super) fn kept(&self, mut keep: impl FnMut(usize, u32, bool) -> bool) -> Self {
        let mut index = 0;
        let mut next = |account, is_young| {
            index += 1;
            keep(index - 1, account, is_young)
        };
        let small = self.small.iter().copied().filter(|block| next(block.account(), block.is_young()));
        let small: Vec<Block> = small.collect();
        let large = self.large.iter().copied().filter(|block| next(block.account, block.is_young));
        let large: Vec<LargeBlock> = large.collect();
        Self { small, large }
    }

    /// What they come to by account.
    pub(super) fn sums(&self, accounts: usize) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); accounts];
        // Neighbours often come from one loop: adding each to memory would wait for the one before.
        for blocks in self.small.chunk_by(|a, b| a.account() == b.account()) {
            let bytes = blocks.iter().map(|block| u64::from(block.size)).sum();
            sums[blocks[0].account() as usize].add(Sum::live(bytes, blocks.len() as u64));
        }
        for block in &self.large {
            sums[block.account as usize].add(Sum::live(block.size, block.count.into()));
        }
        sums
    }
}
