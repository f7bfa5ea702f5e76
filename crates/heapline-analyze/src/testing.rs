//! Synthetic captures for tests.

use std::collections::HashMap;

use heapline_format::{
    Account, Birth, BirthExtent, Code, Counters, Delta, EXTENTS_OFFSET, Extent, HEADER_BYTES, Header,
    Interval, LOST_OFFSET, LossKind, MAGIC, Meta, MetaKey, Node, NodeKind, Outlived, Place, SAMPLED_FLAG,
    STRING_ALIGN, State, TABLES_OFFSET, TableHeader, TableId, Tick, VERSION, Variance,
};

/// Builds a capture record by record. It writes what it is told, sound or not.
///
/// ```
/// use heapline_analyze::{Snapshot, testing::SyntheticCapture};
///
/// let mut capture = SyntheticCapture::new();
/// let thread = capture.thread("MainThread");
/// let caller = capture.frame(thread, "/app/app.py", "main", 1, 3);
/// let site = capture.frame(caller, "/app/app.py", "load", 10, 12);
/// capture.count(site, 1000, 2);
/// let snapshot = Snapshot::from_bytes(&capture.build())?;
/// assert_eq!(snapshot.totals().live_bytes, 1000);
/// # Ok::<(), heapline_analyze::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SyntheticCapture {
    /// The header that will be written; the number of extents is filled in.
    pub header: Header,
    /// Every table is cut into extents of this many bytes, a multiple of 4096; the last one takes what is
    /// left.
    pub extent_bytes: usize,
    lost: Vec<(u32, u64)>,
    strings: Vec<u8>,
    string_ids: HashMap<String, u32>,
    meta: Vec<Meta>,
    codes: Vec<Code>,
    code_ids: HashMap<Code, u32>,
    places: Vec<Place>,
    place_ids: HashMap<Place, u32>,
    nodes: Vec<Node>,
    accounts: Vec<Account>,
    account_ids: HashMap<u32, usize>,
    counters: Vec<Counters>,
    ticks: Vec<Tick>,
    deltas: Vec<Delta>,
    births: Vec<Birth>,
    variances: Vec<Variance>,
    intervals: Vec<Interval>,
    outlived: Vec<Outlived>,
}

impl Default for SyntheticCapture {
    fn default() -> Self {
        Self::new()
    }
}

impl SyntheticCapture {
    /// A finished exact capture with nothing but the root (node 0).
    #[must_use]
    pub fn new() -> Self {
        let header = Header {
            magic: u64::from_le_bytes(MAGIC),
            version: VERSION,
            header_bytes: HEADER_BYTES as u32,
            pid: 4242,
            state: State::Finished as u32,
            sampling_interval: 1,
            epoch: 1,
            ..Header::default()
        };
        let mut new = Self {
            header,
            extent_bytes: 64 * 1024,
            lost: Vec::new(),
            strings: Vec::new(),
            string_ids: HashMap::new(),
            meta: Vec::new(),
            codes: Vec::new(),
            code_ids: HashMap::new(),
            places: Vec::new(),
            place_ids: HashMap::new(),
            nodes: Vec::new(),
            accounts: Vec::new(),
            account_ids: HashMap::new(),
            counters: Vec::new(),
            ticks: Vec::new(),
            deltas: Vec::new(),
            births: Vec::new(),
            variances: Vec::new(),
            intervals: Vec::new(),
            outlived: Vec::new(),
        };
        new.label(0, NodeKind::Root, "");
        new
    }

    /// Adds a fact about the process.
    pub fn meta(&mut self, key: MetaKey, value: &str) {
        let record = Meta { key: self.string(key.as_str()), value: self.string(value) };
        self.meta.push(record);
    }

    /// Counts a loss.
    pub fn lose(&mut self, kind: LossKind, count: u64) {
        self.lose_slot(kind as u32, count);
    }

    /// Counts a loss of a kind that need not be known.
    pub fn lose_slot(&mut self, slot: u32, count: u64) {
        self.lost.push((slot, count));
    }

