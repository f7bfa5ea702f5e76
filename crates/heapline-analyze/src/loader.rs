//! From the tables of a capture to a snapshot.
//!
//! A capture may be written to while it is read. Records that its header counts are complete, and those that
//! they refer to were counted before them; so the header is read again for each kind of record, those that
//! refer first: accounts and their counters, what tells of the past, nodes, places, codes, strings.

use std::sync::Arc;

use heapline_format::{
    Account, Code, Counters, Header, Interval, LossKind, Meta, MetaKey, Node, Outlived, Place, SAMPLED_FLAG,
    State, TableId, Variance,
};

use crate::capture::{Head, ReadAt, record_bytes};
use crate::error::Error;
use crate::facts::Facts;
use crate::frame::{Origin, Source};
use crate::history::RawHistory;
use crate::loss::Loss;
use crate::measures::Measures;
use crate::path::SearchPath;
use crate::sampling::{Samples, Sampling, SamplingInterval};
use crate::snapshot::Snapshot;
use crate::strings::{Names, StringTable};
use crate::totals::Totals;
use crate::tree::{Accounts, Tree};
use crate::tree_builder::{Codes, Nodes};
use crate::variances::Variances;

#[cfg(test)]
mod tests;

/// How often counters are read anew because the process passed a high-water mark meanwhile.
const COUNTER_READS: usize = 4;

/// Facts about the process may take this much more memory than the string table, through values that several
/// share.
const SHARED_FACT_BYTES: usize = 4 << 20;

/// Reads everything that a snapshot is made of.
pub(crate) fn load(source: &dyn ReadAt, progress: &mut dyn FnMut(u64, u64)) -> Result<Snapshot, Error> {
    let head = Head::read(source)?;
    let later = |earlier: &Head| match earlier.state {
        State::Recording => Head::read(source),
        State::Finished => Ok(earlier.clone()),
    };
    let history = RawHistory::read(source, &head)?;
    let nodes_head = later(&head)?;
    let places_head = later(&nodes_head)?;
    let codes_head = later(&places_head)?;
    let strings_head = later(&codes_head)?;
    let mut reader = Reader::new(
        source,
        progress,
        [
            (&head, TableId::Accounts),
            (&head, TableId::Counters),
            (&head, TableId::Outlived),
            (&head, TableId::Variances),
            (&head, TableId::Intervals),
            (&nodes_head, TableId::Nodes),
            (&places_head, TableId::Places),
            (&codes_head, TableId::Codes),
            (&codes_head, TableId::Meta),
            (&strings_head, TableId::Strings),
        ],
    );

    let strings = reader.strings(&strings_head)?;
    let facts = reader.facts(&codes_head, &strings)?;
    let mut names = Names::new(&strings);
    let codes = reader.codes(&codes_head, &mut names)?;
    let mut nodes = reader.nodes(&nodes_head, &places_head, &codes, &mut names)?;
    let intervals = reader.intervals(&head)?;
    let (header, accounts) = reader.accounts(&head, &mut nodes, &sampling(&head.header, &intervals))?;
    let sampling = sampling(&header, &intervals);
    reader.finish();
    let history = history.settle(&nodes.node_of);

    let search_path = facts.search_path();
    let names = names.into_texts();
    let sources = codes.files.iter().map(|&name| Arc::new(describe(&search_path, name, &names))).collect();
    let mut totals = totals(&header, &accounts, &sampling);
    totals.temporary_bytes = totals.temporary_bytes.filter(|_| tells_temporary(&head));
    Ok(Snapshot {
        process: facts.into_process(&header, head.state, sampling),
        totals,
        losses: losses(&head.lost),
        history,
        search_path,
        tracemalloc: None,
        tree: Tree {
            sources,
            names,
            functions: codes.functions,
            places: nodes.places,
            parents: nodes.parents,
            place_of: nodes.place_of,
            accounts,
        },
    })
}

