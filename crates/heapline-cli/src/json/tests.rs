//! Tests of the JSON report against its documented schema.

use heapline_analyze::{Filter, GroupBy, OrderBy};
use heapline_format::{LossKind, MetaKey, NodeKind, OVERHEAD_FLAG, SAMPLED_FLAG, State};
use serde_json::{Value, json};

use super::*;
use crate::fixture;

fn report(snapshot: &Snapshot, options: &ReportOptions) -> Value {
    let mut out = Vec::new();
    write(snapshot, options, &mut out).expect("a writer that does not fail");
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&out).expect("valid JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

const TREND: [&str; 4] = ["growth_bytes_per_s", "growth_margin_bytes_per_s", "growth_since_ns", "verdict"];

const MEASURES: [&str; 6] = [
    "allocated_bytes",
    "allocated_count",
    "high_water_mark_bytes",
    "high_water_mark_count",
    "live_bytes",
    "live_count",
];

#[test]
fn the_whole_report() {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    let node = capture.frame(thread, "/srv/venv/lib/python3.12/site-packages/docutils/nodes.py", "f\n", 1, 7);
    capture.count(node, 5_000_000, 50);
    capture.counters(node).allocated_bytes = 9_000_000;
    capture.lose(LossKind::ForkedChildren, 3);
    let expected = json!({
        "schema": "heapline-report/1",
        "process": {
            "program": "app.py",
            "arguments": ["app.py", "--fast"],
            "pid": 4242,
            "parent_pid": null,
            "python_version": "3.12.1",
            "implementation": "cpython",
            "executable": null,
            "working_directory": "/home/user/docs",
            "heapline_version": null,
            "allocator": "pymalloc",
            "frame_access": null,
            "free_lists": null,
            "recorded": [],
            "redacted": false,
            "started_unix_ns": 1_790_000_000_000_000_000_u64,
            "duration_ns": 12_400_000_000_u64,
            "status": "finished",
            "sampling_interval_bytes": null,
            "format_version": 1,
        },
        "sampling": null,
        "recorder": { "cpu_ns": null, "cpu_basis": null, "process_cpu_ns": null, "share": null, "bytes": null },
        "totals": {
            "live_bytes": 5_000_000,
            "live_count": 50,
            "high_water_mark_bytes": 5_000_000,
            "high_water_mark_count": 50,
            "allocated_bytes": 9_000_000,
            "allocated_count": 50,
            "temporary_bytes": null,
            "high_water_mark_ns": 9_800_000_000_u64,
            "high_water_mark_rss_bytes": 201_400_000,
            "high_water_mark_bias_bytes": 0,
            "start_rss_bytes": null,
            "rss_bytes": null,
            "max_rss_bytes": null,
            "stacks": 1,
            "folded_edges": 0,
            "dropped_bytes": 0,
            "dropped_count": 0,
            "pending_bytes": 0,
        },
        "lost": [{
            "kind": "forked_children",
            "count": 3,
            "description": "3 forked children, whose allocations are not in this capture",
        }],
        "timeline": {
            "resolution_ns": 0,
            "time_ns": [],
            "live_bytes": [],
            "live_count": [],
            "max_live_bytes": [],
            "rss_bytes": [],
        },
        "by": "line",
        "order": "high-water-mark",
        "filters": [],
        "site_count": 1,
        "sites": [{
            "file": "/srv/venv/lib/python3.12/site-packages/docutils/nodes.py",
            "path": "docutils/nodes.py",
            "module": "docutils.nodes",
            "origin": "site",
            "line": 7,
            "function": "f\n",
            "live_bytes": 5_000_000,
            "live_count": 50,
            "high_water_mark_bytes": 5_000_000,
            "high_water_mark_count": 50,
            "allocated_bytes": 9_000_000,
            "allocated_count": 50,
            "temporary_bytes": null,
            "verdict": null,
            "growth_bytes_per_s": null,
            "growth_margin_bytes_per_s": null,
            "growth_since_ns": null,
        }],
    });
    assert_eq!(report(&fixture::snapshot(&capture), &ReportOptions::default()), expected);
}

#[test]
fn every_grouping_has_its_keys() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let source = ["file", "module", "origin", "path"];
    for &by in GroupBy::ALL {
        let own: Vec<&str> = match by {
            GroupBy::Line => [&source[..], &["function", "line"]].concat(),
            GroupBy::Function => [&source[..], &["first_line", "function"]].concat(),
            GroupBy::File => source.to_vec(),
            GroupBy::Module => vec!["module", "origin"],
            GroupBy::Stack => vec!["frames", "thread"],
            GroupBy::Thread => vec!["thread"],
        };
        let mut expected = [&own[..], &MEASURES, &["temporary_bytes"], &TREND].concat();
        expected.sort_unstable();
        let report = report(&snapshot, &ReportOptions { by, ..ReportOptions::default() });
        assert_eq!(report["by"], by.as_str());
        let sites = report["sites"].as_array().expect("an array");
        assert!(sites.len() > 1);
        assert_eq!(report["site_count"], sites.len());
        for site in sites {
            let mut found = keys(site);
            found.sort_unstable();
            assert_eq!(found, expected);
        }
        // Groups divide what was allocated: nothing is lost, nothing counts twice.
        for measure in MEASURES {
            let sum: u64 = sites.iter().map(|site| site[measure].as_u64().expect("a number")).sum();
            assert_eq!(report["totals"][measure], sum, "{by} {measure}");
        }
    }
}

