//! Tests that stand in for `close` in this program and in zlib.

use super::*;
use std::ffi::CStr;
use std::sync::atomic::AtomicI32;

/// One test at a time: what is stood in for is the same for the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// Descriptors that no file has.
const FIRST: c_int = 1_000_001;
const SECOND: c_int = 1_000_002;

static LAST_CLOSED: AtomicI32 = AtomicI32::new(0);
static REAL_CLOSE: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    if descriptor >= FIRST {
        LAST_CLOSED.store(descriptor, Ordering::Relaxed);
    }
    let real = REAL_CLOSE.load(Ordering::Relaxed) as *const ();
    // SAFETY: it is the real function.
    unsafe { std::mem::transmute::<*const (), unsafe extern "C" fn(c_int) -> c_int>(real)(descriptor) }
}

fn stand_in_for_close() {
    // SAFETY: a constant name; what stands in calls the real function.
    unsafe {
        let real = libc::dlsym(libc::RTLD_DEFAULT, c"close".as_ptr()) as usize;
        REAL_CLOSE.store(real, Ordering::Relaxed);
        let ours = close as *const () as usize;
        install(vec![Substitute { name: b"close\0", real, ours }], stand_in_for_close as *const () as usize);
    }
}

fn last_closed() -> c_int {
    LAST_CLOSED.swap(0, Ordering::Relaxed)
}

/// Entries that lead to us.
fn entries() -> Vec<(usize, usize)> {
    standing().iter().flat_map(|standing| &standing.replaced).map(|entry| (entry.slot, entry.ours)).collect()
}

fn value(slot: usize) -> usize {
    // SAFETY: the entries of this program and of libraries that stay loaded can be read.
    unsafe { AtomicUsize::from_ptr(slot as *mut usize) }.load(Ordering::Relaxed)
}

fn is_writable(address: usize) -> bool {
    let mut is_writable = None;
    // SAFETY: nothing is replaced.
    unsafe {
        replace(address, 0, 0, |now| {
            is_writable = Some(now);
            false
        })
    };
    is_writable.expect("the page is mapped")
}

#[test]
fn calls_come_by_until_all_is_put_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: no file has this descriptor.
    unsafe { libc::close(FIRST) };
    assert_eq!(last_closed(), 0);
    stand_in_for_close();
    let replaced = entries();
    assert!(replaced.iter().all(|(slot, ours)| value(*slot) == *ours));
    // Rust links programs so that the table is read-only once they are loaded: it still is.
    assert!(replaced.iter().any(|(slot, _)| !is_writable(*slot)));
    // SAFETY: as above.
    unsafe {
        libc::close(FIRST);
        assert_eq!(*libc::__errno_location(), libc::EBADF);
    }
    assert_eq!(last_closed(), FIRST);
    stand_in_for_close();
    assert_eq!(entries(), replaced, "again is the same");
    remove();
    // SAFETY: as above.
    unsafe { libc::close(FIRST) };
    assert_eq!(last_closed(), 0);
    assert!(replaced.iter().all(|(slot, ours)| value(*slot) != *ours));
    remove();
}

#[test]
fn a_library_that_is_loaded_later_is_seen_when_it_is_asked_for_a_function() {
    type Open = unsafe extern "C" fn(c_int, *const std::ffi::c_char) -> *mut c_void;
    type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
    fn function(library: *mut c_void, name: &CStr) -> *mut c_void {
        // SAFETY: the library is loaded.
        unsafe { libc::dlsym(library, name.as_ptr()) }
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    stand_in_for_close();
    // SAFETY: zlib runs nothing when it is loaded; its functions are used as its manual says.
    unsafe {
        let library = libc::dlopen(c"libz.so.1".as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if library.is_null() {
            remove();
            return;
        }
        assert!(function(library, c"no_such_function").is_null());
        let message = CStr::from_ptr(libc::dlerror()).to_string_lossy();
        assert!(message.contains("undefined symbol: no_such_function"), "{message}");
        let open = std::mem::transmute::<*mut c_void, Open>(function(library, c"gzdopen"));
        let close = std::mem::transmute::<*mut c_void, Close>(function(library, c"gzclose"));
        close(open(SECOND, c"r".as_ptr()));
        assert_eq!(last_closed(), SECOND);
        remove();
        close(open(SECOND, c"r".as_ptr()));
        assert_eq!(last_closed(), 0);
        stand_in_for_close();
        let loaded = entries().len();
        libc::dlclose(library);
        assert!(!function(libc::RTLD_DEFAULT, c"close").is_null());
        assert!(entries().len() <= loaded);
    }
    remove();
}

#[test]
fn what_leads_elsewhere_is_left_alone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let real = stand_in_for_close as *const () as usize;
    let ours = close as *const () as usize;
    // SAFETY: nothing leads to the function that is named as the real one.
    unsafe { install(vec![Substitute { name: b"close\0", real, ours }], real) };
    // SAFETY: no file has this descriptor.
    unsafe { libc::close(FIRST) };
    assert_eq!(last_closed(), 0);
    remove();
}
