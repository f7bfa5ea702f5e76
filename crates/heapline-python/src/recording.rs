//! What a recording is asked to do, from what its owner wants.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use heapline_analyze::{Filter, RecordingFilter, Redaction};
use heapline_format::MetaKey;
use heapline_trace::{FileNames, Limits, Options, StackFilter};

/// What its owner wants of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// What is to be recorded; `None` for all.
    pub(crate) filter: Option<Filter>,
    /// Whether the capture tells nothing of the program's surroundings.
    pub(crate) redact: bool,
    pub(crate) limits: Limits,
    /// Whether the interpreter has a JIT.
    pub(crate) jit: bool,
}

/// Options of a recording of a process of which these facts are true.
pub(crate) fn options(output: Option<PathBuf>, facts: &[(MetaKey, String)], wishes: Wishes) -> Options {
    let Wishes { filter, redact, limits, jit } = wishes;
    let redaction = redact.then(|| Arc::new(Mutex::new(Redaction::new(facts))));
    let filter = filter.map(|filter| stack_filter(filter, facts, redaction.clone()));
    let file_names = redaction.map(|redaction| FileNames {
        rename: Box::new(move |file| match locked(&redaction) {
            Some(mut redaction) => redaction.file(file),
            None => "<redacted>".to_owned(),
        }),
    });
    let meta = if redact { Redaction::facts(facts) } else { facts.to_vec() };
    Options { output, meta, limits, jit, filter, file_names }
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
        lines.first().is_none_or(|(file, _)| match redaction.as_deref().map(locked) {
            None => filter.allows(file),
            Some(Some(redaction)) => filter.allows(redaction.original(file)),
            Some(None) => true,
        })
    };
    StackFilter { depth: 1, keep: Box::new(keep) }
}

/// The GIL is held by whoever asks, so nobody else does. Only in a child that was forked in that very moment it stays
/// locked, by a thread that is not there: then nothing is known, and nobody must wait.
fn locked(redaction: &Mutex<Redaction>) -> Option<MutexGuard<'_, Redaction>> {
    match redaction.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
