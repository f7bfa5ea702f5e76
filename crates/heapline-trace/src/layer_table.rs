//! What several owners count for themselves: each has a *layer* of the one recording.
//!
//! When a layer begins, the tree forgets which account a stack has, so that every stack that allocates from then on
//! gets a new one. So a block belongs to a layer if its account's number is at least the layer's first: that holds for
//! every size, and blocks and slots know nothing of layers. What is kept here is a sum of accounts, updated as they are.

/// Number of a layer, never used twice in a process.
pub type LayerId = u32;

/// Layers that can be open at a time.
const LAYERS: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    id: LayerId,
    pub(crate) first_account: u32,
    pub(crate) live_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// The layers that are open.
#[derive(Debug)]
pub(crate) struct LayerTable {
    /// First account of the oldest open layer; above every account where none is.
    lowest: u32,
    open: Vec<Layer>,
}

impl LayerTable {
    pub(crate) fn new() -> Self {
        Self { lowest: u32::MAX, open: Vec::new() }
    }

    /// Whether any layer has this account.
    #[inline(always)]
    pub(crate) fn has(&self, account: u32) -> bool {
        account >= self.lowest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens a layer in which so many bytes are live already; false if there are too many.
    pub(crate) fn open(&mut self, id: LayerId, first_account: u32, live_bytes: u64) -> bool {
        if self.open.len() >= LAYERS || self.open.try_reserve(1).is_err() {
            return false;
        }
        self.open.push(Layer { id, first_account, live_bytes, peak_bytes: live_bytes });
        self.find_lowest();
        true
    }

    pub(crate) fn close(&mut self, id: LayerId) {
        self.open.retain(|layer| layer.id != id);
        self.find_lowest();
    }

    pub(crate) fn close_all(&mut self) {
        self.open.clear();
        self.find_lowest();
    }

    fn find_lowest(&mut self) {
        self.lowest = self.open.iter().map(|layer| layer.first_account).min().unwrap_or(u32::MAX);
    }

    pub(crate) fn get(&self, id: LayerId) -> Option<&Layer> {
        self.open.iter().find(|layer| layer.id == id)
    }

    /// Has a layer begin anew at an account.
    pub(crate) fn restart(&mut self, id: LayerId, first_account: u32) {
        if let Some(layer) = self.open.iter_mut().find(|layer| layer.id == id) {
            (layer.first_account, layer.live_bytes, layer.peak_bytes) = (first_account, 0, 0);
        }
        self.find_lowest();
    }

    pub(crate) fn reset_peak(&mut self, id: LayerId) {
        if let Some(layer) = self.open.iter_mut().find(|layer| layer.id == id) {
            layer.peak_bytes = layer.live_bytes;
        }
    }

    /// Nothing is live for the moment: books that are about to be made from the block table.
    pub(crate) fn recount(&mut self) {
        self.open.iter_mut().for_each(|layer| layer.live_bytes = 0);
    }

    #[inline(never)]
    pub(crate) fn allocated(&mut self, account: u32, bytes: u64) {
        for layer in &mut self.open {
            if account >= layer.first_account {
                layer.live_bytes = layer.live_bytes.wrapping_add(bytes);
                layer.peak_bytes = layer.peak_bytes.max(layer.live_bytes);
            }
        }
    }

    #[inline(never)]
    pub(crate) fn freed(&mut self, account: u32, bytes: u64) {
        for layer in &mut self.open {
            if account >= layer.first_account {
                layer.live_bytes = layer.live_bytes.wrapping_sub(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn layers_are_sums_over_their_accounts(
            operations in prop::collection::vec((0u32..12, 1u64..100, 0u32..8), 1..300)
        ) {
            let mut table = LayerTable::new();
            let mut blocks: Vec<(u32, u64)> = Vec::new();
            let mut accounts = 1;
            let mut model: Vec<(LayerId, u32, u64)> = Vec::new();
            let live = |blocks: &[(u32, u64)], first: u32| -> u64 {
                blocks.iter().filter(|(account, _)| *account >= first).map(|(_, bytes)| bytes).sum()
            };
            for (number, (pick, bytes, operation)) in operations.into_iter().enumerate() {
                match operation {
                    0 if model.len() < 5 => {
                        prop_assert!(table.open(number as u32, accounts, 0));
                        model.push((number as u32, accounts, 0));
                        accounts += 3;
                    }
                    1 if !model.is_empty() => {
                        let (id, ..) = model.remove(pick as usize % model.len());
                        table.close(id);
                    }
                    2 if !model.is_empty() => {
                        let at = pick as usize % model.len();
                        table.restart(model[at].0, accounts);
                        model[at] = (model[at].0, accounts, 0);
                        accounts += 3;
                    }
                    3 if !model.is_empty() => {
                        let at = pick as usize % model.len();
                        table.reset_peak(model[at].0);
                        model[at].2 = live(&blocks, model[at].1);
                    }
                    4 | 5 if !blocks.is_empty() => {
                        let (account, bytes) = blocks.swap_remove(pick as usize % blocks.len());
                        if table.has(account) {
                            table.freed(account, bytes);
                        }
                    }
                    _ => {
                        let account = pick % accounts;
                        blocks.push((account, bytes));
                        if table.has(account) {
                            table.allocated(account, bytes);
                        }
                    }
                }
                for (id, first, peak) in &mut model {
                    let now = live(&blocks, *first);
                    *peak = (*peak).max(now);
                    let layer = table.get(*id).expect("open");
                    prop_assert_eq!((layer.live_bytes, layer.peak_bytes), (now, *peak));
                }
                prop_assert_eq!(table.is_empty(), model.is_empty());
            }
        }
    }
}
