//! What happens when the map of a capture's file fails: somebody truncated the file, or its file system had an error.
//!
//! A store into such a map raises SIGBUS, in the middle of a hook. While a capture is kept in a file, a handler answers
//! for addresses in its map, and for nothing else: it puts zeroed private memory in the place of the whole map, so
//! that the store can be repeated and none fails after it, and says that the capture is lost. The recorder finds that out at
//! its next look and ends the recording. Every other SIGBUS goes to the handler that was there before.
//!
//! Handlers of other tools come and go in any order. One that was put in front of ours may hand on to it for ever, so an
//! instance of ours that is not on top when it is to be removed stays where it is, and the next recording uses
//! another: no instance ever hands on to itself.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::errno::preserving_errno;
use crate::region::Region;

/// Captures in files that can be open at a time; there is one, but for a finished one that is still being read.
const PLACES: usize = 8;
/// Regions of one capture: its header and its tables.
const REGIONS: usize = 16;
const INSTANCES: usize = 8;
const PAGE_BYTES: usize = 4096;

/// `si_code` of an error in memory that nobody has used yet: no instruction waits to be repeated.
const ERROR_ELSEWHERE: c_int = 5;

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// The map of one capture, as the handler sees it.
#[derive(Debug)]
struct Map {
    taken: AtomicBool,
    /// Goes up before and after each change of the regions, so it is odd during one.
    changes: AtomicUsize,
    /// Address and length; those not in use are (0, 0).
    regions: [(AtomicUsize, AtomicUsize); REGIONS],
    /// Address of a word in the page that is the last in the file.
    last: AtomicUsize,
    failed: AtomicBool,
    /// A SIGBUS that came without an address was taken for ours.
    excused: AtomicBool,
}

static MAPS: [Map; PLACES] = [const { Map::new() }; PLACES];

impl Map {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            changes: AtomicUsize::new(0),
            regions: [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; REGIONS],
            last: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            excused: AtomicBool::new(false),
        }
    }

    fn change(&self, change: impl FnOnce()) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        change();
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The regions, unless they are just being changed. Whoever uses a map keeps them as they are.
    fn snapshot(&self) -> Option<[(usize, usize); REGIONS]> {
        let before = self.changes.load(Ordering::SeqCst);
        let mut found = [(0, 0); REGIONS];
        for (found, (start, bytes)) in found.iter_mut().zip(&self.regions) {
            *found = (start.load(Ordering::SeqCst), bytes.load(Ordering::SeqCst));
        }
        (before.is_multiple_of(2) && self.changes.load(Ordering::SeqCst) == before).then_some(found)
    }

    /// Puts private memory in the place of all regions.
    fn replace(regions: &[(usize, usize); REGIONS]) {
        for (start, bytes) in regions {
            if *bytes != 0 {
                zero(*start, *bytes);
            }
        }
    }

    /// If the address lies in this map, has it lead to memory; false if it does not, or if there is none.
    fn answers_for(&self, address: usize) -> bool {
        let within = |(start, bytes): &(usize, usize)| address.wrapping_sub(*start) < *bytes;
        let Some(regions) = self.snapshot() else { return false };
        if !regions.iter().any(within) {
            return false;
        }
        self.failed.store(true, Ordering::SeqCst);
        Self::replace(&regions);
        // Where the system has no room for the region, the one page that is needed may do.
        can_be_read(address) || zero(address & !(PAGE_BYTES - 1), PAGE_BYTES)
    }

    /// Whether a fault in this map may stand behind a SIGBUS that has no address. The answer is yes once at most.
    fn may_have_failed(&self) -> bool {
        let last = self.last.load(Ordering::SeqCst);
        let waits = last != 0 && !self.failed.load(Ordering::SeqCst) && !can_be_read(last);
        waits && !self.excused.swap(true, Ordering::SeqCst)
    }
}

/// Maps zeroed private memory there.
fn zero(start: usize, bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the addresses belong to a region of a capture whose contents nobody relies on any more; the system call
    // may be made in a signal handler.
    unsafe { libc::mmap(start as *mut c_void, bytes, protection, flags, -1, 0) != libc::MAP_FAILED }
}

/// Whether the word at this address can be read: the kernel is asked to, in a call that changes nothing.
fn can_be_read(address: usize) -> bool {
    const NO_SUCH_CHANGE: c_int = -1;
    let null: *mut c_void = std::ptr::null_mut();
    let word = address & !7;
    // SAFETY: the kernel reads the word first and refuses the change afterwards; it checks every address itself.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, NO_SUCH_CHANGE, word, null, size_of::<u64>());
        *libc::__errno_location() != libc::EFAULT
    }
}

