//! Names the platforms that the recorder is written for `recordable`, so that one word stands for them in the source, and
//! takes docstrings out of the stub: what a type checker shows and what `help` prints is one text.

use std::path::Path;
use std::{env, fs, io};

const STUB: &str = "../../python/heapline/_native.pyi";

fn main() -> io::Result<()> {
    println!("cargo::rustc-check-cfg=cfg(recordable)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={STUB}");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ARCH") == "x86_64" && target("ENV") == "gnu" {
        println!("cargo::rustc-cfg=recordable");
    }
    let folder = Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("docstrings");
    fs::create_dir_all(&folder)?;
    for (name, text) in docstrings(&fs::read_to_string(STUB)?) {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// The docstrings of functions (`start`) and methods (`Snapshot.diff`), without indentation. The stub is laid out by a
/// formatter, so its lines tell what is where.
fn docstrings(stub: &str) -> Vec<(String, String)> {
    const QUOTES: &str = "\"\"\"";
    let name_after = |line: &str, word: &str| {
        let rest = line.strip_prefix(word)?;
        rest.split(['(', ':']).next().map(str::to_owned)
    };
    let (mut class, mut function) = (String::new(), String::new());
    let mut found = Vec::new();
    let mut lines = stub.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = name_after(line, "class ") {
            (class, function) = (format!("{name}."), String::new());
        } else if let Some(name) = name_after(line, "def ") {
            (class, function) = (String::new(), name);
        } else if let Some(name) = name_after(line, "    def ") {
            function = name;
        } else if let Some(first) = line.trim_start().strip_prefix(QUOTES) {
            let indentation = line.len() - line.trim_start().len();
            let mut text = first.to_owned();
            while !text.ends_with(QUOTES) {
                let Some(next) = lines.next() else { break };
                text.push('\n');
                text.push_str(next.get(indentation..).unwrap_or_default());
            }
            if !function.is_empty() {
                let text = text.trim_end_matches(QUOTES).trim_end();
                found.push((format!("{class}{function}"), text.to_owned()));
            }
        }
    }
    found
}
