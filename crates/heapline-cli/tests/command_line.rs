//! The command line as its caller meets it: what is parsed, what is said, and which status comes back.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use heapline_analyze::testing::SyntheticCapture;
use heapline_analyze::{GroupBy, OrderBy};
use heapline_cli::{Action, RunOptions, Target, Terminal};
use heapline_format::MetaKey;

struct Outcome {
    action: Action,
    out: String,
    err: String,
}

fn heapline_on(terminal: &Terminal, words: &[&str]) -> Outcome {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let action = heapline_cli::main(&words, &mut out, &mut err, terminal);
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Outcome { action, out: text(out), err: text(err) }
}

fn heapline(words: &[&str]) -> Outcome {
    heapline_on(&Terminal::plain(), words)
}

#[track_caller]
fn assert_exits(outcome: &Outcome, expected: i32) {
    assert!(matches!(outcome.action, Action::Exit(code) if code == expected), "{:?}", outcome.action);
}

/// The words are a mistake that takes one line to tell.
#[track_caller]
fn assert_mistake(words: &[&str], line: &str) {
    let outcome = heapline(words);
    assert_exits(&outcome, 2);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str()), ("", format!("{line}\n").as_str()));
}

#[track_caller]
fn run(words: &[&str]) -> RunOptions {
    let outcome = heapline(words);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str()), ("", ""));
    match outcome.action {
        Action::Run(options) => options,
        Action::Exit(code) => panic!("exit {code}"),
    }
}

fn capture_file(directory: &Path) -> String {
    let mut capture = SyntheticCapture::new();
    capture.meta(MetaKey::Program, "app.py");
    capture.meta(MetaKey::WorkingDirectory, "/app");
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/app/app.py", "main", 1, 5);
    let load = capture.frame(main, "/app/model/load.py", "Model.load", 10, 12);
    capture.count(load, 61_300_000, 1000);
    capture.header.now_ns = 4_000_000_000;
    let path = directory.join("app.heapline");
    std::fs::write(&path, capture.build()).expect("a writable directory");
    path.to_str().expect("a path of text").to_owned()
}

#[test]
fn run_options_are_parsed_and_the_rest_is_the_programs() {
    let words = [
        "run",
        "-q",
        "-o",
        "out.heapline",
        "--top",
        "7",
        "--by=function",
        "--filter",
        "a/*",
        "--filter",
        "!b",
    ];
    let options = run(&[&words[..], &["app.py", "-q", "--", "--help", "--top=x"]].concat());
    assert!(options.quiet);
    assert_eq!(options.output.as_deref(), Some(Path::new("out.heapline")));
    assert_eq!((options.report.top, options.report.by), (Some(7), GroupBy::Function));
    assert_eq!(options.report.order, OrderBy::HighWaterMark);
    assert_eq!(options.report.filters, ["a/*", "!b"]);
    assert_eq!(options.target, Target::Script("app.py".into()));
    assert_eq!(options.arguments, ["-q", "--", "--help", "--top=x"]);
}

#[test]
fn run_needs_nothing_but_a_target() {
    let options = run(&["run", "app.py"]);
    assert!(!options.quiet && options.output.is_none() && options.arguments.is_empty());
    assert_eq!((options.report.top, options.report.by), (None, GroupBy::Line));
    assert_eq!(run(&["run", "-mjson.tool", "x"]).target, Target::Module("json.tool".into()));
    assert_eq!(run(&["run", "-c", "print(1)", "-c"]).target, Target::Command("print(1)".into()));
    assert_eq!(run(&["run", "--", "--help"]).target, Target::Script("--help".into()));
    assert_eq!(run(&["run", "--top", "all", "x"]).report.top, Some(usize::MAX));
    assert!(run(&["run", "x", "--record", "y"]).recorded.is_none());
    assert!(run(&["run", "--record", "a/*", "--record", "!b/*", "x"]).recorded.is_some());
}

