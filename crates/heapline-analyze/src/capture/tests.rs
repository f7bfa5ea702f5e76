//! Tests of the raw reader: whole, cut off, hostile captures.

use std::path::Path;

use heapline_format::NodeKind;

use super::*;
use crate::snapshot::Snapshot;
use crate::testing::SyntheticCapture;

fn image() -> Vec<u8> {
    let mut capture = SyntheticCapture::new();
    let thread = capture.thread("MainThread");
    let frame = capture.frame(thread, "/app.py", "main", 1, 2);
    capture.count(frame, 100, 1);
    capture.tick(Tick { live_bytes: 100, live_count: 1, max_live_bytes: 100, rss_bytes: 0, looks: 1 });
    capture.build()
}

fn refusal(image: &[u8]) -> String {
    let text = Snapshot::from_bytes(image).expect_err("not a sound capture").to_string();
    assert!(!text.contains('\n') && !text.is_empty());
    text
}

/// The image with some bytes replaced.
fn with(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image();
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
    image
}

fn header_field(name: &str) -> usize {
    Header::fields().iter().find(|(field, _)| *field == name).expect("a field of the header").1
}

/// Offset of a table's entry in the directory.
fn table(id: TableId) -> usize {
    TABLES_OFFSET + id as usize * TableHeader::BYTES
}

#[test]
fn a_capture_cut_anywhere_is_truncated() {
    let image = image();
    assert!(Snapshot::from_bytes(&image).is_ok());
    assert_eq!(refusal(&[]), "empty, not a heapline capture");
    for length in 1..image.len() {
        let text = refusal(&image[..length]);
        assert!(
            text.starts_with("truncated: ") && text.contains(&format!(": {length} bytes")),
            "{length}: {text}"
        );
    }
}

#[test]
fn other_files_are_not_captures() {
    assert_eq!(refusal(b"#!/usr/bin/env python\n"), "not a heapline capture");
    assert_eq!(refusal(b"HEAPLINX"), "not a heapline capture");
    assert_eq!(refusal(&vec![0; 100_000]), "not a heapline capture");
    assert_eq!(refusal(&vec![0xff; 100_000]), "not a heapline capture");
}

#[test]
fn other_versions_are_named() {
    let newer = with(header_field("version"), &7_u32.to_le_bytes());
    let expected = "made by a newer heapline (format 7, this one reads up to 1)";
    assert_eq!(refusal(&newer), expected);
    assert_eq!(refusal(&newer[..Header::BYTES]), expected, "however short it is");
    assert_eq!(
        refusal(&with(header_field("version"), &[0; 4])),
        "damaged: a header of 16384 bytes in format 0"
    );
}

#[test]
fn damage_to_the_header_is_named() {
    for (offset, bytes, expected) in [
        (header_field("state"), 3_u64, "damaged: unknown recording state 3"),
        (header_field("header_bytes"), 4096, "damaged: a header of 4096 bytes in format 1"),
        (header_field("extent_count"), 10_000, "damaged: 10000 extents, at most 640 fit"),
        (table(TableId::Nodes) + 8, 17, "damaged: records of 17 bytes in table Nodes, 8 expected"),
        (table(TableId::Places) + 8, 16, "damaged: records of 16 bytes in table Places, 12 expected"),
        (table(TableId::Accounts) + 8, 0, "damaged: records of 0 bytes in table Accounts, 16 expected"),
        (table(TableId::Ticks) + 8, 8, "damaged: records of 8 bytes in table Ticks, 40 expected"),
        (EXTENTS_OFFSET, 100, "damaged: no extent can lie at offset 100"),
        (EXTENTS_OFFSET, 4096, "damaged: no extent can lie at offset 4096"),
        (EXTENTS_OFFSET + 8, 4097, "damaged: no extent can lie at offset 16384"),
    ] {
        assert_eq!(refusal(&with(offset, &bytes.to_le_bytes()[..4])), expected);
    }
    let far = with(EXTENTS_OFFSET, &(u64::MAX - 4095).to_le_bytes());
    assert_eq!(refusal(&far), "damaged: an extent without end");
    let overlapping = with(EXTENTS_OFFSET, &(HEADER_BYTES as u64 + 4096).to_le_bytes());
    assert_eq!(refusal(&overlapping), "damaged: extents overlap");
    for id in [TableId::Counters, TableId::Accounts, TableId::Nodes, TableId::Places, TableId::Ticks] {
        for records in [1000, u64::MAX] {
            let text = refusal(&with(table(id), &records.to_le_bytes()));
            assert_eq!(text, format!("damaged: {records} records of table {id:?} do not fit its 4096 bytes"));
        }
    }
}

#[test]
fn unknown_tables_are_skipped() {
    let mut odd = image();
    let entry = TableHeader { records: u64::MAX, record_bytes: 3, reserved: 0 };
    for id in [0, TableId::Modules as usize, TableId::SideFiles as usize, 16, 31] {
        odd[TABLES_OFFSET + id * TableHeader::BYTES..][..TableHeader::BYTES].copy_from_slice(&entry.encode());
    }
    assert_eq!(Snapshot::from_bytes(&odd).expect("still sound").totals().live_bytes, 100);
}

#[test]
fn records_may_cross_from_one_extent_to_the_next() {
    let mut capture = SyntheticCapture::new();
    capture.extent_bytes = 4096;
    let thread = capture.thread("MainThread");
    let mut allocated = 0;
    for line in 1..1000 {
        let frame = capture.frame(thread, "/app.py", &format!("function_{line}"), line, line);
        capture.count(frame, u64::from(line), 1);
        allocated += u64::from(line);
    }
    let unknown = capture.label(0, NodeKind::Unknown, "<native thread>");
    capture.count(unknown, 1, 1);
    let snapshot = Snapshot::from_bytes(&capture.build()).expect("a sound capture");
    assert_eq!(snapshot.totals().live_bytes, allocated + 1);
    assert_eq!(snapshot.totals().stacks, 1000);
    // The unknown name, the file, 999 functions and two labels.
    assert_eq!(snapshot.tree.names.len(), 1003, "every string was read");
}

#[test]
fn files_read_as_memory_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.heapline");
    std::fs::write(&path, image()).expect("written");
    let mut calls = Vec::new();
    let snapshot =
        Snapshot::open_with_progress(&path, &mut |done, all| calls.push((done, all))).expect("sound");
    assert_eq!(snapshot.totals(), Snapshot::from_bytes(&image()).expect("sound").totals());
    assert!(calls.is_sorted() && calls.last().is_some_and(|(done, all)| done == all), "{calls:?}");
}

#[test]
fn what_is_no_file_is_named() {
    let open = |path: &Path| Snapshot::open(path).expect_err("no capture").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(open(directory.path()), "a directory, not a heapline capture");
    let missing = open(&directory.path().join("missing"));
    assert_eq!(missing, "cannot be read: no such file or directory");
    if Path::new("/dev/zero").exists() {
        assert_eq!(open(Path::new("/dev/zero")), "not a regular file");
    }
}
