//! `heapline run`: records a program from its first instruction to its last, in this interpreter and this process.

use std::ffi::CStr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use heapline_cli::RunOptions;
use heapline_format::MetaKey;
use heapline_trace::Error;
use pyo3::prelude::*;

use crate::exit_report::{ExitReport, FileIdentity};
use crate::facts;
use crate::inspection;
use crate::interpreter;
use crate::program::{Outcome, Program};
use crate::recorder::{self, Owner};
use crate::recording::{self, Wishes};

/// Exit status when there was nothing to run or no way to record it.
const CANNOT_RUN: i32 = 2;
/// Longest part of a capture's name that comes from the program's.
const MAX_NAME_CHARS: usize = 64;

/// Runs a program and returns its exit status, or raises its `SystemExit`.
pub(crate) fn run(py: Python<'_>, options: RunOptions) -> PyResult<i32> {
    let RunOptions { quiet, output, recorded, recorded_globs, redact, sampling, report, target, arguments } =
        options;
    let program = match Program::find(py, &target, arguments)? {
        Ok(program) => program,
        Err(reason) => {
            eprintln!("heapline: {reason}");
            return Ok(CANNOT_RUN);
        }
    };
    program.launch.apply(py)?;
    let exit_report = ExitReport {
        report: (!quiet).then_some(report),
        pid: std::process::id(),
        working_directory: std::env::current_dir().unwrap_or_default(),
        standard_error: FileIdentity::of_standard_error(),
    };
    exit_report.register(py)?;
    let mut meta = facts::collect(py, &program.name)?;
    meta.extend(recorded_globs.into_iter().map(|glob| (MetaKey::Recorded, glob)));
    let place = Place::of(output, &program.name);
    let jit = interpreter::has_jit(py);
    let limits = heapline_trace::Limits::default();
    let wishes = Wishes { filter: recorded, redact, limits, sampling, jit };
    let options = |output| recording::options(output, &meta, wishes.clone());
    let program = program.prepare(py)?;
    // Before the recorder starts: what is asked after that would be recorded as the program's.
    let stays = inspection::is_wanted(py)?;
    if let Err(error) = start(py, &place, options) {
        eprintln!("heapline: {error}");
        return Ok(CANNOT_RUN);
    }
    match program.run(stays)? {
        Outcome::Status(status) => {
            if stays {
                // A program may have left nothing of `sys` to do it with.
                let _ = inspection::hide_own_exit(py);
            }
            Ok(status)
        }
        Outcome::Exit(exit) => Err(exit),
    }
}

/// Where a capture goes.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whether nobody chose the file's name: then no other file is replaced, and errors say what can be chosen.
    is_ours: bool,
}

impl Place {
    /// The file that was asked for, or a new one in the directory that was.
    fn of(output: Option<PathBuf>, program: &str) -> Self {
        match output {
            Some(path) if !path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                Self { path, is_ours: false }
            }
            directory => {
                let directory = directory.unwrap_or_else(|| PathBuf::from("."));
                let directory = std::path::absolute(&directory).unwrap_or(directory);
                Self { path: reserve(&directory, &capture_name(program)), is_ours: true }
            }
        }
    }
}

/// Makes an empty file of this name, or of one with a number behind it: in containers, process ids come again.
///
/// Where no file can be made the recorder will say why.
fn reserve(directory: &Path, name: &str) -> PathBuf {
    const MOST: u32 = 1000;
    let numbered = |number| match number {
        1 => directory.join(format!("{name}.heapline")),
        number => directory.join(format!("{name}-{number}.heapline")),
    };
    let is_taken = |path: &PathBuf| {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        made.is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
    };
    (1..MOST).map(numbered).find(|path| !is_taken(path)).unwrap_or_else(|| numbered(MOST))
}

/// Starts the recorder. A capture that cannot be written is no reason not to run the program, nor is a recorder that
/// finds no memory.
fn start(
    py: Python<'_>,
    place: &Place,
    options: impl Fn(Option<PathBuf>) -> heapline_trace::Options,
) -> Result<(), Error> {
    let mut started = recorder::begin(py, options(Some(place.path.clone())), Owner::Run);
    if started.is_err() && place.is_ours {
        // Reserved in vain.
        let _ = std::fs::remove_file(&place.path);
    }
    if let Err(error @ Error::Output { .. }) = started {
        started = recorder::begin(py, options(None), Owner::Run);
        if !matches!(started, Err(Error::Memory(_))) {
            let choice = if place.is_ours { " (-o FILE or -o DIRECTORY/ puts it elsewhere)" } else { "" };
            eprintln!("heapline: {error}{choice}; recording in memory, no capture will be left");
        }
    }
    match started {
        Err(error @ Error::Memory(_)) => {
            eprintln!("heapline: {error}; the program runs unrecorded");
            Ok(())
        }
        result => result,
    }
}

/// The name of a capture that nobody named, without its ending: `heapline-app.py-4711-20250131T235959`.
fn capture_name(program: &str) -> String {
    let program: String =
        program.strip_prefix("-m ").unwrap_or(program).chars().take(MAX_NAME_CHARS).collect();
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let program = program.replace(|letter| !safe(letter), "_");
    let program = match program.trim_matches(['.', '_', '-']) {
        "" => "program",
        program => program,
    };
    format!("heapline-{program}-{}-{}", std::process::id(), local_time())
}

/// The wall clock's local time as `YYYYmmddTHHMMSS`.
fn local_time() -> String {
    let mut text = [0_u8; 32];
    // SAFETY: the structures are plain data that the calls fill; strftime gets the buffer's length, and ends what
    // it writes with a null byte.
    let length = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const now, &raw mut parts);
        libc::strftime(text.as_mut_ptr().cast(), text.len(), c"%Y%m%dT%H%M%S".as_ptr(), &raw const parts)
    };
    CStr::from_bytes_until_nul(&text[..=length])
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}