#[test]
fn mistakes_of_run() {
    let nothing = "heapline: nothing to run: give a SCRIPT, -m MODULE or -c CODE (see heapline run --help)";
    assert_mistake(&["run"], nothing);
    assert_mistake(&["run", "-q"], nothing);
    assert_mistake(&["run", "--"], nothing);
    for (words, said) in [
        (&["run", "--frob", "app.py"][..], "unknown option '--frob' (see heapline run --help)"),
        (
            &["run", "--quit", "app.py"],
            "unknown option '--quit': did you mean '--quiet'? (see heapline run --help)",
        ),
        (&["run", "--json", "app.py"], "unknown option '--json' (see heapline run --help)"),
        (&["run", "-m"], "-m needs a value: -m MODULE (see heapline run --help)"),
        (&["run", "-o"], "--output needs a value: --output FILE (see heapline run --help)"),
        (&["run", "-o", "a", "-o", "b", "x"], "--output can be given only once"),
        (&["run", "--quiet=1", "x"], "--quiet takes no value, '1' was given (see heapline run --help)"),
        (
            &["run", "--by", "foo", "x"],
            "--by cannot be 'foo': choose one of line, function, file, module, stack, thread, age",
        ),
        (&["run", "--by"], "--by needs a value: one of line, function, file, module, stack, thread, age"),
        (&["run", "--top", "0", "x"], "--top cannot be '0': not a number above 0, nor \"all\""),
        (
            &["run", "--filter", "a[", "x"],
            "--filter: bad pattern \"a[\": unclosed character class; missing ']'",
        ),
        (&["run", "--record", "!", "x"], "--record: a pattern cannot be empty"),
        (
            &["run", "--record", "a[", "x"],
            "--record: bad pattern \"a[\": unclosed character class; missing ']'",
        ),
    ] {
        assert_mistake(words, &format!("heapline: {said}"));
    }
}

#[test]
fn mistakes_of_report_and_before_any_command() {
    for (words, said) in [
        (&["report"][..], "CAPTURE is missing: heapline report CAPTURE (see heapline report --help)"),
        (&["diff", "a"], "AFTER is missing: heapline diff BEFORE AFTER (see heapline diff --help)"),
        (&["diff"], "BEFORE AFTER is missing: heapline diff BEFORE AFTER (see heapline diff --help)"),
        (
            &["diff", "a", "b", "--by", "x"],
            "--by cannot be 'x': choose one of line, function, file, module, stack, thread",
        ),
        (&["report", "a", "b"], "'b' is one word too many (see heapline report --help)"),
        (
            &["report", "--order", "x", "a"],
            "--order cannot be 'x': choose one of live, high-water-mark, allocated, count, temporary",
        ),
        (&["report", "a", "--callers", "f", "--json"], "--callers cannot be used together with --json"),
        (&["app.py"], "no command 'app.py': did you mean 'heapline run app.py'?"),
        (&["bin/tool", "x"], "no command 'bin/tool': did you mean 'heapline run bin/tool'?"),
        (&["nonsense"], "no command 'nonsense': choose run, report or diff (see heapline --help)"),
        (&["reprot", "x"], "no command 'reprot': did you mean 'heapline report'?"),
        (&["--frob"], "unknown option '--frob' (see heapline --help)"),
        (&["-m", "pytest"], "unknown option '-m': did you mean 'heapline run -m'?"),
        (&["a\x1b[2J\nb"], "no command 'a\\x1b[2J\\nb': choose run, report or diff (see heapline --help)"),
    ] {
        assert_mistake(words, &format!("heapline: {said}"));
    }
}

