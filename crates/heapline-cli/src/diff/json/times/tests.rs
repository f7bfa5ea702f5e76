//! The JSON difference of two times agrees with the report's changes, and with its reference page.

use heapline_analyze::{Filter, GroupBy, OrderBy};
use serde_json::Value;

use super::*;
use crate::argument::Period;
use crate::fixture;
use crate::time_point::TimePoint;

fn options(by: GroupBy) -> ReportOptions {
    let period = Period::Between(TimePoint::Part(0.5), TimePoint::Part(1.0));
    ReportOptions { by, period, order: OrderBy::LiveBytes, ..ReportOptions::default() }
}

fn diff(options: &ReportOptions) -> Value {
    let snapshot = fixture::snapshot(&fixture::service());
    let (from_ns, to_ns) = (50_000_000_000, 100_000_000_000);
    let interval = snapshot.interval(from_ns, to_ns, options.by, &options.filter);
    let times = Times { snapshot: &snapshot, from_ns, to_ns, interval: &interval };
    let mut out = Vec::new();
    super::super::write_times(&times, options, &mut out).expect("memory can be written to");
    serde_json::from_slice(&out).expect("JSON")
}

fn report(options: &ReportOptions) -> Value {
    let mut out = Vec::new();
    crate::json::write(&fixture::snapshot(&fixture::service()), options, &mut out).expect("memory");
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn changes_are_those_of_the_report() {
    for &by in GroupBy::ALL {
        let (diff, report) = (diff(&options(by)), report(&options(by)));
        let changes = &report["changes"];
        for key in ["from_ns", "to_ns", "resolution_ns", "exact"] {
            assert_eq!(diff["times"][key], changes[key], "{by} {key}");
        }
        let rows = |object: &Value, bytes: fn(&Value) -> &Value, count: fn(&Value) -> &Value| {
            let sites = object["sites"].as_array().expect("an array");
            let mut rows: Vec<String> = sites
                .iter()
                .map(|site| {
                    let name =
                        ["path", "line", "first_line", "function", "module", "thread", "frames", "below"];
                    let name: Vec<&Value> = name.iter().map(|key| &site[key]).collect();
                    format!("{name:?} {} {}", bytes(site), count(site))
                })
                .filter(|row| !row.ends_with(" 0 0"))
                .collect();
            rows.sort();
            rows
        };
        let of_diff = rows(&diff, |site| &site["change"]["live_bytes"], |site| &site["change"]["live_count"]);
        assert!(of_diff.len() > usize::from(by != GroupBy::Thread), "{by}");
        assert_eq!(of_diff, rows(changes, |site| &site["live_bytes"], |site| &site["live_count"]), "{by}");
    }
}

#[test]
fn sites_add_up_to_both_times_and_filters_do_not_change_totals() {
    let whole = diff(&options(GroupBy::Line));
    for side in ["before", "after", "change"] {
        let sites = whole["sites"].as_array().expect("an array").iter();
        let sum: i64 = sites.map(|site| site[side]["live_bytes"].as_i64().expect("a number")).sum();
        let total = if side == "change" { &whole[side] } else { &whole[side]["totals"] };
        assert_eq!(total["live_bytes"], sum, "{side}");
    }
    let filter = Filter::new(&["cache.py".to_owned()], &[]).expect("a glob");
    let filtered =
        diff(&ReportOptions { filter, filters: vec!["cache.py".into()], ..options(GroupBy::File) });
    assert_eq!(filtered["site_count"], 1);
    assert_eq!(filtered["change"], whole["change"]);
    assert_eq!(filtered["sites"][0]["change"]["live_bytes"], 0);
    assert_eq!(filtered["sites"][0]["before"]["allocated_bytes"], Value::Null);
}

#[test]
fn the_reference_names_every_key() {
    const PAGE: &str = include_str!("../../../../../../docs/reference/diff-json.md");
    let (_, section) = PAGE.split_once("\n## Two times of one capture\n").expect("a section");
    let section = section.split("\n## ").next().unwrap_or(section);
    let diff = diff(&options(GroupBy::Line));
    for key in diff["times"].as_object().expect("an object").keys() {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
    for key in ["times", "below", "live_bytes", "live_count", "rss_bytes"] {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
}
