//! Which account a stack has, in this generation and in this domain.

use super::{FIXED, OVERFLOW, Tree};
use crate::capture::Full;
use crate::errno::preserving_errno;
use heapline_format::NodeKind;

impl Tree {
    /// Begins a new generation of accounts and returns it. An error leaves all as it was.
    pub(crate) fn begin_generation(&mut self) -> Result<u32, Full> {
        let busy = self.domains.busy(|account| self.table.is_at_rest(account)).ok_or(Full)?;
        let at_rest = |first: &u32| {
            (*first..*first + FIXED).all(|account| self.table.is_at_rest(account) && !busy.contains(&account))
        };
        let used_again = self.fixed.iter().copied().find(at_rest);
        if used_again.is_none()
            && (self.fixed.try_reserve(1).is_err() || !self.table.has_room(&mut self.capture, FIXED as usize))
        {
            return Err(Full);
        }
        let generation = self.table.begin_generation(&busy);
        self.edges.forget_accounts();
        self.fixed_accounts = used_again.unwrap_or(self.table.account_count());
        if used_again.is_some() {
            (0..FIXED).for_each(|node| self.table.use_account(node, self.fixed_accounts + node));
        } else {
            self.fixed.push(self.fixed_accounts);
            for node in 0..FIXED {
                self.table.new_account(&mut self.capture, node)?;
            }
        }
        Ok(generation)
    }

    /// Account of the first fixed node; those of the others follow.
    pub(crate) fn fixed_accounts(&self) -> u32 {
        self.fixed_accounts
    }

    /// The accounts that stand for stacks without a place.
    pub(crate) fn overflow_accounts(&self) -> impl Iterator<Item = u32> {
        self.fixed.iter().map(|first| first + OVERFLOW)
    }

    /// The account of blocks of a domain below that of a frame or root. It is the same whenever it is asked for.
    pub(crate) fn domain_account(&mut self, base: u32, domain: u32) -> u32 {
        if let Some(known) = self.domains.account(base, domain) {
            // Used again together with the frame's.
            self.table.follow_generation(known, base);
            return known;
        }
        let parent = self.table.node_of(base);
        let account = preserving_errno(|| {
            let node = match self.domains.node(parent, domain) {
                Some(known) => known,
                None => {
                    let made = self.add_labelled(parent, NodeKind::Domain, &domain.to_string())?;
                    self.domains.add_node(parent, domain, made);
                    made
                }
            };
            self.table.account(&mut self.capture, node)
        });
        let account = match account {
            Ok(account) if parent != OVERFLOW => account,
            Ok(_) => base,
            Err(Full) => {
                self.table.note_full();
                self.fixed_accounts + OVERFLOW
            }
        };
        self.domains.add_account(base, domain, account)
    }

    /// The same for blocks that were booked; `None` if it was never asked for.
    pub(crate) fn known_domain_account(&self, base: u32, domain: u32) -> Option<u32> {
        self.domains.account(base, domain)
    }

    /// The account of a node itself.
    #[cold]
    pub(super) fn own_account(&mut self, node: u32) -> u32 {
        preserving_errno(|| self.table.account(&mut self.capture, node))
            .unwrap_or(self.fixed_accounts + OVERFLOW)
    }
}
