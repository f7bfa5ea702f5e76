//! An invented recording for tests: a documentation builder, with frames and figures as real ones have them.

use heapline_analyze::Snapshot;
use heapline_analyze::testing::SyntheticCapture;
use heapline_format::{Birth, Delta, MetaKey, Tick, base_tick};

pub(crate) const SITE: &str = "/srv/venv/lib/python3.12/site-packages";
/// Mean bytes between samples of a sampled recording.
const INTERVAL_BYTES: u64 = 512 * 1024;
pub(crate) const STDLIB: &str = "/usr/lib/python3.12";

/// A finished recording of `app.py` without any stack yet.
pub(crate) fn empty() -> SyntheticCapture {
    let mut capture = SyntheticCapture::new();
    capture.meta(MetaKey::Program, "app.py");
    capture.meta(MetaKey::Argument, "app.py");
    capture.meta(MetaKey::Argument, "--fast");
    capture.meta(MetaKey::WorkingDirectory, "/home/user/docs");
    capture.meta(MetaKey::PythonVersion, "3.12.1");
    capture.meta(MetaKey::Implementation, "cpython");
    capture.meta(MetaKey::SitePath, SITE);
    capture.meta(MetaKey::StdlibPath, STDLIB);
    capture.meta(MetaKey::ProgramPath, "/home/user/docs");
    capture.meta(MetaKey::Allocator, "pymalloc");
    capture.header.start_unix_ns = 1_790_000_000_000_000_000;
    capture.header.now_ns = 12_400_000_000;
    capture.header.high_water_mark_ns = 9_800_000_000;
    capture.header.high_water_mark_rss_bytes = 201_400_000;
    capture
}

/// The documentation builder.
pub(crate) fn builder() -> SyntheticCapture {
    let mut capture = empty();
    let app = |file: &str| format!("/home/user/docs/{file}");
    let site = |file: &str| format!("{SITE}/{file}");
    let stdlib = |file: &str| format!("{STDLIB}/{file}");
    let frame = |capture: &mut SyntheticCapture, parent, file: String, function: &str, line: u32| {
        capture.frame(parent, &file, function, line - line % 10, line)
    };

    let thread = capture.thread("MainThread");
    let module = frame(&mut capture, thread, app("app.py"), "<module>", 64);
    let main = frame(&mut capture, module, app("app.py"), "main", 57);
    let build = frame(&mut capture, main, site("sphinx/application.py"), "Sphinx.build", 351);
    let all = frame(&mut capture, build, site("sphinx/builders/__init__.py"), "Builder.build_all", 283);
    let read = frame(&mut capture, all, site("sphinx/builders/__init__.py"), "Builder.read_doc", 641);
    let write = frame(
        &mut capture,
        all,
        site("sphinx/builders/html/__init__.py"),
        "StandaloneHTMLBuilder.write_doc",
        702,
    );
    let doctree = frame(
        &mut capture,
        read,
        site("sphinx/environment/__init__.py"),
        "BuildEnvironment.get_doctree",
        640,
    );
    let toc =
        frame(&mut capture, write, site("sphinx/environment/adapters/toctree.py"), "_resolve_toctree", 183);

    let sites = [
        (doctree, site("docutils/nodes.py"), "Node.deepcopy", 1402, 40_100_000, 140_002),
        (toc, site("docutils/nodes.py"), "Node.deepcopy", 1402, 19_000_000, 65_002),
        (main, site("docutils/nodes.py"), "Node.deepcopy", 1402, 2_200_000, 7_000),
        (read, stdlib("pickle.py"), "_Unpickler.load_build", 1713, 24_700_000, 91_455),
        (doctree, site("docutils/statemachine.py"), "StringList.__init__", 1052, 14_800_000, 30_211),
        (main, app("app.py"), "load_glossary", 31, 9_950_000, 12),
        (write, stdlib("json/decoder.py"), "JSONDecoder.raw_decode", 353, 6_100_000, 40_128),
        (toc, site("sphinx/util/nodes.py"), "clean_astext", 417, 4_021_000, 9_140),
        (write, site("jinja2/environment.py"), "Template.render", 1295, 3_333_000, 1_104),
        (
            read,
            "<frozen importlib._bootstrap_external>".to_owned(),
            "_compile_bytecode",
            729,
            2_950_000,
            31_077,
        ),
        (
            main,
            app("plugins/glossary/very/deep/inside/terms.py"),
            "Terms.<locals>.visit",
            8,
            2_000_000,
            3_000,
        ),
    ];
    for (parent, file, function, line, bytes, count) in sites {
        let node = frame(&mut capture, parent, file, function, line);
        capture.count(node, bytes, count);
    }
    for line in 1..=40 {
        let node =
            frame(&mut capture, read, site("docutils/parsers/rst/states.py"), "Body.parse", line * 10 + 1);
        capture.count(node, 470_000 + u64::from(line), 1000);
    }
    let worker = capture.thread("worker");
    let run = frame(&mut capture, worker, stdlib("threading.py"), "Thread.run", 1010);
    let node = frame(&mut capture, run, app("app.py"), "watch", 88);
    capture.count(node, 123_456, 77);
    capture
}

