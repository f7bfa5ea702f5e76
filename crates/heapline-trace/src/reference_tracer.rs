//! Sees objects that come back from a free list, from CPython 3.13 on.
//!
//! The interpreter keeps some freed objects (floats, tuples, lists, dicts...) for the next of their kind, which then
//! needs no allocation. Its reference tracer is called for every new object: if it is not the block that was just
//! allocated, its memory was used before, and its block moves to the stack that uses it now. Such a move counts as an
//! allocation there.
//!
//! There is one place for a tracer in the interpreter. Whoever had it is called on, and gets it back at the end if it
//! is still ours; a tracer that took our place meanwhile is left alone, and the loss is counted.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

use heapline_format::LossKind;

use crate::cost_meter::Event;
use crate::environment::{self, Environment};
use crate::fast_path::{self, Again, Made, TYPE_FLAGS};
use crate::ffi::{Api, PyObject, RefTracer};
use crate::fork::SESSION;
use crate::layout::read;
use crate::own_cost;
use crate::recorder::{Attached, Domain, Recorder};
use crate::session::Session;
use crate::thread_local;

/// Event of the interpreter: a new reference was made.
const CREATE: c_int = 0;

/// Who had the interpreter's place before us.
struct Previous(UnsafeCell<(Option<RefTracer>, *mut c_void)>);

// SAFETY: read and written only with the GIL held.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new((None, std::ptr::null_mut())));

/// Whether revived objects can be seen with this interpreter. The caller holds the GIL.
pub(crate) fn is_possible(environment: &Environment) -> bool {
    let api = environment.api;
    // The type of code objects is used to check that flags stand where they are read.
    let flags: u64 = match api.ref_tracer_set.and(api.ref_tracer_get) {
        // SAFETY: the type is static and larger than this.
        Some(_) => unsafe { read(environment.code_type.cast(), TYPE_FLAGS) },
        None => return false,
    };
    // SAFETY: any thread may ask for a type's flags.
    environment.layout.is_some()
        && flags == unsafe { (api.type_flags)(environment.code_type.cast_mut()) }
        && tracer(environment).is_some()
        && !fast_path::attached::<0>(true).is_null()
}

/// Our tracer for this interpreter.
fn tracer(environment: &Environment) -> Option<RefTracer> {
    match environment.layout.map(crate::token_walk::index) {
        Some(3) => Some(trace::<3>),
        Some(4) => Some(trace::<4>),
        _ => None,
    }
}

fn is_ours(found: Option<RefTracer>) -> bool {
    let ours: [RefTracer; 2] = [trace::<3>, trace::<4>];
    found.is_some_and(|found| ours.into_iter().any(|own| std::ptr::fn_addr_eq(own, found)))
}

fn current(api: &Api) -> (Option<RefTracer>, *mut c_void) {
    let mut data = std::ptr::null_mut();
    // SAFETY: the callers hold the GIL.
    let tracer = api.ref_tracer_get.and_then(|get| unsafe { get(&raw mut data) });
    (tracer, data)
}

/// Takes the interpreter's place for a tracer.
///
/// # Safety
/// The caller holds the GIL, and [`is_possible`] said so.
pub(crate) unsafe fn install(environment: &Environment) {
    let found = current(environment.api);
    // SAFETY: as the caller promises.
    unsafe {
        if !is_ours(found.0) {
            *PREVIOUS.0.get() = found;
        }
        if let Some(set) = environment.api.ref_tracer_set {
            set(tracer(environment), std::ptr::null_mut());
        }
    }
}

/// Gives the place back, if it is still ours.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn remove(api: &Api) {
    if is_ours(current(api).0)
        && let Some(set) = api.ref_tracer_set
    {
        // SAFETY: as the caller promises.
        unsafe {
            let (previous, data) = *PREVIOUS.0.get();
            set(previous, data);
        }
    }
}