#[test]
fn help_names_what_there_is_with_examples() {
    let help = heapline(&["--help"]);
    assert_exits(&help, 0);
    assert_eq!(help.err, "");
    for said in ["Usage: heapline <COMMAND>", "Examples:", "heapline run -m pytest tests/", "  report "] {
        assert!(help.out.contains(said), "{}", help.out);
    }
    for words in [["run", "--help"], ["help", "run"]] {
        let help = heapline(&words);
        assert_exits(&help, 0);
        for said in
            ["heapline run [OPTIONS] -m MODULE [ARGS]...", "-q, --quiet", "-o, --output <FILE>", "-c <CODE>"]
        {
            assert!(help.out.contains(said), "{}", help.out);
        }
    }
    let mut report = heapline(&["report", "--help"]);
    report.out = report.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let options = ["--json", "--order <WHAT>", "--callers <SITE>", "--at <TIME>", "--between <T1> <T2>"];
    for said in options.iter().chain(&["[default: high-water-mark]", "by its age"]) {
        assert!(report.out.contains(said), "{said}: {}", report.out);
    }
    let names =
        GroupBy::ALL.iter().map(|by| by.as_str()).chain(OrderBy::ALL.iter().map(|order| order.as_str()));
    for name in names {
        assert!(report.out.contains(name), "{name}: {}", report.out);
    }
    let diff = heapline(&["diff", "--help"]);
    for said in ["heapline diff [OPTIONS] <BEFORE> <AFTER>", "--json", "Examples:", "[default: live]"] {
        assert!(diff.out.contains(said), "{}", diff.out);
    }
    let bare = heapline(&[]);
    assert_exits(&bare, 2);
    assert_eq!((bare.out.as_str(), bare.err), ("", help.out));
}

#[test]
fn help_fits_the_terminal_and_its_colour() {
    for words in [&["--help"][..], &["run", "--help"], &["report", "--help"], &["diff", "--help"]] {
        let plain = heapline(words).out;
        assert!(plain.is_ascii() && !plain.contains('\x1b'));
        let overlong: Vec<&str> = plain.lines().filter(|line| line.len() > 80).collect();
        assert!(overlong.is_empty(), "{overlong:#?}");
        let terminal = Terminal { width: Some(80), colour: true, unicode: true, err_is_terminal: true };
        assert!(heapline_on(&terminal, words).out.contains('\x1b'));
    }
    let err_is_a_file = Terminal { width: Some(80), colour: true, unicode: true, err_is_terminal: false };
    assert!(!heapline_on(&err_is_a_file, &[]).err.contains('\x1b'));
    let err_is_terminal = Terminal { err_is_terminal: true, ..err_is_a_file };
    assert!(heapline_on(&err_is_terminal, &[]).err.contains('\x1b'));
}

#[test]
fn version_is_the_packages() {
    let version = heapline(&["--version"]);
    assert_exits(&version, 0);
    assert_eq!(version.out, format!("heapline {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn report_shows_a_capture() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = capture_file(directory.path());
    let report = heapline(&["report", &capture]);
    assert_exits(&report, 0);
    assert_eq!(report.err, "");
    assert!(
        report.out.contains("\n  61.3 MB  100 %   1,000  app model/load.py:12  Model.load\n"),
        "{}",
        report.out
    );
    let by_file = heapline(&["report", "--by", "file", "--order", "peak", &capture]);
    assert!(by_file.out.contains("At the high-water mark, by file\n"), "{}", by_file.out);
}

#[test]
fn times_that_run_backwards_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = capture_file(directory.path());
    assert_mistake(
        &["report", &capture, "--between", "50%", "25%"],
        "heapline: --between: 2.0 s is later than 1.0 s: exchange them",
    );
    assert_exits(&heapline(&["report", &capture, "--between", "25%", "25%"]), 0);
}

#[test]
fn diff_shows_two_captures_and_names_the_one_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = capture_file(directory.path());
    let diff = heapline(&["diff", &capture, &capture]);
    assert_exits(&diff, 0);
    assert_eq!(diff.err, "");
    assert!(diff.out.ends_with("\nChange of live memory, by line\n  nothing has changed\n"), "{}", diff.out);
    let json = heapline(&["diff", &capture, &capture, "--json", "--order", "peak"]);
    assert!(json.out.starts_with("{\"schema\":\"heapline-diff/1\","), "{}", json.out);
    let missing = directory.path().join("missing").to_str().expect("a path of text").to_owned();
    let said = format!("heapline: cannot read {missing}: no such file or directory");
    assert_mistake(&["diff", &missing, &capture], &said);
    assert_mistake(&["diff", &capture, &missing], &said);
}

