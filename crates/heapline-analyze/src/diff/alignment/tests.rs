//! Versions of files, and which of their lines are the same.

use proptest::prelude::*;

use super::*;

fn name(number: u32) -> Name {
    // 9 stands for `<lambda>`.
    Name { number, is_common: number == 9 }
}

/// The points of functions, given as (name, first line, lines that ran).
fn points(functions: &[(u32, u32, &[u32])]) -> Vec<Point> {
    let mut points = Vec::new();
    for &(number, first_line, lines) in functions {
        let point =
            |line, is_line| Point { line, is_line, name: name(number), first_line, allocated: (0, 0) };
        points.push(point(first_line, false));
        points.extend(lines.iter().map(|&line| point(line, true)));
    }
    points.sort_unstable();
    points.dedup_by_key(|point| point.key());
    points
}

/// Lines before and after of all pairs of lines, in order.
fn lines(before: &[(u32, u32, &[u32])], after: &[(u32, u32, &[u32])]) -> Vec<(u32, u32)> {
    let (before, after) = (points(before), points(after));
    let pairs = align(&before, &after, &mut Budget::default());
    let exchanged = align(&after, &before, &mut Budget::default());
    let mut sorted: Vec<_> = exchanged.into_iter().map(|(after, before)| (before, after)).collect();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        {
            let mut pairs = pairs.clone();
            pairs.sort_unstable();
            pairs
        },
        "not symmetric"
    );
    let mut lines: Vec<_> = pairs
        .into_iter()
        .filter(|&(i, _)| before[i].is_line)
        .map(|(i, j)| (before[i].line, after[j].line))
        .collect();
    lines.sort_unstable();
    lines
}

const MODULE: u32 = 0;

#[test]
fn lines_inserted_at_the_top_move_everything() {
    let before: &[(u32, u32, &[u32])] = &[(MODULE, 1, &[3, 10, 20]), (1, 3, &[4, 6]), (2, 10, &[11, 12])];
    let after: &[(u32, u32, &[u32])] = &[(MODULE, 1, &[5, 12, 22]), (1, 5, &[6, 8]), (2, 12, &[13, 14])];
    let expected = [(3, 5), (4, 6), (6, 8), (10, 12), (11, 13), (12, 14), (20, 22)];
    assert_eq!(lines(before, after), expected);
}

#[test]
fn a_function_that_moved_by_one_line_is_not_matched_by_equal_lines() {
    let before: &[(u32, u32, &[u32])] = &[(1, 9, &[10, 11])];
    let after: &[(u32, u32, &[u32])] = &[(1, 10, &[11, 12])];
    assert_eq!(lines(before, after), [(10, 11), (11, 12)]);
}

#[test]
fn lines_inserted_within_a_function_move_what_is_below() {
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 5, 9]), (2, 20, &[21])];
    let after: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 4, 6, 10]), (2, 21, &[22])];
    assert_eq!(lines(before, after), [(3, 3), (5, 6), (9, 10), (21, 22)]);
    // At its very beginning, which equal lines would hide: the function below tells.
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 4, 5]), (2, 20, &[21])];
    let after: &[(u32, u32, &[u32])] = &[(1, 1, &[4, 5, 6]), (2, 21, &[22])];
    assert_eq!(lines(before, after), [(3, 4), (4, 5), (5, 6), (21, 22)]);
}

#[test]
fn lines_that_only_one_run_reached_are_not_taken_for_moved_ones() {
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 5, 9]), (2, 20, &[21, 30, 40])];
    let after: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 6, 9]), (2, 20, &[21, 31, 40])];
    assert_eq!(lines(before, after), [(3, 3), (9, 9), (21, 21), (40, 40)]);
    // Neither are lambdas of the same name.
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 40]), (9, 10, &[10]), (2, 50, &[51])];
    let after: &[(u32, u32, &[u32])] = &[(1, 1, &[3, 40]), (9, 12, &[12]), (2, 50, &[51])];
    assert_eq!(lines(before, after), [(3, 3), (40, 40), (51, 51)]);
}

/// The points of a function's lines, given as (line, allocations).
fn allocating(first_line: u32, lines: &[(u32, u64)]) -> Vec<Point> {
    let mut points = points(&[(1, first_line, &[])]);
    points.extend(lines.iter().map(|&(line, count)| Point {
        line,
        is_line: true,
        name: name(1),
        first_line,
        allocated: (count * 100 + 1, count),
    }));
    points
}