#[test]
fn stacks_hold_their_frames_most_recent_first() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let report =
        report(&snapshot, &ReportOptions { by: GroupBy::Stack, top: Some(1), ..ReportOptions::default() });
    let site = &report["sites"][0];
    assert_eq!(site["thread"], "MainThread");
    let lines: Vec<&Value> =
        site["frames"].as_array().expect("frames").iter().map(|frame| &frame["line"]).collect();
    assert_eq!(lines, [1402, 640, 641, 283, 351, 57, 64]);
    assert_eq!(keys(&site["frames"][0]).len(), 6);
}

#[test]
fn top_order_and_filters_choose_sites_but_not_totals() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let filters = vec!["docutils/*".to_owned()];
    let filter = Filter::new(&filters, &[]).expect("a glob");
    let order = OrderBy::Count;
    let options = ReportOptions { top: Some(2), order, filters, filter, ..ReportOptions::default() };
    let report = report(&snapshot, &options);
    assert_eq!(report["order"], "count");
    assert_eq!(report["filters"], json!(["docutils/*"]));
    assert_eq!(report["site_count"], 42);
    let sites = report["sites"].as_array().expect("an array");
    let counts: Vec<&Value> = sites.iter().map(|site| &site["allocated_count"]).collect();
    assert_eq!(counts, [212_004, 30_211]);
    assert_eq!(report["totals"]["live_bytes"], snapshot.totals().live_bytes);
}

#[test]
fn an_unfinished_sampled_recording_says_so() {
    let mut capture = fixture::builder();
    capture.header.state = State::Recording as u32;
    capture.header.flags |= SAMPLED_FLAG;
    capture.header.sampling_interval = 524_288;
    let report = report(&fixture::snapshot(&capture), &ReportOptions::default());
    assert_eq!(report["process"]["status"], "recording");
    assert_eq!(report["process"]["sampling_interval_bytes"], 524_288);
}

#[test]
fn estimates_have_errors() {
    let mut capture = fixture::sampled();
    capture.sample(4_000_000_000, 1_048_576);
    (capture.header.own_cpu_ns, capture.header.process_cpu_ns) = (3_000_000, 1_200_000_000);
    capture.header.own_bytes = 70_000;
    capture.header.most_overhead_ppm = 10_000;
    capture.header.flags |= OVERHEAD_FLAG;
    let snapshot = fixture::snapshot(&capture);
    let report = report(&snapshot, &ReportOptions::default());
    let intervals = json!([
        { "time_ns": 0, "interval_bytes": 524_288 },
        { "time_ns": 4_000_000_000_u64, "interval_bytes": 1_048_576 },
    ]);
    let expected = json!({
        "interval_bytes": 1_048_576,
        "widest_interval_bytes": 1_048_576,
        "sample_count": 282,
        "intervals": intervals,
        "max_overhead": 0.01,
        "max_overhead_out_of_reach": true,
    });
    assert_eq!(report["sampling"], expected);
    let expected = json!({
        "cpu_ns": 3_000_000,
        "cpu_basis": "samples",
        "process_cpu_ns": 1_200_000_000,
        "share": 0.0025,
        "bytes": 70_000,
    });
    assert_eq!(report["recorder"], expected);
    let site = &report["sites"][0];
    assert_eq!(
        site["high_water_mark_bytes_standard_error"], 5_691_731,
        "of 40, 19 and 2.2 MB in samples of 0.5 MB"
    );
    // Groups divide variances as they divide what was allocated.
    let squares = |key: &str| -> f64 {
        let sites = report["sites"].as_array().expect("an array").iter();
        sites.map(|site| site[key].as_f64().expect("a number").powi(2)).sum()
    };
    for measure in MEASURES {
        let key = format!("{measure}_standard_error");
        let total = report["totals"][&key].as_f64().expect("a number");
        assert!((squares(&key).sqrt() - total).abs() < 5.0, "{key}: {total}");
    }
    let bias = snapshot.totals().high_water_mark_bias_bytes;
    assert!(bias > 0 && report["totals"]["high_water_mark_bias_bytes"] == bias);
    let exact = fixture::snapshot(&fixture::builder());
    let exact = self::report(&exact, &ReportOptions::default()).to_string();
    assert!(!exact.contains("standard_error"), "exact numbers have no error");
}

