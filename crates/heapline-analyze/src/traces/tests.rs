//! Tests of traces on synthetic captures.

use heapline_format::NodeKind;

use super::*;
use crate::testing::SyntheticCapture;

/// Accounts are numbered in the order in which they are made here; the blocks of each have these sizes.
struct Recording {
    capture: SyntheticCapture,
    blocks: Vec<Block>,
    large: Vec<LargeBlock>,
    /// What was freed of each account; nothing of later ones.
    freed: Vec<Sum>,
    accounts: u32,
}

impl Recording {
    fn new() -> Self {
        Self {
            capture: SyntheticCapture::new(),
            blocks: Vec::new(),
            large: Vec::new(),
            freed: Vec::new(),
            accounts: 0,
        }
    }

    fn stack(&mut self, parent: u32, frames: &[(&str, &str, u32)]) -> u32 {
        let frame = |above, &(file, function, line): &(&str, &str, u32)| {
            self.capture.frame(above, file, function, 1, line)
        };
        frames.iter().fold(parent, frame)
    }

    fn account(&mut self, node: u32, sizes: &[u64]) -> u32 {
        self.capture.add_account(heapline_format::Account { node, ..Default::default() }, Default::default());
        for &size in sizes {
            match u32::try_from(size) {
                Ok(size) => self.blocks.push(Block::new(self.accounts, size, false)),
                Err(_) => {
                    self.large.push(LargeBlock { account: self.accounts, size, count: 1, is_young: false });
                }
            }
        }
        self.accounts += 1;
        self.accounts - 1
    }

    fn read(&self, limit: usize) -> Traces {
        let (small, large) = (self.blocks.clone(), self.large.clone());
        let mut allocated = self.freed.clone();
        let blocks = Blocks { small: small.clone(), large: large.clone() };
        for (account, live) in blocks.sums(self.accounts as usize).into_iter().enumerate() {
            if account == allocated.len() {
                allocated.push(Sum::default());
            }
            allocated[account].add(live);
        }
        let allocated = (!self.freed.is_empty()).then_some(allocated);
        Traces::from_bytes(&self.capture.build(), small, large, allocated, limit).expect("sound")
    }
}

const APP: (&str, &str, u32) = ("app.py", "main", 3);
const LOAD: (&str, &str, u32) = ("load.py", "load", 7);
const LAMBDA: (&str, &str, u32) = ("load.py", "<lambda>", 7);

fn sample() -> Recording {
    let mut new = Recording::new();
    let main = new.capture.thread("MainThread");
    let worker = new.capture.thread("worker");
    let load = new.stack(main, &[APP, LOAD]);
    let lambda = new.stack(main, &[APP, LAMBDA]);
    let deep = new.stack(worker, &[APP, APP, LOAD, LOAD, LOAD]);
    let domain = new.capture.label(load, NodeKind::Domain, "389047");
    let odd_domain = new.capture.label(load, NodeKind::Domain, "none");
    let native = new.capture.label(0, NodeKind::Unknown, "<native thread>");
    new.account(load, &[10, 20]);
    new.account(lambda, &[5]);
    new.account(deep, &[100, 6 << 30]);
    new.account(domain, &[1000]);
    new.account(odd_domain, &[2000]);
    new.account(native, &[7]);
    new.account(load, &[40]);
    new.account(deep, &[]);
    new.account(99, &[3]);
    new
}

fn rows(traces: &Traces, key_type: KeyType, cumulative: bool) -> Vec<(String, u64, u64)> {
    let statistics = traces.statistics(key_type, cumulative);
    let row = |row: &TraceStatistic| {
        let label = statistics.label(row);
        (format!("{}:{}{}", label.text, label.line, label.name), row.bytes, row.count)
    };
    statistics.rows.iter().map(row).collect()
}

fn expect(found: &[(String, u64, u64)], expected: &[(&str, u64, u64)]) {
    let found: Vec<_> = found.iter().map(|(name, bytes, count)| (name.as_str(), *bytes, *count)).collect();
    assert_eq!(found, expected);
}