#[test]
fn report_finds_the_site_that_callers_are_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = capture_file(directory.path());
    for (name, title) in [
        ("load.py:12", "Who called it"),
        ("/app/model/load.py:12", "Who called it"),
        ("Model.load", "Who called it"),
        ("load", "Who called it"),
        ("model/load.py", "Inside it, and who called that"),
        ("model.load", "Inside it, and who called that"),
    ] {
        let report = heapline(&["report", &capture, "--callers", name]);
        assert_exits(&report, 0);
        assert!(report.out.contains(&format!("\n{title}\n  61.3 MB  100 %  app ")), "{name}: {}", report.out);
        assert!(report.out.ends_with("app.py:5  main\n"), "{name}: {}", report.out);
    }
    let unknown = "heapline: no allocation was made at 'oad.py:12': name a site as the report shows it";
    assert_mistake(&["report", &capture, "--callers", "oad.py:12"], unknown);
}

#[test]
fn files_that_are_no_captures_take_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path of text").to_owned();
    let said = |path: &str, why: &str| {
        assert_mistake(&["report", path], &format!("heapline: cannot read {path}: {why}"));
    };

    said(&path("missing"), "no such file or directory");
    said(&path("."), "a directory, not a heapline capture");
    std::fs::write(path("empty"), b"").expect("a writable directory");
    said(&path("empty"), "empty, not a heapline capture");
    std::fs::write(path("text"), b"hello".repeat(10_000)).expect("a writable directory");
    said(&path("text"), "not a heapline capture");
    std::fs::write(path("pickle"), b"\x80\x05\x95hello").expect("a writable directory");
    let compared = "heapline diff compares a file of tracemalloc with one";
    said(&path("pickle"), &format!("a pickle, not a heapline capture: {compared}"));

    let hostile = heapline(&["report", "no\nsuch\x1b[2Jfile"]);
    assert_exits(&hostile, 2);
    assert_eq!(hostile.err, "heapline: cannot read no\\nsuch\\x1b[2Jfile: no such file or directory\n");
}

#[test]
fn a_truncated_capture_takes_one_line_wherever_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let whole = std::fs::read(capture_file(directory.path())).expect("a capture");
    let path = directory.path().join("short.heapline");
    let text = path.to_str().expect("a path of text");
    for length in (1..whole.len()).step_by(997) {
        std::fs::write(&path, &whole[..length]).expect("a writable directory");
        let report = heapline(&["report", text]);
        assert_exits(&report, 2);
        assert_eq!((report.out.as_str(), report.err.lines().count()), ("", 1), "{}", report.err);
        assert!(report.err.starts_with(&format!("heapline: cannot read {text}: ")), "{}", report.err);
    }
}

/// A writer that fails after so many bytes.
struct Failing {
    left: usize,
    kind: io::ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.kind.into());
        }
        let written = bytes.len().min(self.left);
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_but_a_full_disk_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = capture_file(directory.path());
    for words in [
        &["report", &capture][..],
        &["report", &capture, "--json"],
        &["diff", &capture, &capture],
        &["diff", &capture, &capture, "--json"],
    ] {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        for (kind, status, said) in [
            (io::ErrorKind::BrokenPipe, 0, ""),
            (io::ErrorKind::StorageFull, 2, "heapline: cannot write the report: no storage space\n"),
        ] {
            let mut err = Vec::new();
            let action =
                heapline_cli::main(&words, &mut Failing { left: 40, kind }, &mut err, &Terminal::plain());
            assert!(matches!(action, Action::Exit(code) if code == status), "{action:?}");
            assert_eq!(String::from_utf8_lossy(&err), said);
        }
    }
}
