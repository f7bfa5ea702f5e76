//! Standing in for functions of the interpreter wherever loaded objects refer to them: in their global offset tables.
//!
//! An entry is replaced only if it leads to the function that is stood in for, or has not been used yet and so leads back
//! into its own object. Everything else (another tool's hook, an object that is just being loaded) is left alone and looked
//! at again later.
//!
//! Extension modules that are imported later are seen when the interpreter asks for their init function: its own entry
//! for `dlsym` leads here while anything is stood in for. That is later than `dlopen` would be, as late as is early
//! enough, and unlike `dlopen` it can be handed on by a jump: the real function sees the interpreter as its caller,
//! whose search paths it goes by, and nothing runs after it that could disturb what it answers.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use libc::{dl_iterate_phdr, dl_phdr_info};
use rustc_hash::FxHashSet;

use crate::elf_object::{Object, Reference};
use crate::errno::preserving_errno;
use crate::page_protection::replace;

/// A function that is stood in for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Substitute {
    /// Its name, which ends in 0.
    pub(crate) name: &'static [u8],
    /// Where it is.
    pub(crate) real: usize,
    /// What stands in for it: code that stays as long as the process.
    pub(crate) ours: usize,
}

/// Stood in for as well, but only where the interpreter refers to it.
const DLSYM: &[u8] = b"dlsym\0";

/// The real `dlsym`.
static REAL_DLSYM: AtomicUsize = AtomicUsize::new(0);

/// Most functions that can be stood in for at once.
const MOST: usize = 8;

/// What is stood in for now; `None`: nothing.
static STANDING: Mutex<Option<Standing>> = Mutex::new(None);

#[derive(Debug)]
struct Standing {
    substitutes: Vec<Substitute>,
    /// An address in the object that imports extension modules.
    interpreter: usize,
    replaced: Vec<Replaced>,
    /// Objects that need not be looked at again.
    seen: FxHashSet<usize>,
    /// How often objects were loaded and unloaded when all of them had been seen.
    loaded: (u64, u64),
}

/// An entry that leads to us.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    slot: usize,
    before: usize,
    ours: usize,
}

fn standing() -> MutexGuard<'static, Option<Standing>> {
    // What a panic could leave half done is an entry that leads to us and is not known: it passes everything through.
    STANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on these functions are stood in for. `interpreter`: address of one of the interpreter's own functions.
///
/// # Safety
/// What stands in behaves as the function does.
pub(crate) unsafe fn install(mut substitutes: Vec<Substitute>, interpreter: usize) {
    // Before the lock: the call may come by our own `dlsym`.
    // SAFETY: a constant name.
    let real = unsafe { libc::dlsym(libc::RTLD_DEFAULT, DLSYM.as_ptr().cast()) } as usize;
    if real != 0 {
        REAL_DLSYM.store(real, Ordering::Release);
        substitutes.push(Substitute { name: DLSYM, real, ours: dlsym as *const () as usize });
    }
    let mut standing = standing();
    let replaced = standing.take().map(|before| before.replaced).unwrap_or_default();
    let seen = FxHashSet::default();
    scan(standing.insert(Standing { substitutes, interpreter, replaced, seen, loaded: (0, 0) }));
}

/// From now on nothing is stood in for: entries that lead to us are as before.
pub(crate) fn remove() {
    if let Some(mut standing) = standing().take() {
        // SAFETY: the callback does what `dl_iterate_phdr` demands, and the data outlives the call.
        unsafe { dl_iterate_phdr(Some(restore_in), (&raw mut standing.replaced).cast()) };
    }
}

/// Makes this usable in a forked child, where whoever had it in hand may not exist any more: entries that lead to us stay.
///
/// # Safety
/// The caller is the only thread of the process.
pub(crate) unsafe fn reset_after_fork() {
    if matches!(STANDING.try_lock(), Err(TryLockError::WouldBlock)) {
        // SAFETY: no other thread exists, so nobody holds or waits for the mutex. The old value is leaked, not dropped:
        // it may be half written. A std mutex has no state outside itself.
        unsafe { (&raw const STANDING).cast_mut().write(Mutex::new(None)) };
    }
}

/// Stands in for `dlsym`: looks at what was loaded, and jumps on.
#[unsafe(naked)]
unsafe extern "C" fn dlsym() {
    core::arch::naked_asm!(
        "push rdi",
        "push rsi",
        // The stack is a multiple of 16 bytes at a call.
        "sub rsp, 8",
        "call {before}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "jmp rax",
        before = sym before_dlsym,
    )
}

/// Sees to objects that are new, and says where the real `dlsym` is.
extern "C" fn before_dlsym() -> usize {
    preserving_errno(|| {
        if let Some(standing) = standing().as_mut() {
            scan(standing);
        }
    });
    REAL_DLSYM.load(Ordering::Acquire)
}

