//! Holds `docs/reference/capture-format.md` to the code: every record, area and enumeration that the page states.

use std::collections::BTreeMap;

use heapline_format::{
    Account, Birth, Code, Counters, Delta, EXTENTS_OFFSET, Extent, HEADER_BYTES, Header, Interval,
    LOST_OFFSET, LOST_SLOTS, LossKind, MAX_EXTENTS, Meta, MetaKey, Node, NodeKind, Outlived, Place, State,
    TABLES_OFFSET, TableHeader, TableId, Tick, VERSION, Variance,
};

const PAGE: &str = include_str!("../../../docs/reference/capture-format.md");

/// Cells of the rows of the first table under each `## ` or `### ` heading, without its header row.
///
/// A heading is known by the name in backticks in it: the section on records of `Node` is headed "### `Node`, ...".
fn tables() -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tables = BTreeMap::new();
    for section in PAGE.split("\n##").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let Some(name) = heading.split('`').nth(1) else { continue };
        let rows: Vec<Vec<String>> = body
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
            .collect();
        assert!(tables.insert(name.to_owned(), rows).is_none(), "two sections on {name}");
    }
    tables
}

/// Names and offsets of a record's fields, in order.
type Fields = &'static [(&'static str, usize)];

/// Offset, size and name of each field as the page has to state them.
fn layout(fields: &[(&str, usize)], bytes: usize) -> Vec<[String; 3]> {
    let ends = fields.iter().skip(1).map(|field| field.1).chain([bytes]);
    fields
        .iter()
        .zip(ends)
        .map(|((name, at), end)| [at.to_string(), (end - at).to_string(), (*name).into()])
        .collect()
}

#[test]
fn every_record_is_stated_as_it_is() {
    let tables = tables();
    let records: [(&str, Fields, usize); 14] = [
        ("Header", Header::fields(), Header::BYTES),
        ("TableHeader", TableHeader::fields(), TableHeader::BYTES),
        ("Extent", Extent::fields(), Extent::BYTES),
        ("Meta", Meta::fields(), Meta::BYTES),
        ("Code", Code::fields(), Code::BYTES),
        ("Place", Place::fields(), Place::BYTES),
        ("Node", Node::fields(), Node::BYTES),
        ("Account", Account::fields(), Account::BYTES),
        ("Counters", Counters::fields(), Counters::BYTES),
        ("Tick", Tick::fields(), Tick::BYTES),
        ("Delta", Delta::fields(), Delta::BYTES),
        ("Birth", Birth::fields(), Birth::BYTES),
        ("Variance", Variance::fields(), Variance::BYTES),
        ("Interval", Interval::fields(), Interval::BYTES),
    ];
    for (name, fields, bytes) in records {
        let rows = tables.get(name).unwrap_or_else(|| panic!("the page has no section on `{name}`"));
        let stated: Vec<[String; 3]> =
            rows.iter().map(|row| [row[0].clone(), row[1].clone(), row[2].clone()]).collect();
        assert_eq!(stated, layout(fields, bytes), "offset, size and field of `{name}`");
        for row in rows {
            assert!(!row[3].is_empty(), "`{name}.{}` has no meaning", row[2]);
        }
        let size = format!("`{name}`, {bytes} bytes");
        assert!(PAGE.contains(&size), "the heading does not say {size}");
    }
}

#[test]
fn the_areas_of_the_header_are_stated_as_they_are() {
    let areas = [
        (0, Header::BYTES),
        (LOST_OFFSET, LOST_SLOTS * size_of::<u64>()),
        (TABLES_OFFSET, EXTENTS_OFFSET - TABLES_OFFSET),
        (EXTENTS_OFFSET, MAX_EXTENTS * Extent::BYTES),
    ];
    let stated: Vec<(usize, usize)> = tables()["HEADER_BYTES"]
        .iter()
        .map(|row| (row[0].parse().expect("an offset"), row[1].parse().expect("a size")))
        .collect();
    assert_eq!(stated, areas);
    assert!(PAGE.contains(&format!("`HEADER_BYTES`, {HEADER_BYTES} bytes")));
    assert!(PAGE.contains(&format!("This page describes format version {VERSION}.")));
}

#[test]
fn growth_is_stated_as_it_is() {
    for (what, bytes) in [
        ("codes", Code::BYTES),
        ("places", Place::BYTES),
        ("nodes", Node::BYTES),
        ("accounts, and what is counted of them", Account::BYTES + Counters::BYTES + Outlived::BYTES),
    ] {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {what} | "))).expect(what);
        assert!(row.ends_with(&format!("; {bytes} bytes each |")), "{row}");
    }
    assert!(PAGE.contains(&format!("| ticks | nothing: at most 1,024, of {} bytes |", Tick::BYTES)));
}

/// The page's numbers and names of an enumeration.
fn stated_numbers(name: &str) -> Vec<(u32, String)> {
    let tables = tables();
    let rows = tables.get(name).unwrap_or_else(|| panic!("the page has no section on `{name}`"));
    rows.iter().map(|row| (row[0].parse().expect("a number"), row[1].clone())).collect()
}

#[test]
fn the_enumerations_are_stated_as_they_are() {
    let tables: Vec<_> = TableId::ALL.iter().map(|id| (*id as u32, format!("{id:?}"))).collect();
    assert_eq!(stated_numbers("TableId"), tables);
    let kinds: Vec<_> = NodeKind::ALL.iter().map(|kind| (*kind as u32, format!("{kind:?}"))).collect();
    assert_eq!(stated_numbers("NodeKind"), kinds);
    let losses: Vec<_> = LossKind::ALL.iter().map(|kind| (*kind as u32, format!("{kind:?}"))).collect();
    assert_eq!(stated_numbers("LossKind"), losses);
    let states: Vec<_> =
        (0..64).filter_map(State::from_u32).map(|state| (state as u32, format!("{state:?}"))).collect();
    assert_eq!(stated_numbers("State"), states);
}

#[test]
fn the_keys_are_stated_as_they_are() {
    let stated: Vec<String> = tables()["MetaKey"].iter().map(|row| row[0].clone()).collect();
    let keys: Vec<String> = MetaKey::ALL.iter().map(|key| key.as_str().to_owned()).collect();
    assert_eq!(stated, keys);
}
