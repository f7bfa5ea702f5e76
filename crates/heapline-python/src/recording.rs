//! What a recording is asked to do, from what its owner wants.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use heapline_analyze::{Filter, Originals, RecordingFilter, Redaction};
use heapline_cli::Sampling;
use heapline_format::MetaKey;
use heapline_trace::{FileNames, Limits, Options, StackFilter};

/// How the names in the capture of this process came about, if it has others than the files' own.
static REDACTION: Mutex<Option<Arc<Mutex<Redaction>>>> = Mutex::new(None);

/// What its owner wants of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// What is to be recorded; `None` for all.
    pub(crate) filter: Option<Filter>,
    /// Whether the capture tells nothing of the program's surroundings.
    pub(crate) redact: bool,
    pub(crate) limits: Limits,
    /// How few blocks are recorded; `None` for all.
    pub(crate) sampling: Option<Sampling>,
    /// Whether the interpreter has a JIT.
    pub(crate) jit: bool,
}

/// Options of a recording of a process of which these facts are true.
pub(crate) fn options(output: Option<PathBuf>, facts: &[(MetaKey, String)], wishes: Wishes) -> Options {
    let Wishes { filter, redact, limits, sampling, jit } = wishes;
    let redaction = redact.then(|| Arc::new(Mutex::new(Redaction::new(facts))));
    if let Some(mut known) = locked(&REDACTION) {
        known.clone_from(&redaction);
    }
    let filter = filter.map(|filter| stack_filter(filter, facts, redaction.clone()));
    let file_names = redaction.map(|redaction| FileNames {
        rename: Box::new(move |file| match locked(&redaction) {
            Some(mut redaction) => redaction.file(file),
            None => "<redacted>".to_owned(),
        }),
    });
    let meta = if redact { Redaction::facts(facts) } else { facts.to_vec() };
    Options { output, meta, limits, jit, filter, file_names, sampling: sampling.map(self::sampling) }
}

/// How blocks are sampled, in the recorder's terms.
pub(crate) fn sampling(Sampling { interval, most_overhead }: Sampling) -> heapline_trace::Sampling {
    heapline_trace::Sampling { interval, most_overhead, seed: seed() }
}

/// For tests: `HEAPLINE_SEED` has samples be the same each time.
fn seed() -> Option<u64> {
    std::env::var("HEAPLINE_SEED").ok()?.parse().ok()
}

/// What decides for a stack by the file of its innermost frame whether it is recorded. Stacks without a frame are
/// recorded: no pattern can mean them. Filters are about files as the program knows them.
fn stack_filter(
    filter: Filter,
    facts: &[(MetaKey, String)],
    redaction: Option<Arc<Mutex<Redaction>>>,
) -> StackFilter {
    let filter = RecordingFilter::new(filter, facts);
    let keep = move |lines: &[(&str, u32)]| {
        lines.first().is_none_or(|(file, _)| match redaction.as_deref().map(locked::<Redaction>) {
            None => filter.allows(file),
            Some(Some(redaction)) => filter.allows(redaction.original(file)),
            Some(None) => true,
        })
    };
    StackFilter { depth: 1, keep: Box::new(keep) }
}

/// The files of this process by the names that its capture has for them; for those who show files to the program itself.
pub(crate) fn originals() -> Originals {
    let redaction = locked(&REDACTION).and_then(|known| known.clone());
    redaction
        .and_then(|redaction| locked(&redaction).map(|redaction| redaction.originals().clone()))
        .unwrap_or_default()
}

/// The file that such a name stands for.
pub(crate) fn original(file: String) -> String {
    let Some(redaction) = locked(&REDACTION).and_then(|known| known.clone()) else { return file };
    match locked(&redaction) {
        Some(redaction) => redaction.original(&file).to_owned(),
        None => file,
    }
}

/// The GIL is held by whoever asks, so nobody else does. Only in a child that was forked in that very moment it stays
/// locked, by a thread that is not there: then nothing is known, and nobody must wait.
fn locked<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
