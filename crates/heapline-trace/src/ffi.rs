//! The interpreter's functions that lie outside the limited API, declared by hand and resolved by `dlsym`.
//!
//! Nothing here is linked against a particular CPython: one build serves every version. A function that a version
//! lacks is `None`; one that recording cannot do without makes [`Api::resolve`] fail with its name.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use crate::error::Error;
use crate::thread_local::{self, CALLING};

/// A Python object; never looked into from here.
#[repr(C)]
#[derive(Debug)]
pub struct PyObject {
    _opaque: [u8; 0],
}

/// A thread state; read only through [`crate::layout`].
#[repr(C)]
#[derive(Debug)]
pub struct PyThreadState {
    _opaque: [u8; 0],
}

/// CPython's `PyMemAllocatorEx`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    pub(crate) ctx: *mut c_void,
    pub(crate) malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    pub(crate) realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// CPython's `PyRefTracer`.
pub(crate) type RefTracer = unsafe extern "C" fn(*mut PyObject, c_int, *mut c_void) -> c_int;

macro_rules! api {
    (
        required { $($(#[$rdoc:meta])* $rname:ident = $($rsymbol:literal)|+ : fn($($rarg:ty),*) $(-> $rret:ty)?;)* }
        optional { $($(#[$odoc:meta])* $oname:ident = $($osymbol:literal)|+ : fn($($oarg:ty),*) $(-> $oret:ty)?;)* }
    ) => {
        /// The functions of the interpreter that this process runs.
        #[derive(Debug)]
        pub(crate) struct Api {
            $($(#[$rdoc])* pub(crate) $rname: unsafe extern "C" fn($($rarg),*) $(-> $rret)?,)*
            $($(#[$odoc])* pub(crate) $oname: Option<unsafe extern "C" fn($($oarg),*) $(-> $oret)?>,)*
        }

        impl Api {
            fn resolve() -> Result<Self, String> {
                Ok(Self {
                    $($rname: {
                        let found = first(&[$($rsymbol),+]).ok_or(concat!("it has no ", $($rsymbol, " "),+))?;
                        // SAFETY: the symbol of this name is the C function with this signature, in every
                        // CPython from 3.10; all function pointers have the size of a data pointer here.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($rarg),*) $(-> $rret)?>(found) }
                    },)*
                    $($oname: first(&[$($osymbol),+]).map(|found| {
                        // SAFETY: as above.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($oarg),*) $(-> $oret)?>(found) }
                    }),)*
                })
            }

            /// An interpreter none of whose functions may be called, for tests to put some in their places.
            #[cfg(test)]
            pub(crate) fn absent() -> Self {
                Self {
                    $($rname: {
                        unsafe extern "C" fn absent($(_: $rarg),*) $(-> $rret)? {
                            std::process::abort()
                        }
                        absent
                    },)*
                    $($oname: None,)*
                }
            }
        }
    };
}

api! {
    required {
        get_allocator = "PyMem_GetAllocator": fn(c_int, *mut Allocator);
        set_allocator = "PyMem_SetAllocator": fn(c_int, *mut Allocator);
        raw_malloc = "PyMem_RawMalloc": fn(usize) -> *mut c_void;
        raw_free = "PyMem_RawFree": fn(*mut c_void);
        mem_malloc = "PyMem_Malloc": fn(usize) -> *mut c_void;
        mem_free = "PyMem_Free": fn(*mut c_void);
        object_malloc = "PyObject_Malloc": fn(usize) -> *mut c_void;
        object_free = "PyObject_Free": fn(*mut c_void);
        /// The calling thread's state, or null (3.10, 3.11: the state of whoever holds the GIL).
        thread_state = "PyThreadState_GetUnchecked" | "_PyThreadState_UncheckedGet": fn() -> *mut PyThreadState;
        save_thread = "PyEval_SaveThread": fn() -> *mut PyThreadState;
        restore_thread = "PyEval_RestoreThread": fn(*mut PyThreadState);
        gilstate_this_thread = "PyGILState_GetThisThreadState": fn() -> *mut PyThreadState;
        gilstate_check = "PyGILState_Check": fn() -> c_int;
        thread_state_interpreter = "PyThreadState_GetInterpreter": fn(*mut PyThreadState) -> *mut c_void;
        interpreter_main = "PyInterpreterState_Main": fn() -> *mut c_void;
        thread_state_frame = "PyThreadState_GetFrame": fn(*mut PyThreadState) -> *mut PyObject;
        frame_back = "PyFrame_GetBack": fn(*mut PyObject) -> *mut PyObject;
        frame_code = "PyFrame_GetCode": fn(*mut PyObject) -> *mut PyObject;
        frame_line = "PyFrame_GetLineNumber": fn(*mut PyObject) -> c_int;
        code_line = "PyCode_Addr2Line": fn(*mut PyObject, c_int) -> c_int;
        decref = "Py_DecRef": fn(*mut PyObject);
        call = "PyObject_CallObject": fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        getattr = "PyObject_GetAttrString": fn(*mut PyObject, *const c_char) -> *mut PyObject;
        generic_getattr = "PyObject_GenericGetAttr": fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        intern = "PyUnicode_InternFromString": fn(*const c_char) -> *mut PyObject;
        as_long = "PyLong_AsLong": fn(*mut PyObject) -> std::ffi::c_long;
        string_length = "PyUnicode_GetLength": fn(*mut PyObject) -> isize;
        string_as_ucs4 = "PyUnicode_AsUCS4": fn(*mut PyObject, *mut u32, isize, c_int) -> *mut u32;
        type_flags = "PyType_GetFlags": fn(*mut PyObject) -> std::ffi::c_ulong;
        error_occurred = "PyErr_Occurred": fn() -> *mut PyObject;
        error_matches = "PyErr_ExceptionMatches": fn(*mut PyObject) -> c_int;
        error_fetch = "PyErr_Fetch": fn(*mut *mut PyObject, *mut *mut PyObject, *mut *mut PyObject);
        error_restore = "PyErr_Restore": fn(*mut PyObject, *mut PyObject, *mut PyObject);
        error_clear = "PyErr_Clear": fn();
        error_print = "PyErr_PrintEx": fn(c_int);
        gc_disable = "PyGC_Disable": fn() -> c_int;
        gc_enable = "PyGC_Enable": fn() -> c_int;
        tuple_new = "PyTuple_New": fn(isize) -> *mut PyObject;
        /// Takes the item over, also when it fails.
        tuple_set_item = "PyTuple_SetItem": fn(*mut PyObject, isize, *mut PyObject) -> c_int;
        decode_utf8 = "PyUnicode_DecodeUTF8": fn(*const c_char, isize, *const c_char) -> *mut PyObject;
        long_from_unsigned = "PyLong_FromUnsignedLong": fn(std::ffi::c_ulong) -> *mut PyObject;
        get_version = "Py_GetVersion": fn() -> *const c_char;
    }
    optional {
        /// Looks an attribute up on a type's MRO without calling anything; borrowed.
        type_lookup = "_PyType_Lookup": fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        allocator_name = "_PyMem_GetCurrentAllocatorName": fn() -> *const c_char;
        /// 3.13 and later.
        ref_tracer_set = "PyRefTracer_SetTracer": fn(Option<RefTracer>, *mut c_void) -> c_int;
        ref_tracer_get = "PyRefTracer_GetTracer": fn(*mut *mut c_void) -> Option<RefTracer>;
    }
}

/// Address of an exported data symbol of the interpreter, or null.
pub(crate) fn data_symbol(name: &CStr) -> *mut u8 {
    // SAFETY: dlsym with a valid C string; the result is only an address.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()).cast() }
}

fn first(names: &[&str]) -> Option<*mut c_void> {
    names.iter().find_map(|name| {
        let name = std::ffi::CString::new(*name).ok()?;
        let found = data_symbol(&name);
        (!found.is_null()).then_some(found.cast())
    })
}

static API: OnceLock<Result<Api, String>> = OnceLock::new();

/// The interpreter's functions; an error names the first one that is missing.
pub(crate) fn api() -> Result<&'static Api, Error> {
    API.get_or_init(Api::resolve).as_ref().map_err(|missing| Error::Unsupported(missing.clone()))
}

/// `(major, minor)` and `PY_VERSION_HEX` of the interpreter.
pub(crate) fn version(api: &Api) -> ((u8, u8), u32) {
    let hex = data_symbol(c"Py_Version");
    if !hex.is_null() {
        // SAFETY: `Py_Version` (3.11+) is a constant of type `unsigned long`.
        let hex = unsafe { hex.cast::<std::ffi::c_ulong>().read() } as u32;
        return (((hex >> 24) as u8, (hex >> 16) as u8), hex);
    }
    // SAFETY: Py_GetVersion returns a static C string such as "3.10.13 (main, ...) [GCC ...]".
    let text = unsafe { CStr::from_ptr((api.get_version)()) }.to_string_lossy();
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u8>().ok());
    let (major, minor, micro) =
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let hex = u32::from_be_bytes([major, minor, micro, 0xF0]);
    ((major, minor), hex)
}

/// Whether the interpreter was built to check its references and itself (`--with-pydebug`). From 3.14 on such a build ends
/// the process when an object is given back in the middle of an allocation, as public functions may have it.
pub(crate) fn checks_references() -> bool {
    !data_symbol(c"_Py_NegativeRefcount").is_null()
}

/// Runs a `body` that may run the interpreter: any exception that is set is put aside, and put back afterwards, and whatever
/// is freed meanwhile is booked, also where a hook calls this. Looking an attribute up, for one, puts its name into a cache
/// of the interpreter's in the place of another, and that one may have been kept alive by nothing else.
///
/// # Safety
/// The caller holds the GIL.
pub(crate) unsafe fn calling_interpreter<R>(api: &Api, body: impl FnOnce() -> R) -> R {
    let local = thread_local::current();
    // SAFETY: the block is this thread's own.
    let inside = unsafe { (*local).inside };
    if inside != 0 {
        // SAFETY: as above.
        unsafe { (*local).inside = CALLING };
    }
    let mut saved = [std::ptr::null_mut(); 3];
    let [kind, value, traceback] = &mut saved;
    // SAFETY: the caller holds the GIL; fetch hands over owned references that restore takes back.
    unsafe {
        let pending = !(api.error_occurred)().is_null();
        if pending {
            (api.error_fetch)(kind, value, traceback);
        }
        let result = body();
        (api.error_clear)();
        if pending {
            (api.error_restore)(*kind, *value, *traceback);
        }
        (*local).inside = inside;
        result
    }
}

/// Copies a `str` without allocating in Python; lone surrogates become U+FFFD. At most `limit` characters.
///
/// # Safety
/// `object` is a ready `str`, and the caller holds the GIL.
pub(crate) unsafe fn copy_string(api: &Api, object: *mut PyObject, limit: usize) -> Option<String> {
    // SAFETY: the caller vouches for the object; AsUCS4 writes at most the length that it is given, and with
    // `copy_null` 0 it does not write a terminator.
    unsafe {
        let length = usize::try_from((api.string_length)(object)).ok()?;
        let mut buffer = vec![0u32; length];
        if length > 0 && (api.string_as_ucs4)(object, buffer.as_mut_ptr(), length as isize, 0).is_null() {
            return None;
        }
        let text = buffer.into_iter().map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
        Some(text.take(limit).collect())
    }
}