#[test]
fn a_child_and_what_is_left_out_are_said() {
    let mut capture = fixture::builder();
    capture.meta(MetaKey::FreeLists, "first_site");
    capture.header.parent_pid = 4711;
    capture.header.folded_edges = 12;
    (capture.header.dropped_bytes, capture.header.dropped_count) = (u64::MAX, 34);
    capture.header.pending_bytes = (-56_i64).cast_unsigned();
    let report = report(&fixture::snapshot(&capture), &ReportOptions::default());
    assert_eq!(report["process"]["parent_pid"], 4711);
    assert_eq!(report["process"]["free_lists"], "first_site");
    let totals = &report["totals"];
    assert_eq!([&totals["folded_edges"], &totals["dropped_count"]], [12, 34]);
    assert_eq!(totals["dropped_bytes"], u64::MAX);
    assert_eq!(totals["pending_bytes"], -56);
}

#[test]
fn the_reference_names_every_key_and_loss() {
    const PAGE: &str = include_str!("../../../../docs/reference/report-json.md");
    let report = report(&fixture::snapshot(&fixture::sampled()), &ReportOptions::default());
    let section = |heading: &str| {
        let (_, rest) = PAGE.split_once(heading).unwrap_or_else(|| panic!("no section {heading}"));
        rest.split("\n## ").next().and_then(|rest| rest.split("\n### ").next()).unwrap_or(rest)
    };
    for (heading, object) in [
        ("\n## The object\n", &report),
        ("\n### `process`\n", &report["process"]),
        ("\n### `sampling`\n", &report["sampling"]),
        ("\n### `sampling`\n", &report["sampling"]["intervals"][0]),
        ("\n### `recorder`\n", &report["recorder"]),
        ("\n### `totals`\n", &report["totals"]),
        ("\n### `timeline`\n", &report["timeline"]),
        ("\n### An entry of `sites`\n", &report["sites"][0]),
    ] {
        for key in keys(object) {
            assert!(section(heading).contains(&format!("`{key}`")), "{heading} does not name {key}");
        }
    }
    for kind in LossKind::ALL.iter().copied().map(Some).chain([None]) {
        let name = format!("`\"{}\"`", Loss { kind, count: 1 }.name());
        assert!(section("\n### An entry of `lost`\n").contains(&name), "the page does not name {name}");
    }
}

#[test]
fn blocks_of_a_domain_are_counted_at_the_frame_that_announced_them() {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    let frame = capture.frame(thread, "/home/user/docs/app.py", "f", 1, 7);
    let domain = capture.label(frame, NodeKind::Domain, "389047");
    capture.count(frame, 100, 1);
    capture.count(domain, 1000, 2);
    let report = report(&fixture::snapshot(&capture), &ReportOptions::default());
    let sites = report["sites"].as_array().expect("a list");
    assert_eq!(sites.len(), 1);
    assert_eq!(
        (&sites[0]["line"], &sites[0]["live_bytes"], &sites[0]["live_count"]),
        (&json!(7), &json!(1100), &json!(3))
    );
    assert!(!report.to_string().contains("389047"));
}

#[test]
fn what_no_frame_can_be_named_for_has_the_same_keys() {
    let mut capture = fixture::empty();
    let node = capture.label(0, NodeKind::Unknown, "<no Python frame>");
    capture.count(node, 100, 1);
    let snapshot = fixture::snapshot(&capture);
    let site = &report(&snapshot, &ReportOptions::default())["sites"][0];
    assert_eq!(site["path"], "<no Python frame>");
    assert_eq!(site["origin"], "unknown");
    for key in ["file", "module", "line", "function"] {
        assert_eq!(site[key], Value::Null, "{key}");
    }
    let by_thread = ReportOptions { by: GroupBy::Thread, ..ReportOptions::default() };
    assert!(report(&snapshot, &by_thread)["sites"][0]["thread"].is_string());
}

#[test]
fn estimates_of_a_time_have_bounds_and_exact_numbers_none() {
    use crate::argument::Period;
    const BOUND: &str = "live_bytes_standard_error_bound";
    let at = Period::At("50%".parse().expect("a time"));
    let mut capture = fixture::service();
    let lists = |capture: &_, period, list: &str| {
        let options = ReportOptions { period, ..ReportOptions::default() };
        let report = report(&fixture::snapshot(capture), &options);
        let [object, rows] = match list {
            "changes" => ["changes", "sites"],
            _ => ["ages", "classes"],
        };
        report[object][rows].as_array().expect("a list").clone()
    };
    for (period, list) in [(at, "changes"), (Period::Ages, "ages")] {
        let rows = lists(&capture, period, list);
        assert!(!rows.is_empty() && rows.iter().all(|row| row.get(BOUND).is_none()), "{rows:?}");
    }
    capture.sample(0, 40_000);
    for (period, list) in [(at, "changes"), (Period::Ages, "ages")] {
        for row in lists(&capture, period, list) {
            let most = (40_000.0 * row["live_bytes"].as_f64().expect("bytes")).sqrt().round() as u64;
            let expected = if row["below"] == json!(true) { json!(null) } else { json!(most) };
            assert_eq!(row[BOUND], expected, "{row}");
        }
    }
}