#[test]
fn a_line_that_was_moved_past_others_is_found_by_its_allocations() {
    let pairs = |before: &[Point], after: &[Point]| {
        let mut pairs = align(before, after, &mut Budget::default());
        let mut exchanged = align(after, before, &mut Budget::default());
        exchanged.iter_mut().for_each(|(i, j)| std::mem::swap(i, j));
        pairs.sort_unstable();
        exchanged.sort_unstable();
        assert_eq!(pairs, exchanged, "not symmetric");
        let of_lines = pairs.into_iter().filter(|&(i, _)| before[i].is_line);
        of_lines.map(|(i, j)| (before[i].line, after[j].line)).collect::<Vec<_>>()
    };
    let before = allocating(2, &[(3, 20), (4, 50)]);
    assert_eq!(pairs(&before, &allocating(8, &[(10, 50), (11, 20)])), [(3, 11), (4, 10)]);
    // Nothing else shows that the file was edited: these may be lines of the other run.
    let before = allocating(2, &[(3, 20), (5, 50), (9, 70)]);
    let after = allocating(2, &[(5, 50), (7, 20), (9, 70)]);
    assert_eq!(pairs(&before, &after), [(5, 5), (9, 9)]);
    // Few allocations are alike by chance.
    let before = allocating(2, &[(3, 2), (4, 50)]);
    assert_eq!(pairs(&before, &allocating(8, &[(10, 50), (11, 2)])), [(4, 10)]);
}

#[test]
fn lambdas_follow_what_is_around_them() {
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[2]), (9, 5, &[5]), (9, 10, &[10]), (2, 20, &[21])];
    let after: &[(u32, u32, &[u32])] =
        &[(1, 1, &[2]), (9, 5, &[5]), (9, 10, &[10]), (9, 15, &[15]), (2, 25, &[26])];
    assert_eq!(lines(before, after), [(2, 2), (5, 5), (10, 10), (21, 26)]);
    let after: &[(u32, u32, &[u32])] = &[(1, 6, &[7]), (9, 10, &[10]), (9, 15, &[15]), (2, 25, &[26])];
    assert_eq!(lines(before, after), [(2, 7), (5, 10), (10, 15), (21, 26)]);
}

#[test]
fn a_function_that_was_moved_past_others_is_found_by_name() {
    let before: &[(u32, u32, &[u32])] =
        &[(1, 10, &[12, 14]), (2, 20, &[21, 22]), (3, 30, &[31, 32]), (4, 40, &[41])];
    let after: &[(u32, u32, &[u32])] =
        &[(2, 10, &[11, 12]), (3, 20, &[21, 22]), (4, 30, &[31]), (1, 40, &[42, 44])];
    let expected = [(12, 42), (14, 44), (21, 11), (22, 12), (31, 21), (32, 22), (41, 31)];
    assert_eq!(lines(before, after), expected);
    // What begins in it goes with it.
    let before: &[(u32, u32, &[u32])] =
        &[(1, 10, &[12]), (9, 12, &[12, 13]), (2, 20, &[21, 22]), (3, 30, &[31])];
    let after: &[(u32, u32, &[u32])] =
        &[(2, 10, &[11, 12]), (3, 20, &[21]), (1, 40, &[42]), (9, 42, &[42, 43])];
    assert_eq!(lines(before, after), [(12, 42), (12, 42), (13, 43), (21, 11), (22, 12), (31, 21)]);
    // Unless the name leaves a doubt.
    let before: &[(u32, u32, &[u32])] = &[(9, 10, &[11]), (2, 20, &[21])];
    let after: &[(u32, u32, &[u32])] = &[(2, 10, &[11]), (9, 40, &[41])];
    assert_eq!(lines(before, after), [(21, 11)]);
}

#[test]
fn what_is_left_over_in_a_function_is_paired_in_order() {
    let last: &[(u32, u32, &[u32])] = &[(1, 1, &[12])];
    assert_eq!(lines(last, &[(1, 1, &[14])]), [(12, 14)]);
    assert_eq!(lines(last, &[(1, 1, &[14, 15])]), [(12, 14)]);
    assert_eq!(lines(last, &[(2, 1, &[14])]), []);
    // Between points that moved by different numbers of lines.
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[2, 5, 9]), (2, 20, &[21])];
    let after: &[(u32, u32, &[u32])] = &[(1, 1, &[2, 7, 14]), (2, 30, &[31])];
    assert_eq!(lines(before, after), [(2, 2), (5, 7), (9, 14), (21, 31)]);
}

