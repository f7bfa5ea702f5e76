//! Trees of callers as pictures.

use heapline_analyze::testing::SyntheticCapture;
use heapline_analyze::{Filter, GroupBy, OrderBy};

use crate::argument::ReportOptions;
use crate::fixture;
use crate::report::render_callers;
use crate::report::tests::{assert_shows, report, terminal};
use crate::terminal::Terminal;

#[test]
fn deep_recursion_takes_few_lines() {
    let mut capture = fixture::empty();
    let mut node = capture.thread("MainThread");
    for (function, times) in
        [("<module>", 1), ("walk", 300), ("even", 1), ("odd", 1), ("even", 1), ("odd", 1)]
    {
        for _ in 0..times {
            node = capture.frame(node, &format!("{}/deep.py", fixture::SITE), function, 1, 2);
        }
    }
    for line in 1..=4 {
        node = capture.frame(node, &format!("{}/mutual.py", fixture::SITE), "step", 1, line);
    }
    capture.count(node, 1_000_000, 1);
    assert_shows(
        &report(&capture, &ReportOptions::default(), &terminal(80, true, false)),
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 1.0 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 1.0 MB | 1 allocation

At the high-water mark, by line
    size  share  blocks
  1.0 MB  100 %       1  pkg mutual.py:4  step

Who called the biggest
  1.0 MB  100 %  pkg mutual.py:4  step
                 pkg mutual.py:3  step
                 pkg mutual.py:2  step
                 pkg mutual.py:1  step
                 pkg deep.py:2  odd
                 pkg deep.py:2  even
                     … 2 frames …
                 pkg deep.py:2  walk ×300
                 pkg deep.py:2  <module>
",
    );
}

/// The tree below a report of stacks of the program's own frames: (function, line, times), outermost first.
fn tree_of(stacks: &[&[(&str, u32, u32)]]) -> String {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    for stack in stacks {
        let mut node = thread;
        for &(function, line, times) in *stack {
            for _ in 0..times {
                node = capture.frame(node, "/home/user/docs/app.py", function, 1, line);
            }
        }
        capture.count(node, 1_000_000, 1);
    }
    let shown = report(&capture, &ReportOptions::default(), &terminal(80, true, false));
    shown.split_once("Who called the biggest\n").expect("a tree").1.to_owned()
}

#[test]
fn recursion_ends_at_its_real_caller() {
    assert_shows(
        &tree_of(&[&[("<module>", 9, 1), ("f", 2, 900), ("f", 3, 1)]]),
        "
  1.0 MB  100 %  app app.py:3  f
                 app app.py:2  f ×900
                 app app.py:9  <module>
",
    );
    assert_shows(
        &tree_of(&[
            &[("<module>", 8, 1), ("g", 2, 500), ("g", 3, 1)],
            &[("<module>", 9, 1), ("g", 2, 300), ("g", 3, 1)],
        ]),
        "
  2.0 MB  100 %  app app.py:3  g
                 app app.py:2  g ×300–500
  1.0 MB   50 %  app ├─ app.py:8  <module>
  1.0 MB   50 %  app └─ app.py:9  <module>
",
    );
}

#[test]
fn recursion_that_allocates_at_every_depth_ends_at_its_real_caller() {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    let mut node = capture.frame(thread, "/home/user/docs/app.py", "<module>", 1, 9);
    for _ in 0..900 {
        let leaf = capture.frame(node, "/home/user/docs/app.py", "f", 1, 3);
        capture.count(leaf, 1_000, 1);
        node = capture.frame(node, "/home/user/docs/app.py", "f", 1, 2);
    }
    let shown = report(&capture, &ReportOptions::default(), &terminal(80, true, false));
    assert_shows(
        shown.split_once("Who called the biggest\n").expect("a tree").1,
        "
  900.0 kB  100 %  app app.py:3  f
                   app app.py:2  f ×1–899
                   app app.py:9  <module>
",
    );
}

/// A program whose two functions call each other until `frames` frames are on the stack.
fn mutual_recursion(frames: u32) -> SyntheticCapture {
    let mut capture = fixture::empty();
    let mut node = capture.thread("MainThread");
    node = capture.frame(node, "/home/user/docs/app.py", "<module>", 1, 9);
    for index in 0..frames {
        let (function, line) = if index % 2 == 0 { ("even", 2) } else { ("odd", 5) };
        node = capture.frame(node, "/home/user/docs/app.py", function, line - 1, line);
    }
    capture.count(node, 1_000_000, 1);
    capture
}

#[test]
fn a_hundred_thousand_frames_lead_to_the_outermost() {
    let started = std::time::Instant::now();
    let shown = report(&mutual_recursion(100_000), &ReportOptions::default(), &terminal(80, true, false));
    assert!(shown.contains(" frames …\n"), "{shown}");
    assert!(shown.ends_with("app app.py:9  <module>\n"), "{shown}");
    // Linear time takes less than a second even unoptimised; quadratic time would take minutes.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn callers_too_deep_are_not_called_small() {
    let capture = mutual_recursion(super::MOST_ENTRIES as u32 + 10);
    let shown = report(&capture, &ReportOptions::default(), &terminal(80, true, false));
    assert!(shown.ends_with("  1.0 MB  100 %      └─ … deeper callers\n"), "{shown}");
    assert!(!shown.contains("small"), "{shown}");
}