/// One look at all objects.
struct Scan<'a> {
    standing: &'a mut Standing,
    /// How often objects were loaded and unloaded, once the first one was shown.
    loaded: Option<(u64, u64)>,
    /// Every object shown was seen to.
    is_complete: bool,
}

fn scan(standing: &mut Standing) {
    let mut scan = Scan { standing, loaded: None, is_complete: true };
    // SAFETY: the callback does what `dl_iterate_phdr` demands, and the data outlives the call.
    unsafe { dl_iterate_phdr(Some(visit), (&raw mut scan).cast()) };
    if let Some(loaded) = scan.loaded.filter(|_| scan.is_complete) {
        scan.standing.loaded = loaded;
    }
}

/// Looks at one object. What is not 0 ends the look at all of them.
unsafe extern "C" fn visit(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the data is what `scan` gave. An object that is shown cannot be unloaded meanwhile: the dynamic linker
    // takes it off its list first, under the lock that it holds while it shows the list.
    let (scan, info) = unsafe { (&mut *data.cast::<Scan<'_>>(), &*info) };
    let loaded = (info.dlpi_adds, info.dlpi_subs);
    let standing = &mut *scan.standing;
    if scan.loaded.replace(loaded).is_none() {
        if standing.loaded == loaded {
            return 1;
        }
        if standing.loaded.1 != loaded.1 {
            // Where an object was that is gone another one may be.
            standing.seen.clear();
        }
    }
    // SAFETY: as above.
    let object = unsafe { Object::new(info) };
    if standing.seen.contains(&object.identity()) {
        return 0;
    }
    if standing.look_at(&object) && standing.seen.try_reserve(1).is_ok() {
        standing.seen.insert(object.identity());
    } else {
        scan.is_complete = false;
    }
    0
}

impl Standing {
    /// Replaces the entries of an object; false if it is to be looked at again.
    fn look_at(&mut self, object: &Object<'_>) -> bool {
        let mut names = [&[][..]; MOST];
        for (place, substitute) in names.iter_mut().zip(&self.substitutes) {
            *place = substitute.name;
        }
        let names = &names[..self.substitutes.len().min(MOST)];
        let mut is_done = true;
        object.for_each_reference(names, |reference| is_done &= self.replace(object, reference));
        is_done
    }

    /// Replaces an entry if it is one of those that may be; false if it is to be looked at again.
    fn replace(&mut self, object: &Object<'_>, reference: Reference) -> bool {
        let Reference { name, slot, may_be_lazy } = reference;
        let Some(substitute) = self.substitutes.get(name) else { return true };
        if substitute.name == DLSYM && !object.has_code_at(self.interpreter) {
            return true;
        }
        // SAFETY: the entry lies in a readable segment of a loaded object, at a multiple of 8.
        let held = unsafe { AtomicUsize::from_ptr(slot as *mut usize) }.load(Ordering::Acquire);
        let is_known = self.replaced.iter().any(|replaced| replaced.slot == slot);
        if held == substitute.ours && is_known {
            return true;
        }
        if self.replaced.try_reserve(1).is_err() {
            return false;
        }
        let ours = substitute.ours;
        if held == ours {
            // It was replaced in a process that this one was forked from in the middle of it.
            self.replaced.push(Replaced { slot, before: substitute.real, ours });
            return true;
        }
        let is_lazy = may_be_lazy && object.has_code_at(held);
        if held != substitute.real && !is_lazy {
            return false;
        }
        // An entry that should be read-only by now and is not belongs to an object that is still being loaded.
        let may_write = |is_writable: bool| !(is_writable && object.is_relro(slot));
        // SAFETY: as above; an entry may change at any time, since the dynamic linker fills it at its first use.
        if !unsafe { replace(slot, held, ours, may_write) } {
            return false;
        }
        match self.replaced.iter_mut().find(|replaced| replaced.slot == slot) {
            Some(replaced) => replaced.before = held,
            None => self.replaced.push(Replaced { slot, before: held, ours }),
        }
        true
    }
}

/// Puts back what entries of one object held before.
unsafe extern "C" fn restore_in(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the data is what `remove` gave; as in `visit`.
    let (replaced, object) = unsafe { (&mut *data.cast::<Vec<Replaced>>(), Object::new(&*info)) };
    replaced.retain(|entry| {
        let is_here = object.has_slot(entry.slot);
        if is_here {
            // SAFETY: the entry lies in a segment of a loaded object. What does not lead to us any more is left alone.
            unsafe { replace(entry.slot, entry.ours, entry.before, |_| true) };
        }
        !is_here
    });
    0
}

#[cfg(test)]
mod tests;
