//! Reports as pictures: the expected text is what a reader sees.

use heapline_analyze::testing::SyntheticCapture;
use heapline_analyze::{Filter, GroupBy};
use heapline_format::MetaKey;

use super::*;
use crate::fixture;
use crate::text::width;

pub(super) fn terminal(columns: usize, unicode: bool, colour: bool) -> Terminal {
    Terminal { width: Some(columns), colour, unicode, err_is_terminal: false }
}

pub(super) fn report(capture: &SyntheticCapture, options: &ReportOptions, terminal: &Terminal) -> String {
    render(&fixture::snapshot(capture), options, terminal, None)
}

fn by(by: GroupBy, top: usize) -> ReportOptions {
    ReportOptions { by, top: Some(top), ..ReportOptions::default() }
}

fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[track_caller]
pub(super) fn assert_shows(shown: &str, expected: &str) {
    assert_eq!(shown, expected.strip_prefix('\n').unwrap_or(expected), "\n{shown}");
}

#[test]
fn eighty_columns_of_ascii() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let options = ReportOptions { top: Some(5), ..ReportOptions::default() };
    let shown = render(&snapshot, &options, &Terminal::plain(), Some(Path::new("app.heapline")));
    assert_shows(
        &shown,
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations

At the high-water mark, by line
     size  share   blocks
  61.3 MB   41 %  212,004  pkg docutils/nodes.py:1402  Node.deepcopy
  24.7 MB   17 %   91,455  std pickle.py:1713  _Unpickler.load_build
  14.8 MB   10 %   30,211  pkg docutils/statemachine.py:1052  __init__
  10.0 MB    7 %       12  app app.py:31  load_glossary
   6.1 MB    4 %   40,128  std json/decoder.py:353  JSONDecoder.raw_decode
  31.2 MB   21 %   84,398      ... and 45 more lines

Who called the biggest
  61.3 MB  100 %  pkg docutils/nodes.py:1402  Node.deepcopy
  40.1 MB   65 %  pkg |- sphinx/environment/__init__.py:640  get_doctree
                  pkg |  sphinx/builders/__init__.py:641  Builder.read_doc
                      |  ... 2 frames ...
                  app |  app.py:57  main
                  app |  app.py:64  <module>
  19.0 MB   31 %  pkg |- sphinx/.../adapters/toctree.py:183  _resolve_toctree
                  pkg |  sphinx/builders/html/__init__.py:702  write_doc
                      |  ... 2 frames ...
                  app |  app.py:57  main
                  app |  app.py:64  <module>
   2.2 MB    4 %  app `- app.py:57  main
                  app    app.py:64  <module>

more: heapline report app.heapline --by function  (options: --help)
",
    );
}

#[test]
fn eighty_columns_of_unicode() {
    assert_shows(
        &report(&fixture::builder(), &by(GroupBy::File, 4), &terminal(80, true, false)),
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations

At the high-water mark, by file
     size  share   blocks
  61.3 MB   41 %  212,004  pkg docutils/nodes.py
  24.7 MB   17 %   91,455  std pickle.py
  18.8 MB   13 %   40,000  pkg docutils/parsers/rst/states.py
  14.8 MB   10 %   30,211  pkg docutils/statemachine.py
  28.5 MB   19 %   84,538      … and 6 more files

Inside the biggest, and who called that
  61.3 MB  100 %  pkg docutils/nodes.py
                  pkg docutils/nodes.py:1402  Node.deepcopy
  40.1 MB   65 %  pkg ├─ sphinx/environment/__init__.py:640  get_doctree
                  pkg │  sphinx/builders/__init__.py:641  Builder.read_doc
                      │  … 2 frames …
                  app │  app.py:57  main
                  app │  app.py:64  <module>
  19.0 MB   31 %  pkg ├─ sphinx/…/adapters/toctree.py:183  _resolve_toctree
                  pkg │  sphinx/builders/html/__init__.py:702  write_doc
                      │  … 2 frames …
                  app │  app.py:57  main
                  app │  app.py:64  <module>
   2.2 MB    4 %  app └─ app.py:57  main
                  app    app.py:64  <module>
",
    );
}

#[test]
fn names_stand_in_columns_where_there_is_room() {
    assert_shows(&report(&fixture::builder(), &by(GroupBy::Line, 9), &terminal(120, true, false)), "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB) | at the end 148.1 MB | 458,208 allocations

At the high-water mark, by line
     size  share               blocks
  61.3 MB   41 %  ████▏       212,004  pkg docutils/nodes.py:1402                        Node.deepcopy
  24.7 MB   17 %  █▋           91,455  std pickle.py:1713                                _Unpickler.load_build
  14.8 MB   10 %  █            30,211  pkg docutils/statemachine.py:1052                 StringList.__init__
  10.0 MB    7 %  ▋                12  app app.py:31                                     load_glossary
   6.1 MB    4 %  ▍            40,128  std json/decoder.py:353                           JSONDecoder.raw_decode
   4.0 MB    3 %  ▎             9,140  pkg sphinx/util/nodes.py:417                      clean_astext
   3.3 MB    2 %  ▎             1,104  pkg jinja2/environment.py:1295                    Template.render
   3.0 MB    2 %  ▎            31,077  std importlib/_bootstrap_external.py:729          _compile_bytecode
   2.0 MB    1 %  ▏             3,000  app plugins/glossary/very/deep/inside/terms.py:8  Terms.<locals>.visit
  18.9 MB   13 %               40,077      … and 41 more lines

Who called the biggest
  61.3 MB  100 %  pkg docutils/nodes.py:1402  Node.deepcopy
  40.1 MB   65 %  pkg ├─ sphinx/environment/__init__.py:640  BuildEnvironment.get_doctree
                  pkg │  sphinx/builders/__init__.py:641  Builder.read_doc
                      │  … 2 frames …
                  app │  app.py:57  main
                  app │  app.py:64  <module>
  19.0 MB   31 %  pkg ├─ sphinx/environment/adapters/toctree.py:183  _resolve_toctree
                  pkg │  sphinx/builders/html/__init__.py:702  StandaloneHTMLBuilder.write_doc
                      │  … 2 frames …
                  app │  app.py:57  main
                  app │  app.py:64  <module>
   2.2 MB    4 %  app └─ app.py:57  main
                  app    app.py:64  <module>
");
}

#[test]
fn few_columns_are_enough() {
    assert_shows(
        &report(&fixture::builder(), &by(GroupBy::Line, 3), &terminal(44, true, false)),
        "
heapline: app.py, 12.4 s, exact, nothing
  lost
high-water mark 148.1 MB of Python memory at
  9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations

At the high-water mark, by line
     size  share
  61.3 MB   41 %  …/nodes.py:1402  deepcopy
  24.7 MB   17 %  pickle.py:1713  load_build
  14.8 MB   10 %  …machine.py:1052  __init__
  47.3 MB   32 %  … and 47 more lines

Who called the biggest
  61.3 MB  100 %  …/nodes.py:1402  deepcopy
  40.1 MB   65 %  ├─ …nit__.py:640  …doctree
                  │  …nit__.py:641  read_doc
                  │  … 2 frames …
                  │  app.py:57  main
                  │  app.py:64  <module>
  19.0 MB   31 %  ├─ …ctree.py:183  …toctree
                  │  …nit__.py:702  …ite_doc
                  │  … 2 frames …
                  │  app.py:57  main
                  │  app.py:64  <module>
   2.2 MB    4 %  └─ app.py:57  main
                     app.py:64  <module>
",
    );
}

#[test]
fn stacks_list_their_callers() {
    let shown = report(&fixture::builder(), &by(GroupBy::Stack, 2), &terminal(80, true, false));
    assert_shows(
        &shown,
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations

At the high-water mark, by stack
     size  share   blocks
  40.1 MB   27 %  140,002  pkg docutils/nodes.py:1402  Node.deepcopy
                           pkg sphinx/environment/__init__.py:640  get_doctree
                           pkg sphinx/builders/__init__.py:641  Builder.read_doc
                           pkg sphinx/builders/__init__.py:283  build_all
                           pkg sphinx/application.py:351  Sphinx.build
                               … 2 more callers
  24.7 MB   17 %   91,455  std pickle.py:1713  _Unpickler.load_build
                           pkg sphinx/builders/__init__.py:641  Builder.read_doc
                           pkg sphinx/builders/__init__.py:283  build_all
                           pkg sphinx/application.py:351  Sphinx.build
                           app app.py:57  main
                               … 1 more caller
  83.3 MB   56 %  226,751      … and 50 more stacks
",
    );
}

#[test]
fn threads_are_opened() {
    let shown = report(&fixture::builder(), &by(GroupBy::Thread, 2), &terminal(80, true, false));
    assert_shows(
        &shown,
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 148.1 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 148.1 MB | 458,208 allocations

At the high-water mark, by thread
      size  share   blocks
  148.0 MB  >99 %  458,131  MainThread
  123.5 kB   <1 %       77  worker

Inside the biggest, and who called that
  148.0 MB  100 %      MainThread
   61.3 MB   41 %  pkg ├─ docutils/nodes.py:1402  Node.deepcopy
   40.1 MB   27 %  pkg │  sphinx/environment/__init__.py:640  get_doctree
                       │  … 3 frames …
                   app │  app.py:57  main
                   app │  app.py:64  <module>
   24.7 MB   17 %  std ├─ pickle.py:1713  _Unpickler.load_build
                   pkg │  sphinx/builders/__init__.py:641  Builder.read_doc
                       │  … 2 frames …
                   app │  app.py:57  main
                   app │  app.py:64  <module>
   62.0 MB   42 %      └─ … others
",
    );
}

#[test]
fn colour_changes_nothing_but_colour() {
    let snapshot = fixture::snapshot(&fixture::builder());
    for &by in GroupBy::ALL {
        let options = ReportOptions { by, ..ReportOptions::default() };
        let coloured = render(&snapshot, &options, &terminal(80, true, true), None);
        let plain = render(&snapshot, &options, &terminal(80, true, false), None);
        assert_eq!(without_escapes(&coloured), plain);
        assert!(!plain.contains('\x1b'));
        for escape in coloured.split('\x1b').skip(1) {
            assert!(
                ["[0m", "[1m", "[2m", "[33m", "[36m"].iter().any(|known| escape.starts_with(known)),
                "{escape:?}"
            );
        }
    }
    let coloured = render(&snapshot, &ReportOptions::default(), &terminal(80, true, true), None);
    assert!(coloured.contains("\x1b[1mapp.py:31\x1b[0m  load_glossary"), "own code is bold");
    assert!(coloured.contains("\x1b[2mpickle.py:1713\x1b[0m"), "the standard library is faint");
    assert!(coloured.contains("\x1b[1mAt the high-water mark, by line\x1b[0m\n"), "a heading is one span");
}

#[test]
fn every_width_is_kept() {
    let snapshot = fixture::snapshot(&fixture::builder());
    for columns in 40..=200 {
        for unicode in [false, true] {
            for &by in GroupBy::ALL {
                let options = ReportOptions { by, ..ReportOptions::default() };
                let shown = render(&snapshot, &options, &terminal(columns, unicode, false), None);
                assert!(unicode || shown.is_ascii());
                for line in shown.lines() {
                    assert!(width(line) <= columns, "{columns}: {line:?}");
                    assert_eq!(line, line.trim_end());
                }
            }
        }
    }
}

#[test]
fn the_command_that_shows_the_capture_is_never_wrapped() {
    let snapshot = fixture::snapshot(&fixture::empty());
    let name = "heapline-documentation.py-12345-20261123T005100.heapline";
    let shown = render(&snapshot, &ReportOptions::default(), &Terminal::plain(), Some(Path::new(name)));
    let command = format!("\nmore: heapline report {name} --by function\n");
    assert!(shown.ends_with(&command), "{shown}");
    let by_function = render(&snapshot, &by(GroupBy::Function, 1), &Terminal::plain(), Some(Path::new("x")));
    assert!(
        by_function.ends_with("\nmore: heapline report x --by file  (options: --help)\n"),
        "{by_function}"
    );
}

#[test]
fn objects_that_python_reuses_are_explained_at_the_end() {
    let note = "reused floats, tuples, lists... stand at the line that first used their memory\n";
    let end = |capture: &SyntheticCapture, name| {
        let shown = render(&fixture::snapshot(capture), &by(GroupBy::Line, 1), &Terminal::plain(), name);
        assert_eq!(shown.matches("reused").count(), usize::from(shown.contains(note)), "once: {shown}");
        shown.split("\n\n").skip(3).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut capture = fixture::builder();
    let more = "more: heapline report x --by function  (options: --help)\n";
    capture.meta(MetaKey::FreeLists, "first_site");
    assert_eq!(end(&capture, None), [note]);
    assert_eq!(end(&capture, Some(Path::new("x"))), [note.trim_end(), more]);
    let snapshot = fixture::snapshot(&capture);
    let group = &snapshot.statistics(GroupBy::Line, OrderBy::LiveBytes, &Filter::default())[0].group;
    let callers = render_callers(&snapshot, group, &ReportOptions::default(), &Terminal::plain());
    assert!(callers.ends_with(&format!("\n\n{note}")), "{callers}");

    let mut seen = fixture::builder();
    seen.meta(MetaKey::FreeLists, "seen");
    assert_eq!(end(&seen, Some(Path::new("x"))), [more]);
    let mut nothing = fixture::empty();
    nothing.meta(MetaKey::FreeLists, "first_site");
    assert!(!report(&nothing, &ReportOptions::default(), &Terminal::plain()).contains("reused"));
}

#[test]
fn the_number_of_rows_changes_no_column() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let layout = |by, columns, top| {
        let options = ReportOptions { top: Some(top), by, ..ReportOptions::default() };
        let shown = render(&snapshot, &options, &terminal(columns, true, false), None);
        let line = |part: &str| shown.lines().find(|line| line.contains(part)).expect("a line").to_owned();
        let headings: Vec<String> = line("share").split_whitespace().map(str::to_owned).collect();
        let biggest = line("61.3 MB   41 %");
        // Headings; bars; marks; functions in a column of their own.
        (headings, biggest.contains('█'), biggest.contains(" pkg "), biggest.contains("1402   "))
    };
    for columns in 40..=200 {
        for by in [GroupBy::Line, GroupBy::File, GroupBy::Module] {
            let all = layout(by, columns, usize::MAX);
            for top in [3, 8, 20] {
                assert_eq!(layout(by, columns, top), all, "{columns} {by} {top}");
            }
            assert_eq!(all.1, columns >= 100, "{columns}");
        }
    }
}

#[test]
fn filters_are_named_and_what_they_leave_is_summed() {
    let filters = vec!["docutils/*".to_owned()];
    let filter = Filter::new(&filters, &[]).expect("a glob");
    let options = ReportOptions { filters, filter, top: Some(1), ..ReportOptions::default() };
    let shown = report(&fixture::builder(), &options, &Terminal::plain());
    let list: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("At the")).take(4).collect();
    assert_shows(
        &list.join("\n"),
        "
At the high-water mark, by line, filtered by 'docutils/*': 94.9 MB of 148.1 MB
     size  share   blocks
  61.3 MB   41 %  212,004  pkg docutils/nodes.py:1402  Node.deepcopy
  33.6 MB   23 %   70,211      ... and 41 more lines",
    );

    let filter = Filter::new(&["nowhere/*".to_owned()], &[]).expect("a glob");
    let options =
        ReportOptions { filters: vec!["nowhere/*\x1b[2J".to_owned()], filter, ..ReportOptions::default() };
    let shown = report(&fixture::builder(), &options, &Terminal::plain());
    assert!(
        shown.ends_with("filtered by 'nowhere/*\\x1b[2J': 0 B of 148.1 MB\n  nothing matches\n"),
        "{shown}"
    );
}

#[test]
fn every_order_says_what_it_is_about() {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    let node = capture.frame(thread, "/home/user/docs/app.py", "main", 1, 2);
    capture.count(node, 5_000_000, 50);
    let counters = capture.counters(node);
    (counters.live_bytes, counters.live_count) = (2_000, 1);
    counters.epoch = 1;
    capture.freed(node, 85_000_000, 950, 9_998_000);
    (capture.account(node).saved_bytes, capture.account(node).saved_count) = (5_000_000, 50);
    let list = |order, capture: &SyntheticCapture| {
        let options = ReportOptions { order, ..ReportOptions::default() };
        let shown = report(capture, &options, &Terminal::plain());
        shown.split_once("\n\n").expect("a list").1.to_owned()
    };
    let lists: String = OrderBy::ALL.iter().map(|&order| list(order, &capture)).collect();
    assert_shows(
        &lists,
        "
Live at the end, by line
    size  share  blocks
  2.0 kB  100 %       1  app app.py:2  main
At the high-water mark, by line
    size  share  blocks
  5.0 MB  100 %      50  app app.py:2  main
Bytes allocated in the whole run, by line
     size  share  allocations
  90.0 MB  100 %        1,000  app app.py:2  main
Allocations in the whole run, by line
  allocations  share     size
        1,000  100 %  90.0 MB  app app.py:2  main
Bytes freed in the tick of their allocation, by line
     size  share       of
  80.0 MB  100 %  90.0 MB  app app.py:2  main
",
    );
    let heading = report(&capture, &ReportOptions::default(), &Terminal::plain());
    assert!(heading.contains("1,000 allocations | 89 % of 90.0 MB temporary\n"), "{heading}");

    capture.counters(node).live_bytes = 0;
    assert_shows(
        &list(OrderBy::LiveBytes, &capture),
        "
Live at the end, by line
  nothing: all of it was freed
",
    );
}

#[test]
fn hostile_names_reach_the_terminal_escaped() {
    let mut capture = fixture::empty();
    let thread = capture.thread("evil\x1b]0;title\x07thread");
    let outer = capture.frame(thread, "/home/user/docs/line\nbreak.py", "outer\u{202e}", 1, 2);
    let node = capture.frame(outer, "/home/user/docs/模块.py", "\x1b[31mred\r\u{9b}2J", 1, 2);
    capture.count(node, 5_000_000, 50);
    capture.meta(MetaKey::Program, "app\x1b[2J.py");
    let mut all = String::new();
    for &by in GroupBy::ALL {
        for (unicode, colour) in [(true, false), (false, false)] {
            let options = ReportOptions { by, ..ReportOptions::default() };
            all += &report(&capture, &options, &terminal(80, unicode, colour));
        }
    }
    assert!(all.chars().all(|character| character == '\n' || !character.is_control()), "{all:?}");
    assert!(!all.contains('\u{202e}'));
    assert_shows(
        &report(&capture, &ReportOptions::default(), &terminal(80, true, false)),
        r"
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 5.0 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 5.0 MB | 50 allocations

At the high-water mark, by line
    size  share  blocks
  5.0 MB  100 %      50  app 模块.py:2  \x1b[31mred\r\x9b2J

Who called the biggest
  5.0 MB  100 %  app 模块.py:2  \x1b[31mred\r\x9b2J
                 app line\nbreak.py:2  outer\u202e
",
    );
}
