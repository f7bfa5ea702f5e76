//! The recorder: sees every allocation and free that CPython makes, and keeps a capture of where memory is.
//!
//! This is the only crate of the workspace where unsafe code is normal. `SAFETY.md` beside this crate's manifest
//! lists, theme by theme, what makes it sound and which test exercises it.
//!
//! It does not explain anything: it writes captures (`heapline-format`), and `heapline-analyze` reads them.
//!
//! What callers owe: the functions that touch a recording are unsafe, because only the caller can know that it holds
//! the GIL of the main interpreter.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

mod account_tables;
mod adoption;
mod birth_table;
mod block_table;
mod capture;
mod capture_file;
mod carry_over;
mod chunks;
mod clock;
mod code;
mod cost_meter;
mod counters;
mod delta_table;
mod domain;
mod edge_list;
mod edge_table;
mod elf_object;
mod environment;
mod errno;
mod error;
mod fast_path;
pub mod ffi;
mod file_names;
mod fork;
mod frame;
mod got;
mod hidden;
mod history;
mod hooks;
mod installation;
mod layer;
mod layer_table;
mod layout;
mod layout_check;
mod life;
mod limits;
mod look;
mod map_fault;
mod node_cost;
mod node_table;
mod options;
mod own_cost;
mod page_map;
mod page_protection;
mod pair_cost;
mod public_frame;
mod random;
mod recorder;
mod recording;
mod reference_tracer;
mod region;
mod remains;
mod remote;
mod revived;
mod rss;
mod sample;
mod sample_filter;
mod sampled_hooks;
mod sampler;
mod sampling_control;
mod session;
mod stack_filter;
mod string_table;
mod thread_local;
mod thread_name;
mod thread_state;
mod timeline;
mod token_walk;
mod traceback;
mod tracked;
mod tree;
mod verification;
mod walker;
mod weight;

pub use error::Error;
pub use file_names::{FileNames, Rename};
pub use hidden::call_without_callers;
pub use layer::{
    BlockRoom, FrozenLayer, LargeBlock, LiveBlock, close_layer, freeze_layer, layer_bytes, layer_count,
    layer_memory, open_layer, reset_layer_peak, restart_layer, stack_at,
};
pub use layer_table::{Allocated, LayerId};
pub use layout_check::{FrameAccess, frame_access};
pub use limits::Limits;
pub use options::{Options, Sampling};
pub use recording::{FileState, Recording};
pub use session::{freeze, is_tracing, shut_down, start, stop, walk_counts};
pub use stack_filter::{Keep, StackFilter};
pub use traceback::limit_tracebacks;
pub use verification::verify;
pub use walker::WalkCounts;