/// The documentation builder, sampled every 512 KiB: as many samples of each site as there are on average, at least
/// one.
pub(crate) fn sampled() -> SyntheticCapture {
    sampled_from(builder())
}

/// An exact capture as if it had been sampled like that.
pub(crate) fn sampled_from(mut capture: SyntheticCapture) -> SyntheticCapture {
    capture.sample(0, INTERVAL_BYTES);
    for node in capture.accounts().collect::<Vec<u32>>() {
        let samples = capture.counters(node).live_bytes / INTERVAL_BYTES;
        capture.samples(node, u32::try_from(samples).expect("few").max(1));
    }
    capture
}

/// A service of 100 s: its cache fills in the first half, a list grows all the time, and a load in the middle goes again.
pub(crate) fn service() -> SyntheticCapture {
    let mut capture = empty();
    capture.header.now_ns = 100_000_000_000;
    capture.header.high_water_mark_ns = 49_000_000_000;
    let thread = capture.thread("MainThread");
    let main = capture.frame(thread, "/home/user/docs/app.py", "main", 50, 57);
    let sites = [("cache.py", "Cache.put", 20), ("app.py", "handle", 31), ("load.py", "load", 8)].map(
        |(file, name, line)| capture.frame(main, &format!("/home/user/docs/{file}"), name, line - 3, line),
    );
    let [cache, leak, load] = sites;
    let end = base_tick::at(capture.header.now_ns);
    capture.header.tick_ns = 5_000_000_000;
    for step in 1..=20_u32 {
        let time_ns = u64::from(step) * 5_000_000_000;
        let mut changes = vec![(leak, 100_000_i64)];
        if step <= 10 {
            changes.push((cache, 400_000));
        }
        match step {
            10 => changes.push((load, 5_000_000)),
            12 => changes.push((load, -5_000_000)),
            20 => changes.push((main | Delta::BELOW, 12_000)),
            _ => {}
        }
        for &(node_and_scope, bytes) in &changes {
            let live_count = if bytes < 0 { u32::MAX } else { 1 };
            capture.delta(Delta { time_ns, live_bytes: bytes.cast_unsigned(), node_and_scope, live_count });
            if bytes > 0 && node_and_scope != load && node_and_scope & Delta::BELOW == 0 {
                capture.count(node_and_scope, bytes.cast_unsigned(), 1);
                let (first_tick, last_tick) =
                    (base_tick::at(time_ns - 5_000_000_000), base_tick::at(time_ns) - 1);
                let live_bytes = bytes.cast_unsigned();
                capture
                    .birth(Birth { live_bytes, node_and_scope, live_count: 1, first_tick, last_tick }, end);
            }
        }
        let loaded = if (10..12).contains(&step) { 5_000_000 } else { 0 };
        let live_bytes = u64::from(step.min(10)) * 400_000 + u64::from(step) * 100_000 + loaded;
        let rss_bytes = 30_000_000 + live_bytes;
        capture.tick(Tick { live_bytes, live_count: 9, max_live_bytes: live_bytes, rss_bytes, looks: 1 });
    }
    capture
}

/// The snapshot of a synthetic capture.
pub(crate) fn snapshot(capture: &SyntheticCapture) -> Snapshot {
    Snapshot::from_bytes(&capture.build()).expect("a sound capture")
}
