//! Where the interpreter keeps frames and code metadata, per version of CPython (x86-64, with the GIL).
//!
//! The offsets were printed by a program compiled against each version's own headers. They are never trusted blindly:
//! [`crate::layout_check`] compares a walk that uses them with the interpreter's public answer before the first
//! recording, reading memory through the kernel so that a wrong offset cannot crash.

/// Offsets in bytes. "Instruction" means `f_lasti` in 3.10, `prev_instr` in 3.11 and 3.12, `instr_ptr` from 3.13 on.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) version: (u8, u8),
    /// From the thread state to the C frame record (3.11, 3.12).
    pub(crate) cframe: Option<usize>,
    /// From the C frame record or the thread state to the current frame.
    pub(crate) current_frame: usize,
    /// From the thread state to its interpreter.
    pub(crate) interpreter: usize,
    pub(crate) previous: usize,
    pub(crate) code: usize,
    pub(crate) instruction: usize,
    /// Whether `instruction` is an index (3.10) and not an address.
    pub(crate) instruction_is_index: bool,
    pub(crate) owner: Option<usize>,
    /// The function of a frame (3.11 and later).
    pub(crate) function: Option<usize>,
    /// The saved stack top of a waiting frame: a number of slots from the first local on, from 3.14 on an address.
    pub(crate) stack_top: Option<usize>,
    /// Whether a frame was entered from C (3.11).
    pub(crate) entry_flag: Option<usize>,
    /// Whether references in frames carry tags in their two low bits (3.14 and later).
    pub(crate) tagged: bool,
    pub(crate) first_local: usize,
    /// In the code object: how many slots its locals, cells and free variables take.
    pub(crate) code_locals: Option<usize>,
    /// In the code object: the first instruction, and the index of the first one that is traced.
    pub(crate) code_start: usize,
    pub(crate) first_traceable: Option<usize>,
    pub(crate) code_filename: usize,
    pub(crate) code_name: usize,
    pub(crate) code_first_line: usize,
    pub(crate) code_flags: usize,
}

/// Frames whose owner has this number or a larger one are not Python frames (3.12 and later).
pub(crate) const OWNED_BY_C_STACK: u8 = 3;
/// Frames whose owner has this number belong to a call on a thread's own stack.
pub(crate) const OWNED_BY_THREAD: u8 = 0;
/// Frames whose owner has this number belong to a generator or coroutine.
pub(crate) const OWNED_BY_GENERATOR: u8 = 1;

const V3_10: Layout = Layout {
    version: (3, 10),
    cframe: None,
    current_frame: 24,
    interpreter: 16,
    previous: 24,
    code: 32,
    instruction: 96,
    instruction_is_index: true,
    owner: None,
    function: None,
    stack_top: None,
    entry_flag: None,
    tagged: false,
    first_local: 352,
    code_locals: None,
    code_start: 0,
    first_traceable: None,
    code_filename: 104,
    code_name: 112,
    code_first_line: 40,
    code_flags: 36,
};

const V3_11: Layout = Layout {
    version: (3, 11),
    cframe: Some(56),
    current_frame: 8,
    interpreter: 16,
    previous: 48,
    code: 32,
    instruction: 56,
    instruction_is_index: false,
    owner: Some(69),
    function: Some(0),
    stack_top: Some(64),
    entry_flag: Some(68),
    tagged: false,
    first_local: 72,
    code_locals: None,
    code_start: 184,
    first_traceable: Some(168),
    code_filename: 112,
    code_name: 128,
    code_first_line: 72,
    code_flags: 48,
};

const V3_12: Layout = Layout {
    version: (3, 12),
    current_frame: 0,
    previous: 8,
    code: 0,
    owner: Some(70),
    function: Some(16),
    entry_flag: None,
    code_locals: Some(72),
    code_start: 192,
    first_traceable: Some(176),
    code_first_line: 68,
    ..V3_11
};

const V3_13: Layout = Layout {
    version: (3, 13),
    cframe: None,
    current_frame: 72,
    code_start: 200,
    first_traceable: Some(184),
    ..V3_12
};

const V3_14: Layout = Layout {
    version: (3, 14),
    owner: Some(74),
    tagged: true,
    first_local: 80,
    code_start: 208,
    first_traceable: Some(192),
    ..V3_13
};

const V3_15: Layout = Layout { version: (3, 15), ..V3_14 };

/// The versions whose layout is known.
pub(crate) const LAYOUTS: [Layout; 6] = [V3_10, V3_11, V3_12, V3_13, V3_14, V3_15];

impl Layout {
    /// The object that a reference in a frame leads to.
    ///
    /// # Safety
    /// `frame` is a live frame of an interpreter with this layout, and `offset` that of a reference in it.
    #[inline(always)]
    pub(crate) unsafe fn object(&self, frame: *const u8, offset: usize) -> *const u8 {
        // SAFETY: as the caller promises.
        let reference: *const u8 = unsafe { read(frame, offset) };
        self.untagged(reference as usize) as *const u8
    }

    /// A reference without its tags.
    #[inline(always)]
    pub(crate) fn untagged(&self, reference: usize) -> usize {
        if self.tagged { reference & !3 } else { reference }
    }
}

/// Reads a value at an offset from an address.
///
/// # Safety
/// `base + offset` is readable, and holds a `T`.
#[inline(always)]
pub(crate) unsafe fn read<T: Copy>(base: *const u8, offset: usize) -> T {
    // SAFETY: the caller vouches for the address; fields of these structs are aligned.
    unsafe { base.add(offset).cast::<T>().read() }
}
