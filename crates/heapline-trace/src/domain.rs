//! Accounts of blocks that an extension module has announced under a domain of its own.
//!
//! Such a block stands at a node of its own below the node of the frame that announced it. The table of tracked blocks names
//! the frame's account only, so that threads which may not touch the tree can fill it; which account that leads to is
//! looked up here, and must stay the same for as long as there are blocks of it. Hence a failure is remembered too.

use rustc_hash::FxHashMap;

use crate::tree::OVERFLOW;

/// Python's own domain: blocks of its allocators.
pub(crate) const PYTHON: u32 = 0;

/// From the account of a frame and a domain to the account of the domain's node.
#[derive(Debug, Default)]
pub(crate) struct DomainAccounts {
    known: FxHashMap<(u32, u32), u32>,
    /// There was no memory for one more: all that are not known are the overflow account from then on.
    is_closed: bool,
}

impl DomainAccounts {
    /// The account, if it is settled which it is.
    pub(crate) fn find(&self, base: u32, domain: u32) -> Option<u32> {
        if domain == PYTHON || base == OVERFLOW {
            return Some(base);
        }
        self.known.get(&(base, domain)).copied().or(self.is_closed.then_some(OVERFLOW))
    }

    /// Makes room for one more.
    pub(crate) fn reserve(&mut self) -> bool {
        self.is_closed |= self.known.try_reserve(1).is_err();
        !self.is_closed
    }

    /// Settles which account it is, for which room was made.
    pub(crate) fn add(&mut self, base: u32, domain: u32, account: u32) {
        self.known.insert((base, domain), account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_once_stays() {
        let mut accounts = DomainAccounts::default();
        assert_eq!(accounts.find(9, PYTHON), Some(9));
        assert_eq!(accounts.find(OVERFLOW, 5), Some(OVERFLOW));
        assert_eq!(accounts.find(9, 5), None);
        assert!(accounts.reserve());
        accounts.add(9, 5, 12);
        accounts.is_closed = true;
        assert_eq!((accounts.find(9, 5), accounts.find(9, 6)), (Some(12), Some(OVERFLOW)));
        assert!(!accounts.reserve());
    }
}