    /// String id of a text.
    pub fn string(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.string_ids.get(text) {
            return id;
        }
        let id = (self.strings.len() / STRING_ALIGN) as u32;
        self.strings.extend((text.len() as u32).to_le_bytes());
        self.strings.extend(text.as_bytes());
        self.strings.resize(self.strings.len().next_multiple_of(STRING_ALIGN), 0);
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    /// Adds a thread below the root.
    pub fn thread(&mut self, name: &str) -> u32 {
        self.label(0, NodeKind::Thread, name)
    }

    /// Adds a node that is no frame.
    pub fn label(&mut self, parent: u32, kind: NodeKind, label: &str) -> u32 {
        let subject = self.string(label);
        self.node(Node::new(parent, kind, subject))
    }

    /// Adds a frame of `function` (which begins at `first_line`) at `line`.
    pub fn frame(&mut self, parent: u32, file: &str, function: &str, first_line: u32, line: u32) -> u32 {
        let code = Code { filename: self.string(file), name: self.string(function), first_line, flags: 0 };
        let next = self.codes.len() as u32;
        let code_id = *self.code_ids.entry(code).or_insert(next);
        if code_id == next {
            self.codes.push(code);
        }
        let place = self.place(Place { code: code_id, line, instruction: 0 });
        self.node(Node::new(parent, NodeKind::Frame, place))
    }

    /// Index of a place, as it is.
    pub fn place(&mut self, place: Place) -> u32 {
        let next = self.places.len() as u32;
        let id = *self.place_ids.entry(place).or_insert(next);
        if id == next {
            self.places.push(place);
        }
        id
    }

    /// Adds a node as it is.
    pub fn node(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Adds an account as it is, whether its node has one or not.
    pub fn add_account(&mut self, account: Account, counters: Counters) {
        self.account_ids.entry(account.node).or_insert(self.accounts.len());
        self.accounts.push(account);
        self.counters.push(counters);
    }

    /// Adds a stretch of time.
    pub fn tick(&mut self, tick: Tick) {
        self.ticks.push(tick);
    }

    /// Adds a change; all of them count.
    pub fn delta(&mut self, delta: Delta) {
        self.deltas.push(delta);
        self.header.deltas = self.deltas.len() as u64;
    }

    /// Adds live blocks of one age, summed in this base tick; all of them count.
    pub fn birth(&mut self, birth: Birth, tick: u32) {
        self.births.push(birth);
        self.header.births = BirthExtent { first: 0, count: self.births.len() as u32, tick }.pack();
    }

    /// Counts `count` blocks of `bytes` bytes in all at a node that are live, were so at the high-water mark,
    /// and are all that was allocated there. The header's live numbers and high-water mark follow.
    pub fn count(&mut self, node: u32, bytes: u64, count: u32) {
        let counters = self.counters(node);
        counters.live_bytes += bytes;
        counters.live_count += count;
        counters.allocated_bytes += bytes;
        counters.allocated_count += u64::from(count);
        self.header.live_bytes += bytes;
        self.header.live_count += u64::from(count);
        self.header.high_water_mark_bytes += bytes;
    }

    /// Makes it a sampled capture, at this mean interval from this time on.
    pub fn sample(&mut self, time_ns: u64, interval_bytes: u64) {
        self.header.flags |= SAMPLED_FLAG;
        self.header.sampling_interval = interval_bytes;
        self.intervals.push(Interval { time_ns, sampling_interval: interval_bytes });
    }

    /// Says that blocks of a node that [`Self::count`] counts or has counted were sampled so many times, in a sampled
    /// capture: each sample stands for an equal part of them, of blocks that are small beside the interval.
    pub fn samples(&mut self, node: u32, samples: u32) {
        let id = self.account_id(node);
        let Counters { live_bytes, live_count, allocated_bytes, allocated_count, .. } = self.counters[id];
        let samples_f64 = f64::from(samples);
        let squares = |value: f64| (value * value / samples_f64).to_bits();
        let (bytes, count) = (squares(live_bytes as f64), squares(live_count.into()));
        *self.variance(node) = Variance {
            live_bytes: bytes,
            live_count: count,
            allocated_bytes: squares(allocated_bytes as f64),
            allocated_count: squares(allocated_count as f64),
            saved_bytes: bytes,
            saved_count: count,
        };
        self.header.sample_count += u64::from(samples);
    }

    /// The variances of a node's first account, to change at will; those of earlier accounts are added as zeros.
    pub fn variance(&mut self, node: u32) -> &mut Variance {
        let id = self.account_id(node);
        if self.variances.len() <= id {
            self.variances.resize(id + 1, Variance::default());
        }
        &mut self.variances[id]
    }

    /// Counts blocks that were allocated at a node and freed again, of which so many bytes outlived the tick of their
    /// allocation. A capture in which this is said of no node tells of none.
    pub fn freed(&mut self, node: u32, bytes: u64, count: u64, outlived_bytes: u64) {
        let id = self.account_id(node);
        self.counters[id].allocated_bytes += bytes;
        self.counters[id].allocated_count += count;
        if self.outlived.len() <= id {
            self.outlived.resize(id + 1, Outlived::default());
        }
        self.outlived[id].bytes += outlived_bytes;
    }

    /// The nodes that have accounts.
    pub fn accounts(&self) -> impl Iterator<Item = u32> + '_ {
        self.accounts.iter().map(|account| account.node)
    }

    /// The counters of a node's first account, to change at will; it is added if there is none.
    pub fn counters(&mut self, node: u32) -> &mut Counters {
        let id = self.account_id(node);
        &mut self.counters[id]
    }

    /// A node's first account, to change at will; it is added if there is none.
    pub fn account(&mut self, node: u32) -> &mut Account {
        let id = self.account_id(node);
        &mut self.accounts[id]
    }

    fn account_id(&mut self, node: u32) -> usize {
        if !self.account_ids.contains_key(&node) {
            self.add_account(Account { node, ..Account::default() }, Counters::default());
        }
        self.account_ids[&node]
    }

    /// The capture's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut outlived = self.outlived.clone();
        if !outlived.is_empty() {
            outlived.resize(self.accounts.len(), Outlived::default());
        }
        let tables = [
            (TableId::Meta, Meta::BYTES, self.meta.iter().flat_map(Meta::encode).collect::<Vec<u8>>()),
            (TableId::Strings, 1, self.strings.clone()),
            (TableId::Codes, Code::BYTES, self.codes.iter().flat_map(Code::encode).collect()),
            (TableId::Places, Place::BYTES, self.places.iter().flat_map(Place::encode).collect()),
            (TableId::Nodes, Node::BYTES, self.nodes.iter().flat_map(Node::encode).collect()),
            (TableId::Accounts, Account::BYTES, self.accounts.iter().flat_map(Account::encode).collect()),
            (TableId::Counters, Counters::BYTES, self.counters.iter().flat_map(Counters::encode).collect()),
            (TableId::Ticks, Tick::BYTES, self.ticks.iter().flat_map(Tick::encode).collect()),
            (TableId::Deltas, Delta::BYTES, self.deltas.iter().flat_map(Delta::encode).collect()),
            (TableId::Births, Birth::BYTES, self.births.iter().flat_map(Birth::encode).collect()),
            (TableId::Variances, Variance::BYTES, self.variances.iter().flat_map(Variance::encode).collect()),
            (TableId::Intervals, Interval::BYTES, self.intervals.iter().flat_map(Interval::encode).collect()),
            (TableId::Outlived, Outlived::BYTES, outlived.iter().flat_map(Outlived::encode).collect()),
        ];
        let mut image = vec![0; HEADER_BYTES];
        let mut extents = Vec::new();
        // Extents of different tables alternate, as they do when tables grow side by side.
        let mut rest = tables.each_ref().map(|(_, _, bytes)| &bytes[..]);
        while rest.iter().any(|bytes| !bytes.is_empty()) {
            for (bytes, (table, ..)) in rest.iter_mut().zip(&tables).filter(|(bytes, _)| !bytes.is_empty()) {
                let (now, later) = bytes.split_at(bytes.len().min(self.extent_bytes));
                *bytes = later;
                let offset = image.len() as u64;
                image.extend(now);
                image.resize(image.len().next_multiple_of(4096), 0);
                let bytes = image.len() as u64 - offset;
                extents.push(Extent { offset, bytes, table: *table as u32, reserved: 0 });
            }
        }
        put(&mut image, 0, &Header { extent_count: extents.len() as u32, ..self.header }.encode());
        for &(slot, count) in &self.lost {
            put(&mut image, LOST_OFFSET + slot as usize * 8, &count.to_le_bytes());
        }
        for (table, record_bytes, bytes) in &tables {
            let records = (bytes.len() / record_bytes) as u64;
            let header = TableHeader { records, record_bytes: *record_bytes as u32, reserved: 0 };
            put(&mut image, TABLES_OFFSET + *table as usize * TableHeader::BYTES, &header.encode());
        }
        for (index, extent) in extents.iter().enumerate() {
            put(&mut image, EXTENTS_OFFSET + index * Extent::BYTES, &extent.encode());
        }
        image
    }
}

fn put(image: &mut [u8], offset: usize, bytes: &[u8]) {
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}
