//! Names the platforms that the recorder is written for `recordable`, so that one word stands for them in the source.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(recordable)");
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ARCH") == "x86_64" && target("ENV") == "gnu" {
        println!("cargo::rustc-cfg=recordable");
    }
}
