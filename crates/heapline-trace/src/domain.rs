//! Accounts of blocks that an extension module has announced under a domain of its own.
//!
//! Such a block stands at a node of its own below the node of the frame that announced it. The table of tracked blocks names
//! the frame's account only, so that threads which may not touch the tree can fill it; which account that leads to is
//! looked up here, and must stay the same for as long as there are blocks of it, whatever becomes of accounts and
//! memory meanwhile. Hence failures are remembered too.

use rustc_hash::{FxHashMap, FxHashSet};

/// Python's own domain: blocks of its allocators.
pub(crate) const PYTHON: u32 = 0;

/// From the account of a frame and a domain to the account of the domain's node.
#[derive(Debug, Default)]
pub(crate) struct DomainAccounts {
    accounts: FxHashMap<(u32, u32), u32>,
    /// From the node of a frame and a domain to the domain's node: accounts are renewed, nodes are not.
    nodes: FxHashMap<(u32, u32), u32>,
    /// There was no memory for one more account: those that are not known are the frame's own from then on.
    is_closed: bool,
}

impl DomainAccounts {
    /// The account, if it is settled which it is.
    pub(crate) fn account(&self, base: u32, domain: u32) -> Option<u32> {
        if domain == PYTHON {
            return Some(base);
        }
        self.accounts.get(&(base, domain)).copied().or(self.is_closed.then_some(base))
    }

    /// Settles which account it is, and says which it is then.
    pub(crate) fn add_account(&mut self, base: u32, domain: u32, account: u32) -> u32 {
        self.is_closed |= self.accounts.try_reserve(1).is_err();
        if self.is_closed {
            return base;
        }
        self.accounts.insert((base, domain), account);
        account
    }

    /// The frames' accounts with domain accounts of which one is not at rest; nothing without memory.
    pub(crate) fn busy(&self, is_at_rest: impl Fn(u32) -> bool) -> Option<FxHashSet<u32>> {
        let mut busy = FxHashSet::default();
        for ((base, _), account) in &self.accounts {
            if !is_at_rest(*account) {
                busy.try_reserve(1).ok()?;
                busy.insert(*base);
            }
        }
        Some(busy)
    }

    /// The domain's node below another one.
    pub(crate) fn node(&self, parent: u32, domain: u32) -> Option<u32> {
        self.nodes.get(&(parent, domain)).copied()
    }

    /// Remembers it, if there is memory for that; else there will be another.
    pub(crate) fn add_node(&mut self, parent: u32, domain: u32, node: u32) {
        if self.nodes.try_reserve(1).is_ok() {
            self.nodes.insert((parent, domain), node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_once_stays() {
        let mut accounts = DomainAccounts::default();
        assert_eq!(accounts.account(9, PYTHON), Some(9));
        assert_eq!(accounts.account(9, 5), None);
        assert_eq!(accounts.add_account(9, 5, 12), 12);
        accounts.is_closed = true;
        assert_eq!((accounts.account(9, 5), accounts.account(9, 6)), (Some(12), Some(9)));
        assert_eq!(accounts.add_account(9, 6, 13), 9, "as it was answered before");
    }
}
