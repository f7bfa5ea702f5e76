//! Stands in for `_PyTraceMalloc_GetTraceback`: the stack of a block, as Python objects.
//!
//! What tracemalloc itself knows goes first. All else is copied out of the books before a Python object is made, because
//! making one allocates, and that is booked.

use std::ffi::{CStr, c_uint};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::block_table::{Block, Entry};
use crate::domain::PYTHON;
use crate::environment;
use crate::errno::preserving_errno;
use crate::ffi::{self, Api, PyObject, calling_interpreter};
use crate::hooks::{self, Caller};
use crate::remote;
use crate::thread_local;

/// What [`limit_tracebacks`] said; 0: nothing.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Tells that a face of tracemalloc is open (how many frames it shows at most) or closed (`None`). While it is open,
/// tracebacks are cut to that, and a thread that announces a block without the GIL waits for the GIL, as with the
/// standard module: its stack can be read then.
pub fn limit_tracebacks(frames: Option<u32>) {
    LIMIT.store(frames.map_or(0, |frames| frames as usize), Ordering::Relaxed);
}

/// The most frames of a traceback, if a face of tracemalloc is open.
pub(crate) fn limit() -> Option<usize> {
    Some(LIMIT.load(Ordering::Relaxed)).filter(|limit| *limit != 0)
}

/// What tracemalloc shows where no Python frame was.
const NO_FRAME: &CStr = c"<unknown>";

type GetTraceback = unsafe extern "C" fn(c_uint, usize) -> *mut PyObject;

/// The interpreter's own function, 0 before it is stood in for.
pub(crate) static REAL: AtomicUsize = AtomicUsize::new(0);

/// A tuple of (file name, line number), innermost frame first, or `None`.
///
/// # Safety
/// The caller holds the GIL, as the function that this stands in for demands.
pub(crate) unsafe extern "C" fn get(domain: c_uint, address: usize) -> *mut PyObject {
    let real = REAL.load(Ordering::Acquire);
    // SAFETY: whoever is led here was to be led there.
    let answer =
        unsafe { std::mem::transmute::<*const (), GetTraceback>(real as *const ())(domain, address) };
    if !std::ptr::eq(answer, ffi::data_symbol(c"_Py_NoneStruct").cast()) {
        return answer;
    }
    let Some(environment) = environment::known() else { return answer };
    let Some(frames) = preserving_errno(|| frames(domain, address)) else { return answer };
    // SAFETY: the GIL is held, and the answer was a new reference.
    unsafe {
        let found = calling_interpreter(environment.api, || tuple(environment.api, &frames));
        if found.is_null() {
            return answer;
        }
        (environment.api.decref)(answer);
        found
    }
}

/// The frames of a block that is live, if the calling thread may look into the books.
fn frames(domain: u32, address: usize) -> Option<Vec<(String, u32)>> {
    // A recording alone changes nothing that the program can see.
    let limit = limit()?;
    let session = hooks::session_to_book_in(0);
    // SAFETY: a session ends only with the main GIL held, which `raw_caller` finds to be this thread's before the
    // books are looked at; a thread that is not inside a hook is not in the middle of them.
    unsafe {
        let is_inside = (*thread_local::current()).inside != 0;
        let Caller::Main(_) = hooks::raw_caller(environment::known()?) else { return None };
        let session = session.as_ref().filter(|_| !is_inside)?;
        let recorder = &mut *session.recorder.get();
        recorder.book(&mut remote::desk());
        let known = session.tracked.get(domain, address).or_else(|| match session.blocks.get(address) {
            Entry::Block(block) if domain == PYTHON => Some(block),
            Entry::Watched(number) if domain == PYTHON => recorder.tree.watched_block(number),
            _ => None,
        });
        let account = known.map(|Block { account, .. }| account)?;
        let tree = &recorder.tree;
        let lines = tree.lines(tree.table.node_of(account), limit);
        Some(lines.into_iter().map(|(file, line)| (file.to_owned(), line)).collect())
    }
}

/// The frames as Python objects; null when there is no memory for them.
///
/// # Safety
/// The caller holds the GIL.
unsafe fn tuple(api: &Api, frames: &[(String, u32)]) -> *mut PyObject {
    // SAFETY: the GIL is held; tuples take over their items, and items that are missing are allowed in one that is
    // given up.
    unsafe {
        let whole = (api.tuple_new)(frames.len().max(1) as isize);
        if whole.is_null() {
            return whole;
        }
        let unknown = (frames.is_empty()).then(|| (NO_FRAME.to_bytes(), 0));
        let frames = frames.iter().map(|(file, line)| (file.as_bytes(), *line));
        for (index, (file, line)) in unknown.into_iter().chain(frames).enumerate() {
            let pair = (api.tuple_new)(2);
            let file = (api.decode_utf8)(file.as_ptr().cast(), file.len() as isize, c"replace".as_ptr());
            let line = (api.long_from_unsigned)(line.into());
            let is_whole = !pair.is_null() && !file.is_null() && !line.is_null();
            if !is_whole {
                [pair, file, line, whole].into_iter().filter(|object| !object.is_null()).for_each(|object| {
                    (api.decref)(object);
                });
                return std::ptr::null_mut();
            }
            (api.tuple_set_item)(pair, 0, file);
            (api.tuple_set_item)(pair, 1, line);
            (api.tuple_set_item)(whole, index as isize, pair);
        }
        whole
    }
}