#[test]
fn frames_of_one_line_are_one_whatever_their_function() {
    let traces = sample().read(10);
    let huge = (6 << 30) + 100 + 3070 + 5;
    expect(&rows(&traces, KeyType::Lineno, false), &[("load.py:7", huge, 8), ("<unknown>:0", 10, 2)]);
    expect(&rows(&traces, KeyType::Filename, false), &[("load.py:0", huge, 8), ("<unknown>:0", 10, 2)]);
    expect(
        &rows(&traces, KeyType::Function, false),
        &[("load.py:1load", huge - 5, 7), ("<unknown>:0<unknown>", 10, 2), ("load.py:1<lambda>", 5, 1)],
    );
    expect(
        &rows(&traces, KeyType::Thread, false),
        &[
            ("worker:0", (6 << 30) + 100, 2),
            ("MainThread:0", 3075, 6),
            ("<native thread>:0", 7, 1),
            ("<unknown thread>:0", 3, 1),
        ],
    );
    let modules = rows(&traces, KeyType::Module, false);
    assert_eq!(modules.iter().map(|row| row.1).sum::<u64>(), huge + 10);
}

#[test]
fn tracebacks_are_cut_counted_and_numbered() {
    let traces = sample().read(2);
    assert_eq!((traces.len(), traces.is_empty()), (10, false));
    let names = |index| -> Vec<(String, u32)> {
        let trace: Trace = traces.get(index).expect("a trace");
        let spots = traces.traceback(trace.traceback).map(|spot| traces.spot(spot));
        spots.map(|(file, line)| (traces.files()[file as usize].to_string(), line)).collect()
    };
    assert_eq!(names(0), [("load.py".to_owned(), 7), ("app.py".to_owned(), 3)]);
    assert_eq!(names(3), [("load.py".to_owned(), 7), ("load.py".to_owned(), 7)]);
    assert_eq!(names(6), [("<unknown>".to_owned(), 0)]);
    let field = |pick: fn(Trace) -> u64| -> Vec<u64> {
        (0..10).filter_map(|index| traces.get(index)).map(pick).collect()
    };
    assert_eq!(field(|trace| trace.size), [10, 20, 5, 100, 1000, 2000, 7, 40, 3, 6 << 30]);
    assert_eq!(field(|trace| trace.domain.into()), [0, 0, 0, 0, 389_047, 0, 0, 0, 0, 0]);
    assert_eq!(field(|trace| trace.total_frames.into()), [2, 2, 2, 5, 2, 2, 1, 2, 1, 5]);
    // The same for a call on the same line of another function, and for two accounts of one stack.
    assert_eq!(field(|trace| trace.traceback.into()), [0, 0, 0, 1, 0, 0, 2, 0, 2, 1]);
    assert_eq!(traces.traceback_count(), 3);
    assert_eq!(traces.get(10), None);
    let shown: Vec<bool> = traces.shown_spots();
    let names: Vec<&str> = traces.spots().map(|(file, _)| &*traces.files()[file as usize]).collect();
    assert_eq!(names, ["<unknown>", "app.py", "load.py"]);
    assert_eq!(shown, [true; 3]);
    assert_eq!(sample().read(1).shown_spots(), [true, false, true]);
}

#[test]
fn cumulative_counts_once_per_frame_that_is_shown() {
    let traces = sample().read(4);
    let huge = (6 << 30) + 100;
    // Three times in `load`, once in `main`: the outermost frame is beyond the limit.
    expect(
        &rows(&traces, KeyType::Lineno, true),
        &[("load.py:7", 3 * huge + 3075, 12), ("app.py:3", huge + 3075, 8), ("<unknown>:0", 10, 2)],
    );
    assert_eq!(rows(&traces, KeyType::Thread, true), rows(&traces, KeyType::Thread, false));
}

