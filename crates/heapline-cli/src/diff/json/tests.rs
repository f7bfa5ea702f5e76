//! Tests of the JSON difference against its documented schema.

use heapline_analyze::OrderBy;
use heapline_analyze::testing::SyntheticCapture;
use serde_json::{Value, json};

use super::*;
use crate::diff::tests::{churn, two_runs, two_sampled_runs};
use crate::fixture;

fn diff(options: &ReportOptions) -> Value {
    diff_of(&two_runs(), options)
}

fn diff_of(captures: &[SyntheticCapture; 2], options: &ReportOptions) -> Value {
    let [before, after] = captures.each_ref().map(fixture::snapshot);
    let mut out = Vec::new();
    write(&before, &after, options, &mut out).expect("a writer that does not fail");
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&out).expect("valid JSON")
}

fn by(by: GroupBy) -> ReportOptions {
    ReportOptions { by, order: OrderBy::LiveBytes, ..ReportOptions::default() }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_row_has_both_sides_and_the_change() {
    let diff = diff(&by(GroupBy::Line));
    assert_eq!(diff["schema"], "heapline-diff/1");
    assert_eq!((&diff["by"], &diff["order"]), (&json!("line"), &json!("live")));
    assert_eq!((&diff["site_count"], &diff["same_program"]), (&json!(6), &json!(true)));
    assert_eq!(diff["before"]["process"]["program"], "app.py");
    assert_eq!(diff["after"]["totals"]["live_bytes"], 59_383_510);
    assert_eq!(diff["change"]["live_bytes"], 59_383_510_i64 - 97_950_000);
    let sites = diff["sites"].as_array().expect("an array");
    let statuses: Vec<&Value> = sites.iter().map(|site| &site["status"]).collect();
    assert_eq!(statuses, ["gone", "matched", "moved", "new", "matched", "new"]);
    let measures = |bytes: i64, count: i64| {
        json!({
            "live_bytes": bytes,
            "live_count": count,
            "high_water_mark_bytes": bytes,
            "high_water_mark_count": count,
            "allocated_bytes": bytes,
            "allocated_count": count,
            "temporary_bytes": null,
        })
    };
    let expected = json!({
        "status": "moved",
        "file": "/home/user/docs/app.py",
        "path": "app.py",
        "module": "app",
        "origin": "program",
        "line": 35,
        "function": "load_glossary",
        "before_line": 31,
        "before": measures(9_950_000, 12),
        "after": measures(13_950_000, 12),
        "change": measures(4_000_000, 0),
        "within_error": false,
    });
    assert_eq!(sites[2], expected);
    assert_eq!((&sites[0]["before_line"], &sites[0]["line"]), (&Value::Null, &json!(1713)));
    assert_eq!(sites[0]["change"]["allocated_count"], -91_455);
    assert_eq!(sites[3]["before"], measures(0, 0));
}

#[test]
fn every_grouping_has_its_keys() {
    const SOURCE: [&str; 4] = ["file", "module", "origin", "path"];
    for &grouping in GroupBy::ALL {
        let own: Vec<&str> = match grouping {
            GroupBy::Line => [&SOURCE[..], &["function", "line", "before_line"]].concat(),
            GroupBy::Function => [&SOURCE[..], &["first_line", "function", "before_first_line"]].concat(),
            GroupBy::File => SOURCE.to_vec(),
            GroupBy::Module => vec!["module", "origin"],
            GroupBy::Stack => vec!["frames", "thread", "before_frames"],
            GroupBy::Thread => vec!["thread"],
        };
        let mut expected = [&own[..], &["status", "before", "after", "change", "within_error"]].concat();
        expected.sort_unstable();
        let diff = diff(&by(grouping));
        for site in diff["sites"].as_array().expect("an array") {
            assert_eq!(keys(site), expected, "{grouping}");
        }
        // Rows divide what changed: nothing is lost, nothing counts twice.
        for measure in keys(&diff["change"]) {
            if measure == "temporary_bytes" {
                assert_eq!(diff["change"][measure], Value::Null, "these captures do not tell");
                continue;
            }
            let sites = diff["sites"].as_array().expect("an array").iter();
            let sum: i64 = sites.map(|site| site["change"][measure].as_i64().expect("a number")).sum();
            assert_eq!(diff["change"][measure], sum, "{grouping} {measure}");
        }
    }
}

#[test]
fn stacks_hold_their_frames_of_both_sides() {
    let diff = diff(&ReportOptions { top: Some(2), ..by(GroupBy::Stack) });
    let sites = diff["sites"].as_array().expect("an array");
    assert_eq!(sites.len(), 2);
    let lines = |frames: &Value| -> Vec<Value> {
        frames.as_array().expect("frames").iter().map(|frame| frame["line"].clone()).collect()
    };
    assert_eq!((&sites[0]["status"], &sites[0]["before_frames"]), (&json!("gone"), &Value::Null));
    assert_eq!(lines(&sites[0]["frames"]), [1713, 57, 64]);
    assert_eq!(sites[1]["status"], "moved");
    assert_eq!(lines(&sites[1]["frames"]), [1402, 61, 68]);
    assert_eq!(lines(&sites[1]["before_frames"]), [1402, 57, 64]);
}

#[test]
fn differences_of_estimates_have_errors() {
    let diff = diff_of(&two_sampled_runs(), &by(GroupBy::Line));
    assert_eq!(diff["before"]["sampling"]["interval_bytes"], 524_288);
    let within: Vec<_> =
        diff["sites"].as_array().expect("an array").iter().map(|site| &site["within_error"]).collect();
    assert_eq!(within, [false, false, true, true, true, true], "sorted by size");
    let moved = &diff["sites"][2];
    // 9.95 MB in 18 samples and 13.95 MB in 26.
    assert_eq!(moved["before"]["live_bytes_standard_error"], 2_345_237);
    assert_eq!(moved["after"]["live_bytes_standard_error"], 2_735_820);
    assert_eq!(moved["change"]["live_bytes_standard_error"], 3_603_450);
    // 24.7 MB in 47 samples, and no sample afterwards: at most as uncertain as 24.7 MB in samples of 512 KiB.
    assert_eq!(diff["sites"][0]["status"], "gone");
    assert_eq!(diff["sites"][0]["change"]["live_bytes_standard_error"], 5_092_205);
    assert!(diff["within_error"] == false && diff["change"]["live_bytes_standard_error"].is_u64());
    let exact = self::diff(&by(GroupBy::Line));
    assert!(!exact.to_string().contains("standard_error") && exact["before"]["sampling"].is_null());
}

#[test]
fn an_exact_recording_adds_no_error() {
    let ([exact, _], [_, sampled]) = (two_runs(), two_sampled_runs());
    let diff = diff_of(&[exact, sampled], &by(GroupBy::Line));
    let moved = &diff["sites"][2];
    assert_eq!(moved["change"]["live_bytes_standard_error"], moved["after"]["live_bytes_standard_error"]);
    assert!(moved["before"]["live_bytes_standard_error"].is_null());
    assert_eq!((&diff["before"]["sampling"], &moved["within_error"]), (&Value::Null, &json!(true)));
}

#[test]
fn zeros_of_a_sampled_recording_have_errors_measure_by_measure() {
    let diff = diff_of(&churn(), &by(GroupBy::Line));
    let site = &diff["sites"][0];
    assert_eq!((&site["status"], &site["after"]["live_bytes"]), (&json!("matched"), &json!(0)));
    for change in [&site["change"], &diff["change"]] {
        // The roots of 512 KiB times 300 kB, and of 300² / 300 kB times 512 KiB.
        assert_eq!(change["live_bytes_standard_error"], 396_593);
        assert_eq!(change["live_count_standard_error"], 397);
        // 20 MB in 38 samples.
        assert_eq!(change["allocated_bytes_standard_error"], 3_244_428);
    }
    assert_eq!([&site["within_error"], &diff["within_error"]], [&json!(true), &json!(true)]);
}

#[test]
fn the_reference_names_every_key() {
    const PAGE: &str = include_str!("../../../../../docs/reference/diff-json.md");
    let section = |heading: &str| {
        let (_, rest) = PAGE.split_once(heading).unwrap_or_else(|| panic!("no section {heading}"));
        rest.split("\n## ").next().and_then(|rest| rest.split("\n### ").next()).unwrap_or(rest)
    };
    for &grouping in GroupBy::ALL {
        let diff = diff_of(&two_sampled_runs(), &by(grouping));
        for (heading, object) in [
            ("\n## The object\n", &diff),
            ("\n### `before` and `after`\n", &diff["before"]),
            ("\n### An entry of `sites`\n", &diff["sites"][0]),
            ("\n### `change`\n", &diff["change"]),
        ] {
            for key in keys(object) {
                assert!(section(heading).contains(&format!("`{key}`")), "{heading} does not name {key}");
            }
        }
        for status in ["new", "gone", "moved", "matched"] {
            assert!(section("\n### An entry of `sites`\n").contains(&format!("`\"{status}\"`")));
        }
    }
}