/// Reads the tree of a capture, and of each of its accounts the node and the domain; counters are not read.
pub(crate) fn load_tree(source: &dyn ReadAt) -> Result<(Tree, Vec<Origins>), Error> {
    let head = Head::read(source)?;
    let mut reader = Reader { source, progress: &mut |_, _| {}, done_bytes: 0, all_bytes: 0 };
    let strings = reader.strings(&head)?;
    let search_path = reader.facts(&head, &strings)?.search_path();
    let mut names = Names::new(&strings);
    let codes = reader.codes(&head, &mut names)?;
    let nodes = reader.nodes(&head, &head, &codes, &mut names)?;
    let mut origins = Vec::with_capacity(head.records(TableId::Accounts) as usize);
    reader.read(&head, TableId::Accounts, head.records(TableId::Accounts), |bytes| {
        for account in bytes.chunks_exact(Account::BYTES).filter_map(Account::decode) {
            let node = nodes.node_of.get(account.node as usize).copied().unwrap_or(0);
            let domain = nodes.domains.get(&account.node).copied().unwrap_or(0);
            origins.push(Origins { node, domain });
        }
        Ok(())
    })?;
    let names = names.into_texts();
    let sources = codes.files.iter().map(|&name| Arc::new(describe(&search_path, name, &names))).collect();
    let tree = Tree {
        sources,
        names,
        functions: codes.functions,
        places: nodes.places,
        parents: nodes.parents,
        place_of: nodes.place_of,
        accounts: Accounts::default(),
    };
    Ok((tree, origins))
}

/// Where the blocks of an account come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origins {
    /// The node that allocated; the root if it is not known.
    pub(crate) node: u32,
    /// The domain that they belong to; 0 is Python's own.
    pub(crate) domain: u32,
}

/// The file with this name, which may be one that the capture does not hold.
fn describe(search_path: &SearchPath, name: u32, names: &[Arc<str>]) -> Source {
    let text = &names[name as usize];
    if name == Names::UNKNOWN {
        let unknown = || text.clone();
        return Source { path: unknown(), file: unknown(), module: unknown(), origin: Origin::Unknown };
    }
    search_path.source(text)
}

/// Reads tables and tells how far it is.
struct Reader<'a> {
    source: &'a dyn ReadAt,
    progress: &'a mut dyn FnMut(u64, u64),
    done_bytes: u64,
    all_bytes: u64,
}

impl<'a> Reader<'a> {
    fn new(
        source: &'a dyn ReadAt,
        progress: &'a mut dyn FnMut(u64, u64),
        tables: [(&Head, TableId); 10],
    ) -> Self {
        let sizes = tables.map(|(head, table)| head.records(table) * record_bytes(table).unwrap_or(0) as u64);
        Self { source, progress, done_bytes: 0, all_bytes: sizes.into_iter().sum() }
    }

    fn read(
        &mut self,
        head: &Head,
        table: TableId,
        count: u64,
        mut chunk: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        head.read_table(self.source, table, count, |bytes| {
            self.done_bytes = (self.done_bytes + bytes.len() as u64).min(self.all_bytes);
            (self.progress)(self.done_bytes, self.all_bytes);
            chunk(bytes)
        })
    }

    /// Tells that all is read. Of a live capture it may be less than was announced: its tables do not grow in
    /// step.
    fn finish(&mut self) {
        if self.done_bytes < self.all_bytes {
            (self.progress)(self.all_bytes, self.all_bytes);
        }
    }