#[test]
fn ties_are_in_the_order_of_names() {
    let mut recording = Recording::new();
    let main = recording.capture.thread("MainThread");
    for (file, caller, line) in [("b.py", "y.py", 1), ("a.py", "z.py", 9), ("a.py", "x.py", 10)] {
        let node = recording.stack(main, &[(caller, "f", 1), (file, "g", line)]);
        recording.account(node, &[8]);
    }
    let traces = recording.read(5);
    expect(&rows(&traces, KeyType::Lineno, false), &[("b.py:1", 8, 1), ("a.py:10", 8, 1), ("a.py:9", 8, 1)]);
    // By the oldest frame first: z, y, x.
    expect(
        &rows(&traces, KeyType::Traceback, false),
        &[("a.py:9", 8, 1), ("b.py:1", 8, 1), ("a.py:10", 8, 1)],
    );
}

#[test]
fn snapshots_of_different_recordings_are_compared_by_name() {
    let old = sample().read(10);
    let mut recording = Recording::new();
    let other = recording.capture.thread("MainThread");
    let (first, new) =
        (recording.stack(other, &[("new.py", "f", 1)]), recording.stack(other, &[APP, LAMBDA]));
    recording.account(first, &[50]);
    recording.account(new, &[5, 6]);
    let new = recording.read(10);
    let differences = |key_type| -> Vec<(String, bool, u64, i128, u64, i128)> {
        let comparison = compare(&new, &old, key_type, false);
        let row = |row: &Difference| {
            let label = comparison.label(row);
            let name = format!("{}:{}{}", label.text, label.line, label.name);
            (name, row.is_gone, row.bytes, row.bytes_change, row.count, row.count_change)
        };
        comparison.rows.iter().map(row).collect()
    };
    let huge = (6_i128 << 30) + 100;
    assert_eq!(
        differences(KeyType::Lineno),
        [
            ("load.py:7".to_owned(), false, 11, 11 - huge - 3075, 2, -6),
            ("new.py:1".to_owned(), false, 50, 50, 1, 1),
            ("<unknown>:0".to_owned(), false, 0, -10, 0, -2),
        ]
    );
    assert_eq!(
        differences(KeyType::Function),
        [
            ("load.py:1load".to_owned(), true, 0, -huge - 3070, 0, -7),
            ("new.py:1f".to_owned(), false, 50, 50, 1, 1),
            ("<unknown>:0<unknown>".to_owned(), false, 0, -10, 0, -2),
            ("load.py:1<lambda>".to_owned(), false, 11, 6, 2, 1),
        ]
    );
    let tracebacks = differences(KeyType::Traceback);
    let changes: Vec<_> = tracebacks.iter().map(|row| (row.1, row.3)).collect();
    assert_eq!(changes, [(true, -huge), (false, 11 - 3075), (false, 50), (true, -10)]);
    let same = compare(&old, &old, KeyType::Traceback, false);
    assert!(same.rows.iter().all(|row| row.bytes_change == 0 && row.bytes > 0 && !row.is_gone));
}

fn filter(inclusive: bool, file: &str, traces: &Traces) -> TraceFilter {
    let spots = traces.spots().map(|(number, _)| &*traces.files()[number as usize] == file).collect();
    let frames = Some(MatchingFrames { spots, all_frames: false });
    TraceFilter { inclusive, frames, domain: None, is_young: false }
}

fn all_frames(mut filter: TraceFilter) -> TraceFilter {
    if let Some(frames) = &mut filter.frames {
        frames.all_frames = true;
    }
    filter
}

fn sizes(traces: &Traces) -> Vec<u64> {
    (0..traces.len()).filter_map(|index| traces.get(index)).map(|trace| trace.size).collect()
}