#[test]
fn many_small_callers_are_summed_up() {
    let mut capture = fixture::empty();
    let thread = capture.thread("MainThread");
    for line in 1..=300 {
        let caller = capture.frame(thread, "/home/user/docs/app.py", "caller", 1, line);
        let node = capture.frame(caller, "/home/user/docs/app.py", "make", 500, 501);
        capture.count(node, 1000, 1);
    }
    let outermost = capture.frame(thread, "/home/user/docs/app.py", "make", 500, 501);
    capture.count(outermost, 100_000, 1);
    let big = capture.frame(thread, "/home/user/docs/app.py", "big", 1, 400);
    let node = capture.frame(big, "/home/user/docs/app.py", "make", 500, 501);
    capture.count(node, 600_000, 1);
    assert_shows(
        &report(&capture, &ReportOptions::default(), &terminal(80, true, false)),
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 1.0 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 1.0 MB | 302 allocations

At the high-water mark, by line
    size  share  blocks
  1.0 MB  100 %     302  app app.py:501  make

Who called the biggest
    1.0 MB  100 %  app app.py:501  make
  600.0 kB   60 %  app ├─ app.py:400  big
  100.0 kB   10 %      ├─ (outermost frame, not called)
  300.0 kB   30 %      └─ … others
",
    );
}

#[test]
fn callers_alone() {
    let snapshot = fixture::snapshot(&fixture::builder());
    let group =
        snapshot.statistics(GroupBy::Function, OrderBy::LiveBytes, &Filter::default())[1].group.clone();
    let shown = render_callers(&snapshot, &group, &ReportOptions::default(), &Terminal::plain());
    assert_shows(
        shown.split_once("\n\n").expect("a tree").1,
        "
Who called it
  24.7 MB  100 %  std pickle.py:1710  _Unpickler.load_build
                  pkg sphinx/builders/__init__.py:641  Builder.read_doc
                  pkg sphinx/builders/__init__.py:283  Builder.build_all
                  pkg sphinx/application.py:351  Sphinx.build
                  app app.py:57  main
                  app app.py:64  <module>
",
    );
}

#[test]
fn imports_name_the_statement_that_set_them_off() {
    let mut capture = fixture::empty();
    let own = |capture: &mut _, parent, file: &str, function: &str, line| {
        SyntheticCapture::frame(capture, parent, &format!("/home/user/docs/{file}"), function, 1, line)
    };
    // What one import statement leads to: the frames of the import system, then the module's body or the compiler.
    let import = |capture: &mut SyntheticCapture, mut parent| {
        for (module, function) in [
            ("_bootstrap", "_find_and_load"),
            ("_bootstrap", "_load_unlocked"),
            ("_bootstrap_external", "SourceLoader.exec_module"),
        ] {
            parent = capture.frame(parent, &format!("<frozen importlib.{module}>"), function, 1, 900);
        }
        parent
    };
    let compile = |capture: &mut SyntheticCapture, parent, bytes| {
        let importing = import(capture, parent);
        let file = "<frozen importlib._bootstrap_external>";
        let node = capture.frame(importing, file, "_compile_bytecode", 750, 752);
        capture.count(node, bytes, 10);
    };
    let thread = capture.thread("MainThread");
    let launcher = capture.frame(thread, "<frozen runpy>", "_run_module_as_main", 1, 198);
    let launcher = capture.frame(launcher, "<frozen runpy>", "_run_code", 1, 88);
    let app = own(&mut capture, launcher, "app.py", "<module>", 3);
    compile(&mut capture, app, 1_000_000);
    // Packages import each other; that is one statement of the program's.
    let importing = import(&mut capture, app);
    let outer = capture.frame(importing, &format!("{}/pandas/__init__.py", fixture::SITE), "<module>", 1, 7);
    compile(&mut capture, outer, 2_000_000);
    let importing = import(&mut capture, outer);
    let inner = capture.frame(importing, &format!("{}/numpy/__init__.py", fixture::SITE), "<module>", 1, 9);
    compile(&mut capture, inner, 4_000_000);
    let main = own(&mut capture, launcher, "app.py", "<module>", 20);
    let late = own(&mut capture, main, "app.py", "load_plugin", 12);
    compile(&mut capture, late, 3_000_000);
    assert_shows(
        &report(&capture, &ReportOptions::default(), &terminal(80, true, false)),
        "
heapline: app.py, 12.4 s, exact, nothing lost
high-water mark 10.0 MB of Python memory at 9.8 s (RSS 201 MB)
at the end 10.0 MB | 40 allocations

At the high-water mark, by line
     size  share  blocks
  10.0 MB  100 %      40  std …/_bootstrap_external.py:752  _compile_bytecode

Who called the biggest
  10.0 MB  100 %  std importlib/_bootstrap_external.py:752  _compile_bytecode
                  std (import system)
   7.0 MB   70 %  app ├─ app.py:3  <module>
   3.0 MB   30 %  app └─ app.py:12  load_plugin
                  app    app.py:20  <module>
",
    );
}