    fn strings(&mut self, head: &Head) -> Result<StringTable, Error> {
        let count = head.records(TableId::Strings);
        let mut all = Vec::with_capacity(count as usize);
        self.read(head, TableId::Strings, count, |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(StringTable::new(all))
    }

    fn facts(&mut self, head: &Head, strings: &StringTable) -> Result<Facts, Error> {
        let mut facts = Facts::default();
        let mut room = strings.bytes().saturating_add(SHARED_FACT_BYTES);
        self.read(head, TableId::Meta, head.records(TableId::Meta), |bytes| {
            for record in bytes.chunks_exact(Meta::BYTES).filter_map(Meta::decode) {
                let key = strings.get(record.key).and_then(|key| std::str::from_utf8(key).ok());
                let (Some(key), Some(value)) = (key.and_then(MetaKey::parse), strings.get(record.value))
                else {
                    continue;
                };
                let cost = value.len() + size_of::<(MetaKey, String)>();
                room = room
                    .checked_sub(cost)
                    .ok_or_else(|| Error::damaged("endless facts about the process"))?;
                facts.values.push((key, String::from_utf8_lossy(value).into_owned()));
            }
            Ok(())
        })?;
        Ok(facts)
    }

    fn codes(&mut self, head: &Head, names: &mut Names<'_>) -> Result<Codes, Error> {
        let mut codes = Codes::default();
        self.read(head, TableId::Codes, head.records(TableId::Codes), |bytes| {
            for code in bytes.chunks_exact(Code::BYTES).filter_map(Code::decode) {
                let function =
                    codes.function(names.intern(code.filename), names.intern(code.name), code.first_line);
                codes.function_of.push(function);
            }
            Ok(())
        })?;
        codes.missing = codes.function(Names::UNKNOWN, Names::UNKNOWN, 0);
        Ok(codes)
    }

    fn nodes(
        &mut self,
        head: &Head,
        places_head: &Head,
        codes: &Codes,
        names: &mut Names<'_>,
    ) -> Result<Nodes, Error> {
        let count = head.records(TableId::Nodes);
        let places = places_head.records(TableId::Places);
        let mut nodes = Nodes::with_room_for(places, count)?;
        self.read(places_head, TableId::Places, places, |bytes| {
            let records = bytes.chunks_exact(Place::BYTES).filter_map(Place::decode);
            records.for_each(|place| nodes.add_place(place, codes));
            Ok(())
        })?;
        self.read(head, TableId::Nodes, count, |bytes| {
            bytes
                .chunks_exact(Node::BYTES)
                .filter_map(Node::decode)
                .try_for_each(|node| nodes.add(node, codes, names))
        })?;
        nodes.finish();
        Ok(nodes)
    }

    /// From when on samples were taken at which interval; nothing of an exact recording.
    fn intervals(&mut self, head: &Head) -> Result<Vec<SamplingInterval>, Error> {
        let mut intervals = Vec::new();
        if is_sampled(&head.header) {
            self.read(head, TableId::Intervals, head.records(TableId::Intervals), |bytes| {
                let records = bytes.chunks_exact(Interval::BYTES).filter_map(Interval::decode);
                intervals.extend(records.map(|record| SamplingInterval {
                    time_ns: record.time_ns,
                    interval_bytes: record.sampling_interval,
                }));
                Ok(())
            })?;
        }
        Ok(intervals)
    }

    /// What each stack allocated, with the header that says how to read it.
    fn accounts(
        &mut self,
        head: &Head,
        nodes: &mut Nodes,
        sampling: &Sampling,
    ) -> Result<(Header, Accounts), Error> {
        let mut header = head.header;
        let mut reads = 1;
        loop {
            let (mut accounts, strays) = self.accounts_under(&header, head, nodes, sampling)?;
            let now = match head.state {
                State::Recording => Head::read(self.source)?.header,
                State::Finished => header,
            };
            let same_mark = (now.epoch, now.at_high_water_mark) == (header.epoch, header.at_high_water_mark);
            if same_mark || reads == COUNTER_READS {
                if !strays.0.is_zero() {
                    accounts.nodes.push(nodes.add_stray());
                    accounts.measures.push(strays.0);
                    if sampling.is_sampled() {
                        accounts.variances.push(strays.1);
                    }
                }
                return Ok((now, accounts));
            }
            header = now;
            reads += 1;
        }
    }

    /// What each stack allocated if this header is of the same moment, and what no stack is known for.
    fn accounts_under(
        &mut self,
        header: &Header,
        head: &Head,
        nodes: &Nodes,
        sampling: &Sampling,
    ) -> Result<(Accounts, (Measures, Variances)), Error> {
        let count = head.records(TableId::Accounts).min(head.records(TableId::Counters));
        let mut measures: Vec<Measures> = Vec::with_capacity(count as usize);
        let mut changed_since: Vec<bool> = Vec::with_capacity(count as usize);
        // A recorder stores saved values before the epoch that makes them valid, so the epochs are read first.
        self.read(head, TableId::Counters, count, |bytes| {
            for counters in bytes.chunks_exact(Counters::BYTES).filter_map(Counters::decode) {
                measures.push(measures_of(&counters));
                changed_since.push(header.at_high_water_mark == 0 && counters.epoch == header.epoch);
            }
            Ok(())
        })?;
        if tells_temporary(head) {
            let mut index = 0;
            self.read(head, TableId::Outlived, count, |bytes| {
                for record in bytes.chunks_exact(Outlived::BYTES).filter_map(Outlived::decode) {
                    measures[index].temporary_bytes = temporary_bytes(&measures[index], &record);
                    index += 1;
                }
                Ok(())
            })?;
        }
        // Of accounts without a record nothing is known but the bound.
        let mut variances = Vec::new();
        if sampling.is_sampled() {
            variances.reserve_exact(count as usize);
            self.read(head, TableId::Variances, count.min(head.records(TableId::Variances)), |bytes| {
                for record in bytes.chunks_exact(Variance::BYTES).filter_map(Variance::decode) {
                    variances.push(Variances::of_account(&record, changed_since[variances.len()]));
                }
                Ok(())
            })?;
            variances.resize(count as usize, Variances::UNKNOWN);
        }
        let widest = sampling.widest();
        let mut known = Accounts::default();
        let mut strays = (Measures::default(), Variances::default());
        let mut slot_of = vec![NO_SLOT; nodes.parents.len()];
        let mut index = 0;
        self.read(head, TableId::Accounts, count, |bytes| {
            for account in bytes.chunks_exact(Account::BYTES).filter_map(Account::decode) {
                let mut own = measures[index];
                if changed_since[index] {
                    own.high_water_mark_bytes = account.saved_bytes;
                    own.high_water_mark_count = account.saved_count.into();
                }
                let most = Variances::at_most(&own, widest);
                let own_variances =
                    variances.get(index).copied().map(|variances: Variances| variances.or_at_most(most));
                index += 1;
                let Some(&node) = nodes.node_of.get(account.node as usize) else {
                    strays.0 += own;
                    strays.1 += own_variances.unwrap_or_default();
                    continue;
                };
                // Sums take the places of accounts that were added up, so that nothing is held twice.
                match slot_of[node as usize] {
                    NO_SLOT => {
                        let slot = known.nodes.len();
                        slot_of[node as usize] = slot as u32;
                        known.nodes.push(node);
                        measures[slot] = own;
                        if let Some(own_variances) = own_variances {
                            variances[slot] = own_variances;
                        }
                    }
                    slot => {
                        measures[slot as usize] += own;
                        if let Some(own_variances) = own_variances {
                            variances[slot as usize] += own_variances;
                        }
                    }
                }
            }
            Ok(())
        })?;
        measures.truncate(known.nodes.len());
        known.measures = measures;
        variances.truncate(known.nodes.len());
        known.variances = variances;
        Ok((known, strays))
    }
}

/// No slot yet.
const NO_SLOT: u32 = u32::MAX;

/// The measures that counters stand for while they have not changed since the high-water mark; if they have, an
/// account's saved values are what it held then, as [`Counters`] explains.
fn measures_of(counters: &Counters) -> Measures {
    Measures {
        live_bytes: counters.live_bytes,
        live_count: counters.live_count.into(),
        high_water_mark_bytes: counters.live_bytes,
        high_water_mark_count: counters.live_count.into(),
        allocated_bytes: counters.allocated_bytes,
        allocated_count: counters.allocated_count,
        temporary_bytes: 0,
    }
}

/// Whether a capture says of each account what was freed later than in the tick of its allocation.
fn tells_temporary(head: &Head) -> bool {
    let accounts = head.records(TableId::Accounts).min(head.records(TableId::Counters));
    head.records(TableId::Outlived) >= accounts
}

/// Everything else that was freed. Counters of a program that runs may be of different instants, and then it can come to
/// less than nothing.
fn temporary_bytes(measures: &Measures, outlived: &Outlived) -> u64 {
    let freed = measures.allocated_bytes.wrapping_sub(measures.live_bytes);
    Some(freed.wrapping_sub(outlived.bytes)).filter(|bytes| *bytes <= measures.allocated_bytes).unwrap_or(0)
}

fn is_sampled(header: &Header) -> bool {
    header.flags & SAMPLED_FLAG != 0
}

fn sampling(header: &Header, intervals: &[SamplingInterval]) -> Sampling {
    if !is_sampled(header) {
        return Sampling::Exact;
    }
    Sampling::Sampled(Samples::new(header, intervals.to_vec()))
}

fn totals(header: &Header, accounts: &Accounts, sampling: &Sampling) -> Totals {
    let measures = &accounts.measures;
    let sum: Measures = measures.iter().copied().sum();
    let known = |bytes: u64| (bytes != 0).then_some(bytes);
    // While live bytes stand at their maximum the recorder has not yet written down when and at what size.
    let (mark_bytes, mark_ns, mark_rss) = if header.at_high_water_mark != 0 {
        (header.high_water_mark_bytes.max(header.live_bytes), header.now_ns, header.rss_bytes)
    } else {
        (header.high_water_mark_bytes, header.high_water_mark_ns, header.high_water_mark_rss_bytes)
    };
    Totals {
        live_bytes: sum.live_bytes,
        live_count: sum.live_count,
        high_water_mark_bytes: mark_bytes,
        high_water_mark_count: sum.high_water_mark_count,
        high_water_mark_ns: mark_ns,
        high_water_mark_rss_bytes: known(mark_rss),
        high_water_mark_bias_bytes: sampling
            .samples()
            .map_or(0, |samples| samples.high_water_mark_bias_bytes(mark_bytes)),
        allocated_bytes: sum.allocated_bytes,
        allocated_count: sum.allocated_count,
        temporary_bytes: Some(sum.temporary_bytes),
        rss_bytes: known(header.rss_bytes),
        max_rss_bytes: known(header.max_rss_bytes),
        start_rss_bytes: known(header.start_rss_bytes),
        folded_edges: header.folded_edges.into(),
        dropped_bytes: header.dropped_bytes,
        dropped_count: header.dropped_count,
        pending_bytes: header.pending_bytes.cast_signed(),
        stacks: measures.iter().filter(|measures| !measures.is_zero()).count() as u64,
        variances: sampling.is_sampled().then(|| accounts.variances.iter().copied().sum()),
    }
}

/// The losses that were counted; those of unknown kinds as one.
fn losses(lost: &[u64]) -> Vec<Loss> {
    let mut found = Vec::new();
    let mut other: u64 = 0;
    for (slot, &count) in lost.iter().enumerate().filter(|(_, count)| **count > 0) {
        match LossKind::from_u32(slot as u32) {
            Some(kind) => found.push(Loss { kind: Some(kind), count }),
            None => other = other.saturating_add(count),
        }
    }
    if other > 0 {
        found.push(Loss { kind: None, count: other });
    }
    found
}