#[test]
fn filters_decide_by_frames_and_domain() {
    let traces = sample().read(10);
    let all = sizes(&traces);
    let unknown = [7, 3];
    let kept = |filters: &[TraceFilter]| sizes(&traces.filter(filters));
    assert_eq!(kept(&[]), all);
    assert_eq!(kept(&[filter(false, "load.py", &traces)]), unknown);
    assert_eq!(kept(&[filter(true, "<unknown>", &traces)]), unknown);
    assert_eq!(kept(&[all_frames(filter(false, "<unknown>", &traces))]).len(), 8);
    assert_eq!(kept(&[filter(true, "app.py", &traces)]), [0; 0]);
    assert_eq!(kept(&[all_frames(filter(true, "app.py", &traces))]).len(), 8);
    assert_eq!(kept(&[filter(true, "app.py", &traces), filter(true, "<unknown>", &traces)]), unknown);
    let in_domain =
        |inclusive, domain| TraceFilter { inclusive, frames: None, domain: Some(domain), is_young: false };
    assert_eq!(kept(&[in_domain(true, Some(389_047))]), [1000]);
    assert_eq!(kept(&[in_domain(false, Some(0))]), [1000]);
    assert_eq!(kept(&[in_domain(true, None)]), [0; 0]);
    assert_eq!(kept(&[in_domain(false, None)]), all);
    let both =
        |inclusive| TraceFilter { domain: Some(Some(389_047)), ..filter(inclusive, "load.py", &traces) };
    assert_eq!(kept(&[both(true)]), [1000]);
    assert_eq!(kept(&[both(false)]).len(), 9);
    let by_name = traces.filter_stacks(|frames| frames[0] == ("<unknown>", 0));
    assert_eq!(sizes(&by_name), unknown);
}

/// Account 0, `load`, has a young block of 10 and an old one of 20; account 1 `<lambda>` an old one; 2, below the same line but
/// deeper, has a young one of 7 GiB and freed all else; 3, with the stack of 0, and 4 have freed all.
fn aging() -> Recording {
    let mut new = Recording::new();
    let main = new.capture.thread("MainThread");
    let load = new.stack(main, &[APP, LOAD]);
    let lambda = new.stack(main, &[APP, LAMBDA]);
    let deep = new.stack(main, &[APP, APP, LOAD]);
    let other = new.stack(main, &[("other.py", "f", 1)]);
    new.account(load, &[20]);
    new.account(lambda, &[5]);
    for node in [deep, load, other] {
        new.account(node, &[]);
    }
    new.blocks.push(Block::new(0, 10, true));
    new.large.push(LargeBlock { account: 2, size: 7 << 30, count: 1, is_young: true });
    new.freed = [(1, 100), (2, 200), (4, 400), (8, 800), (16, 1600)].map(sum).to_vec();
    new
}

fn sum((count, bytes): (u64, u64)) -> Sum {
    Sum { bytes, count, temporary_bytes: bytes / 4 }
}

const YOUNG: TraceFilter = TraceFilter { inclusive: false, frames: None, domain: None, is_young: true };

#[test]
fn young_blocks_are_dropped_or_kept() {
    let traces = aging().read(10);
    assert_eq!(traces.young(), [false, false, true, true]);
    let inclusive = TraceFilter { inclusive: true, ..YOUNG };
    assert_eq!(sizes(&traces.filter(&[YOUNG])), [20, 5]);
    assert_eq!(sizes(&traces.filter(std::slice::from_ref(&inclusive))), [10, 7 << 30]);
    assert_eq!(sizes(&traces.filter(&[YOUNG, inclusive.clone()])), [0; 0]);
    assert_eq!(sizes(&traces.filter(&[YOUNG]).filter(&[YOUNG])), [20, 5]);
    assert_eq!(
        sizes(&traces.filter(&[inclusive]).filter(&[filter(true, "load.py", &traces)])),
        [10, 7 << 30]
    );
    // Young blocks of a file only.
    let of_file = TraceFilter { is_young: true, ..filter(false, "app.py", &traces) };
    assert_eq!(sizes(&traces.filter(&[of_file])).len(), 4);
    // One or the other.
    let either = [filter(true, "other.py", &traces), TraceFilter { inclusive: true, ..YOUNG }];
    assert_eq!(sizes(&traces.filter(&either)), [10, 7 << 30]);
    assert_eq!(traces.filter(&[YOUNG]).young(), [false, false]);
}

