//! The keys of the facts about the process that a capture holds.

macro_rules! meta_keys {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Key of a [`crate::Meta`] record. Keys that a reader does not know are skipped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum MetaKey { $($(#[$doc])* $variant,)* }

        impl MetaKey {
            /// Every key that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key as it stands in the capture.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The key with this text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

meta_keys! {
    /// One argument of the program as it saw `sys.argv`; repeated, in order.
    Argument = "argument",
    /// What was run, as reports name it: a script's file name, `-m module` or `-c`.
    Program = "program",
    /// Working directory at the start.
    WorkingDirectory = "working_directory",
    /// `sys.executable`.
    Executable = "executable",
    /// `sys.implementation.name`.
    Implementation = "implementation",
    /// Version as `platform.python_version()` says.
    PythonVersion = "python_version",
    /// Version of heapline that recorded.
    HeaplineVersion = "heapline_version",
    /// Directory of the standard library; repeated.
    StdlibPath = "stdlib_path",
    /// Directory of installed packages (site-packages, dist-packages); repeated.
    SitePath = "site_path",
    /// Every other directory of `sys.path` at the start: the program's own; repeated.
    ProgramPath = "program_path",
    /// How frames were read: `interpreter` or `public`.
    FrameAccess = "frame_access",
    /// The name of the allocator under the hooks: `pymalloc`, `malloc`, `debug` or `unknown`.
    Allocator = "allocator",
    /// What is known of memory that the interpreter uses again without an allocation (free lists): `seen`, or
    /// `first_site`, where such objects stand at the line that first used their memory.
    FreeLists = "free_lists",
    /// A glob over files whose allocations were recorded and no others, or with `!` in front over files whose were not;
    /// repeated.
    Recorded = "recorded",
    /// `yes`: the words that the program was started with, and directories outside packages, were left out.
    Redacted = "redacted",
}