#[test]
fn a_line_that_made_the_very_same_allocations_shows_what_was_inserted() {
    let before = points(&[(1, 14, &[15, 16])]);
    let after = points(&[(1, 10, &[11, 12, 13, 14])]);
    let pairs_of_lines = |before: &[Point], after: &[Point]| {
        let pairs = align(before, after, &mut Budget::default());
        pairs.iter().skip(1).map(|&(i, j)| (before[i].line, after[j].line)).collect::<Vec<_>>()
    };
    assert_eq!(pairs_of_lines(&before, &after), [(15, 11), (16, 12)]);
    let (mut told_before, mut told_after) = (before, after);
    told_before[2].allocated = (3_000_057, 2);
    told_after[3].allocated = (3_000_057, 2);
    assert_eq!(pairs_of_lines(&told_before, &told_after), [(15, 12), (16, 13)]);
    told_after[3].allocated = (3_000_057, 3);
    assert_eq!(pairs_of_lines(&told_before, &told_after), [(15, 11), (16, 12)]);
    // It does not outweigh what is around it.
    let record = |line: u32| {
        let mut points = points(&[(1, 1, &[5, line, 30]), (2, 40, &[])]);
        points[2].allocated = (1000, 1);
        points
    };
    assert_eq!(pairs_of_lines(&record(20), &record(22)), [(5, 5), (30, 30), (40, 40)]);
}

#[test]
fn unknown_lines_are_no_lines() {
    let before: &[(u32, u32, &[u32])] = &[(1, 1, &[0, 5])];
    let after: &[(u32, u32, &[u32])] = &[(1, 3, &[0, 7])];
    assert_eq!(lines(before, after), [(0, 0), (5, 7)]);
    assert_eq!(lines(&[(1, 1, &[0])], &[(1, 1, &[5])]), []);
}

#[test]
fn a_file_beyond_the_budget_is_paired_by_equal_lines() {
    let before = points(&[(1, 1, &[3, 5]), (2, 10, &[11, 12])]);
    let after = points(&[(1, 1, &[3, 6]), (2, 20, &[21, 22])]);
    let pairs = align(&before, &after, &mut Budget(0));
    let lines: Vec<_> = pairs.iter().map(|&(i, j)| (before[i].line, after[j].line)).collect();
    // What has moved past the end of the budget is paired in order, as it is the only one of its name.
    assert_eq!(lines, [(1, 1), (3, 3), (5, 6), (10, 20), (11, 21), (12, 22)]);
    let many: Vec<u32> = (1..5000).collect();
    let shifted: Vec<u32> = (2..5001).collect();
    let (before, after) = (points(&[(1, 1, &many)]), points(&[(1, 1, &shifted)]));
    let pairs = align(&before, &after, &mut Budget::default());
    assert!(pairs[1..].iter().all(|&(i, j)| before[i].line == after[j].line));
}

fn file() -> impl Strategy<Value = Vec<Point>> {
    let function = (0..10_u32, 0..40_u32, prop::collection::vec(0..60_u32, 0..6));
    let allocated = prop::collection::vec(0..3_u64, 40);
    (prop::collection::vec(function, 0..6), allocated).prop_map(|(functions, allocated)| {
        let functions: Vec<_> =
            functions.iter().map(|(name, first, lines)| (*name, *first, &lines[..])).collect();
        let mut points = points(&functions);
        for (point, allocated) in points.iter_mut().zip(allocated).filter(|(point, _)| point.is_line) {
            point.allocated = (allocated, allocated);
        }
        points
    })
}

proptest! {
    #[test]
    fn each_point_has_one_partner_of_its_kind_whichever_version_comes_first(
        before in file(),
        after in file(),
        budget in prop_oneof![Just(0), Just(u64::MAX)],
    ) {
        let pairs = align(&before, &after, &mut Budget(budget));
        for &(i, j) in &pairs {
            prop_assert!(may_pair(&before[i], &after[j]));
        }
        let unique = |mut indices: Vec<usize>| {
            let all = indices.len();
            indices.sort_unstable();
            indices.dedup();
            indices.len() == all
        };
        prop_assert!(unique(pairs.iter().map(|pair| pair.0).collect()));
        prop_assert!(unique(pairs.iter().map(|pair| pair.1).collect()));
        let mut exchanged: Vec<_> =
            align(&after, &before, &mut Budget(budget)).into_iter().map(|(j, i)| (i, j)).collect();
        exchanged.sort_unstable();
        let mut pairs = pairs;
        pairs.sort_unstable();
        prop_assert_eq!(pairs, exchanged);
    }

    #[test]
    fn a_file_that_moved_as_a_whole_is_matched_as_a_whole(before in file(), shift in 0..50_u32) {
        let named = before.iter().filter(|point| !point.is_line && !point.name.is_common).count();
        prop_assume!(named > 0 && before.iter().all(|point| point.line > 0));
        let mut after = before.clone();
        for point in &mut after {
            point.line += shift;
            point.first_line += shift;
        }
        let mut pairs = align(&before, &after, &mut Budget::default());
        pairs.sort_unstable();
        prop_assert_eq!(pairs, (0..before.len()).map(|index| (index, index)).collect::<Vec<_>>());
    }
}