/// While this lives, a failing map ends the recording and not the program.
#[derive(Debug)]
pub(crate) struct Guard(&'static Map);

impl Guard {
    /// `None` when too many captures are open.
    pub(crate) fn new() -> Option<Self> {
        let map = MAPS.iter().find(|map| !map.taken.swap(true, Ordering::SeqCst))?;
        map.failed.store(false, Ordering::SeqCst);
        map.excused.store(false, Ordering::SeqCst);
        install();
        Some(Self(map))
    }

    /// Answers for a region as well; it is not unmapped before this is dropped.
    pub(crate) fn cover(&self, region: &Region) {
        let Some((start, bytes)) = self.0.regions.iter().find(|place| place.1.load(Ordering::SeqCst) == 0)
        else {
            return;
        };
        self.0.change(|| {
            start.store(region.base() as usize, Ordering::SeqCst);
            bytes.store(region.bytes(), Ordering::SeqCst);
        });
    }

    /// The file ends with the page at this address.
    pub(crate) fn ends_at(&self, page: *const u8) {
        self.0.last.store(page as usize, Ordering::SeqCst);
    }

    /// Whether the map has failed.
    pub(crate) fn failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// The map will fail, or has: private memory takes its place.
    pub(crate) fn fail(&self) {
        if !self.0.failed.swap(true, Ordering::SeqCst)
            && let Some(regions) = self.0.snapshot()
        {
            Map::replace(&regions);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.last.store(0, Ordering::SeqCst);
        self.0.change(|| {
            for (start, bytes) in &self.0.regions {
                bytes.store(0, Ordering::SeqCst);
                start.store(0, Ordering::SeqCst);
            }
        });
        remove();
        self.0.taken.store(false, Ordering::SeqCst);
    }
}

/// What a handler of ours found: its action (a function, or one of the two constants) and flags.
#[derive(Debug)]
struct Previous {
    action: AtomicUsize,
    flags: AtomicI32,
}

static PREVIOUS: [Previous; INSTANCES] =
    [const { Previous { action: AtomicUsize::new(libc::SIG_DFL), flags: AtomicI32::new(0) } }; INSTANCES];

const HANDLERS: [Handler; INSTANCES] =
    [handle::<0>, handle::<1>, handle::<2>, handle::<3>, handle::<4>, handle::<5>, handle::<6>, handle::<7>];

/// What is known of the instances outside of signal handlers.
#[derive(Debug)]
struct Installed {
    guards: usize,
    /// What an instance found; `None` if it was not put in place, or was removed.
    found: [Option<libc::sigaction>; INSTANCES],
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed { guards: 0, found: [None; INSTANCES] });

fn instance_of(action: &libc::sigaction) -> Option<usize> {
    HANDLERS.iter().position(|handler| *handler as usize == action.sa_sigaction)
}

fn current() -> libc::sigaction {
    // SAFETY: the structure is plain data for which zeros are valid, and sigaction only writes it.
    unsafe {
        let mut found: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut found);
        found
    }
}

fn set(action: &libc::sigaction) {
    // SAFETY: the action is one that the system gave, or one of ours: complete, and never unloaded.
    unsafe { libc::sigaction(libc::SIGBUS, action, std::ptr::null_mut()) };
}

fn set_default() {
    // SAFETY: zeros are valid: no flags, an empty mask.
    let mut default: libc::sigaction = unsafe { std::mem::zeroed() };
    default.sa_sigaction = libc::SIG_DFL;
    set(&default);
}

fn install() {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.guards += 1;
    let found = current();
    if instance_of(&found).is_some() {
        return;
    }
    let Some(number) = installed.found.iter().position(Option::is_none) else { return };
    let is_function = found.sa_sigaction != libc::SIG_DFL && found.sa_sigaction != libc::SIG_IGN;
    // A function that is handed a signal finds the mask, the stack and interrupted system calls as it asked for.
    // Otherwise: on the other stack, because a hook may run at the end of this one.
    let mut ours = found;
    ours.sa_flags = if is_function {
        found.sa_flags & (libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_RESTART) | libc::SA_SIGINFO
    } else {
        libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART
    };
    ours.sa_sigaction = HANDLERS[number] as usize;
    PREVIOUS[number].flags.store(found.sa_flags, Ordering::SeqCst);
    PREVIOUS[number].action.store(found.sa_sigaction, Ordering::SeqCst);
    installed.found[number] = Some(found);
    set(&ours);
}

fn remove() {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.guards -= 1;
    if installed.guards == 0
        && let Some(number) = instance_of(&current())
        && let Some(found) = installed.found[number].take()
    {
        set(&found);
    }
}

unsafe extern "C" fn handle<const NUMBER: usize>(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the kernel calls with these arguments, and so does a handler that hands on to this one.
    if !preserving_errno(|| unsafe { is_answered(&*info) }) {
        // SAFETY: as above.
        unsafe { hand_on(&PREVIOUS[NUMBER], signal, info, context) };
    }
}

/// Whether the signal was about a map of ours, so that the instruction can be repeated.
unsafe fn is_answered(info: &libc::siginfo_t) -> bool {
    // SAFETY: the kernel fills in the address if it tells of a fault, and the process if one sent the signal.
    unsafe {
        match info.si_code {
            1.. => {
                let address = info.si_addr() as usize;
                MAPS.iter().any(|map| map.answers_for(address))
            }
            // A handler in front of ours, such as `faulthandler`'s, that raises the signal again has lost the address:
            // the instruction is repeated, and faults with one.
            libc::SI_TKILL => info.si_pid() == libc::getpid() && MAPS.iter().any(Map::may_have_failed),
            _ => false,
        }
    }
}

/// Does what would have been done without us.
unsafe fn hand_on(previous: &Previous, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let action = previous.action.load(Ordering::SeqCst);
    // SAFETY: as for `handle`; what is called was installed as a handler of this signal. One that takes the signal only
    // does not see the other arguments.
    unsafe {
        let code = (*info).si_code;
        let is_repeated = code > 0 && code != ERROR_ELSEWHERE;
        match action {
            // The kernel does not let a fault be ignored.
            libc::SIG_IGN if !is_repeated => {}
            libc::SIG_IGN | libc::SIG_DFL => {
                set_default();
                if !is_repeated {
                    // Blocked until this handler returns.
                    let (process, thread) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
                    libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info);
                }
            }
            function => {
                if previous.flags.load(Ordering::SeqCst) & libc::SA_RESETHAND != 0 {
                    set_default();
                }
                std::mem::transmute::<usize, Handler>(function)(signal, info, context);
            }
        }
    }
}