#[test]
fn samples_are_as_many_as_there_are_and_count_for_more() {
    let mut new = Recording::new();
    let main = new.capture.thread("MainThread");
    for (line, count) in [(1, 4), (2, 1), (3, 9)] {
        let node = new.stack(main, &[("app.py", "main", line)]);
        let account = new.account(node, &[]);
        new.large.push(LargeBlock { account, size: 1000 * u64::from(line), count, is_young: false });
    }
    let traces = new.read(10);
    assert_eq!((traces.len(), sizes(&traces)), (3, vec![1000, 2000, 3000]));
    let counts: Vec<u64> =
        traces.statistics(KeyType::Lineno, false).rows.iter().map(|row| row.count).collect();
    assert_eq!(counts, [9, 1, 4]);
    let last = traces.subset(&[false, false, true]);
    assert_eq!((last.len(), sizes(&last), last.duplicate().len()), (1, vec![3000], 1));
    assert_eq!(sizes(&traces.filter_stacks(|frames| frames[0].1 != 1)), [2000, 3000]);
}

fn freed(traces: &Traces, key_type: KeyType, cumulative: bool) -> Vec<(u64, Option<Sum>)> {
    let statistics = traces.statistics(key_type, cumulative);
    statistics.rows.iter().map(|row| (row.bytes, row.freed)).collect()
}

#[test]
fn what_is_freed_counts_for_groups_that_hold_something() {
    let traces = aging().read(10);
    let huge = 7 << 30;
    // All of `load.py:7`, whoever called it; `other.py` holds nothing.
    assert_eq!(freed(&traces, KeyType::Lineno, false), [(huge + 35, Some(sum((15, 1500))))]);
    assert_eq!(
        freed(&traces, KeyType::Function, false),
        [(huge + 30, Some(sum((13, 1300)))), (5, Some(sum((2, 200))))]
    );
    // Account 3 has the traceback of account 0.
    let by_traceback = [(huge, Some(sum((4, 400)))), (35, Some(sum((11, 1100))))];
    assert_eq!(freed(&traces, KeyType::Traceback, false), by_traceback);
    assert_eq!(freed(&traces, KeyType::Traceback, true), by_traceback);
    // Once per frame: the deep stack is twice in `app.py`.
    assert_eq!(
        freed(&traces, KeyType::Filename, true),
        [(2 * huge + 35, Some(sum((19, 1900)))), (huge + 35, Some(sum((15, 1500))))]
    );
    assert_eq!(freed(&traces, KeyType::Thread, false), [(huge + 35, Some(sum((31, 3100))))]);
}

#[test]
fn what_is_freed_is_filtered_by_stack() {
    let traces = aging().read(10);
    let by_line = |traces: &Traces| freed(traces, KeyType::Lineno, false);
    // Filters by age do not change what is freed of a stack.
    assert_eq!(by_line(&traces.filter(&[YOUNG])), [(25, Some(sum((15, 1500))))]);
    let old_deep = traces.filter(&[YOUNG]).filter_stacks(|frames| frames.len() == 3);
    assert_eq!(by_line(&old_deep), []);
    let shallow = traces.filter_stacks(|frames| frames.len() == 2);
    assert_eq!(by_line(&shallow), [(35, Some(sum((11, 1100))))]);
    assert_eq!(by_line(&traces.duplicate()), by_line(&traces));
    assert_eq!(by_line(&traces.filter(&[filter(false, "load.py", &traces)])), []);
    let both = [all_frames(filter(true, "app.py", &traces)), YOUNG];
    let threads = freed(&traces.filter(&both), KeyType::Thread, false);
    assert_eq!(threads, [(25, Some(sum((15, 1500))))]);
    // Single blocks were picked: no number of freed ones fits that.
    assert_eq!(by_line(&traces.subset(&[true; 4])), [(7 * (1 << 30) + 35, None)]);
    assert_eq!(freed(&sample().read(10), KeyType::Filename, false)[0].1, None);
}