/// What became of our place, looked at now and then.
///
/// # Safety
/// As for [`install`]; the tracer was installed.
pub(crate) unsafe fn check(environment: &Environment, recorder: &Recorder) {
    let (found, _) = current(environment.api);
    if is_ours(found) {
        return;
    }
    recorder.tree.capture.lost(LossKind::TracerReplaced).fetch_add(1, Ordering::Relaxed);
    if found.is_none() {
        // Whoever took it gave it up (`tracemalloc.stop` sets none): it is not called on any more.
        // SAFETY: as the caller promises.
        unsafe {
            *PREVIOUS.0.get() = (None, std::ptr::null_mut());
            install(environment);
        }
    }
}

/// What is called for each object: it ends with a jump, so that nothing is kept on the stack for the few that take longer.
unsafe extern "C" fn trace<const V: usize>(object: *mut PyObject, event: c_int, _: *mut c_void) -> c_int {
    // SAFETY: the interpreter calls with the GIL of some interpreter held, and with a live object if the event is
    // CREATE. This tracer is installed only where the interpreter has layout `V` and its thread states are found.
    unsafe {
        if (*PREVIOUS.0.get()).0.is_some() {
            return trace_slowly::<V>(object, event);
        }
        if event != CREATE {
            return 0;
        }
        match fast_path::made::<V>(object.cast_const().cast()) {
            Made::Known => 0,
            Made::Elsewhere(session, state) => trace_elsewhere::<V>(object, session, state),
            Made::Unknown => trace_slowly::<V>(object, event),
        }
    }
}

/// An object that was made of something else than the latest block.
///
/// # Safety
/// As for [`trace`], which the interpreter has called; for the others see [`fast_path::made_elsewhere`].
#[inline(never)]
unsafe extern "C" fn trace_elsewhere<const V: usize>(
    object: *mut PyObject,
    session: *mut Session,
    state: *const u8,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        match fast_path::made_elsewhere::<V>(object.cast_const().cast(), session, state) {
            Again::Known => 0,
            Again::Unknown(address) => trace_in_new_frames::<V>(object, session, state, address),
        }
    }
}

/// The same below new frames.
///
/// # Safety
/// As for [`trace_elsewhere`], which has found that the thread is outside of hooks, and that the block is not the latest.
#[inline(never)]
unsafe extern "C" fn trace_in_new_frames<const V: usize>(
    object: *mut PyObject,
    session: *mut Session,
    state: *const u8,
    address: usize,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        if fast_path::revived_elsewhere::<V>(session, state, address) {
            0
        } else {
            trace_slowly::<V>(object, CREATE)
        }
    }
}

/// # Safety
/// As for [`trace`], which the interpreter has called.
#[inline(never)]
unsafe extern "C" fn trace_slowly<const V: usize>(object: *mut PyObject, event: c_int) -> c_int {
    // SAFETY: as in `trace`. The one who had the place before is called as the interpreter would.
    unsafe {
        let (previous, data) = *PREVIOUS.0.get();
        let answer = previous.map_or(0, |previous| previous(object, event, data));
        if event == CREATE
            && let Some(environment) = environment::known()
        {
            created::<V>(environment, object.cast_const().cast());
        }
        answer
    }
}

/// # Safety
/// The calling thread holds some interpreter's GIL; the object is alive.
unsafe fn created<const V: usize>(environment: &Environment, object: *const u8) {
    let session = SESSION.load(Ordering::Acquire);
    // SAFETY: as the caller promises. The session is used only once the thread is known to hold the main interpreter's
    // GIL.
    unsafe {
        let state = fast_path::attached::<V>(true);
        if session.is_null() || state.is_null() {
            return;
        }
        let address = fast_path::block_of(object);
        let recorder = &mut *(*session).recorder.get();
        let local = thread_local::current();
        // To be asked once: the answer is forgotten.
        if recorder.was_just_allocated(address) || (*local).inside != 0 {
            return;
        }
        if recorder.is_timed() {
            let recorder = (*session).recorder.get();
            return own_cost::time(recorder, Event::Move, || {
                if !fast_path::created::<V>(object) {
                    created::<V>(environment, object);
                }
            });
        }
        if fast_path::revived_elsewhere::<V>(session, state, address) {
            return;
        }
        (*local).inside = 1;
        let thread = Attached { state, local, domain: Domain::WithGil };
        recorder.revived_elsewhere(environment.api, &(*session).blocks, thread, address);
        (*local).inside = 0;
    }
}