#[test]
fn what_was_filtered_is_filtered_further() {
    let traces = sample().read(10);
    let once = traces.filter(&[filter(true, "load.py", &traces)]);
    let keep: Vec<bool> = sizes(&once).iter().map(|&size| size >= 100).collect();
    let twice = once.subset(&keep);
    assert_eq!(sizes(&twice), [100, 1000, 2000, 6 << 30]);
    assert_eq!(twice.statistics(KeyType::Lineno, false).rows[0].count, 4);
    // Half of the blocks of an account, then all accounts but one.
    let half = traces.subset(&[false, true, true]);
    assert_eq!(sizes(&half), [20, 5]);
    assert_eq!(sizes(&half.duplicate()), [20, 5]);
    assert_eq!(sizes(&half.filter_stacks(|_| false)), [0; 0]);
    assert_eq!(sizes(&twice.filter(&[filter(false, "app.py", &traces)])), sizes(&twice));
    assert_eq!(sizes(&traces).len(), 10);
}

#[test]
fn a_block_without_an_account_is_damage() {
    let mut recording = sample();
    recording.blocks.push(Block::new(9, 1, true));
    let image = recording.capture.build();
    let error = Traces::from_bytes(&image, recording.blocks, Vec::new(), None, 1).expect_err("damaged");
    assert_eq!(error.to_string(), "damaged: a block of account 9, which does not exist");
    assert!(Traces::from_bytes(&image[..100], Vec::new(), Vec::new(), None, 1).is_err());
    let none = Traces::from_bytes(&image, Vec::new(), Vec::new(), Some(vec![Sum::default(); 99]), 0);
    assert_eq!(none.expect("sound").len(), 0);
    let beyond = Traces::from_bytes(&image, vec![Block::new(u32::MAX, 1, false)], Vec::new(), None, 1);
    assert_eq!(
        beyond.expect_err("damaged").to_string(),
        "damaged: a block of account 2147483647, which does not exist"
    );
}

#[test]
fn patterns_mean_what_pythons_fnmatch_means() {
    for (pattern, matching, others) in [
        ("", &[""][..], &["a"][..]),
        ("*", &["", "a", "a/b"], &[]),
        ("a*c", &["ac", "abc", "abcc", "a/c"], &["acb", "bac"]),
        ("a*b*d", &["abd", "aabbd", "abdbd"], &["abc", "ad"]),
        ("**a", &["a", "bba"], &["ab"]),
        ("?.py", &["a.py", "ä.py", "/.py"], &[".py", "ab.py"]),
        ("[ab].py", &["a.py", "b.py"], &["c.py", "[ab].py"]),
        ("[!ab].py", &["c.py", "!.py"], &["a.py", ".py"]),
        ("[a-c]", &["a", "b", "c"], &["d", "-"]),
        ("[c-a]", &[], &["a", "b", "c", "-"]),
        ("[!c-a]", &["a", "-"], &[""]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[-a]", &["a", "-"], &["b"]),
        ("[]a]", &["]", "a"], &["[]a]"]),
        ("[!]a]", &["b"], &["]", "a"]),
        ("[]", &["[]"], &["a"]),
        ("[!]", &["[!]"], &["a"]),
        ("[a", &["[a"], &["a"]),
        ("a]", &["a]"], &["a"]),
        ("[a-c-e]", &["a", "b", "-", "e"], &["d"]),
        ("\\*", &["\\", "\\a"], &["*"]),
        ("[[]x", &["[x"], &["x"]),
        ("^a$", &["^a$"], &["a"]),
    ] {
        let compiled = Pattern::new(pattern);
        for text in matching {
            assert!(compiled.matches(text), "{pattern} {text}");
        }
        for text in others {
            assert!(!compiled.matches(text), "{pattern} {text}");
        }
    }
    assert!(Pattern::containing("app/").matches("/srv/app/x.py"));
    assert!(!Pattern::containing("app/*").matches("/srv/app/x.py"));
    assert!(Pattern::containing("a.py").matches("a.py"));
}
