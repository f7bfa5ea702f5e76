//! The small enumerations of the format: tables, node kinds, losses.

macro_rules! numbered {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum $name { $($(#[$variant_doc])* $variant = $value,)* }

        impl $name {
            /// Every value that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value with this number, `None` if this version does not know it.
            #[must_use]
            pub fn from_u32(value: u32) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// The tables of a capture. A reader skips tables that it does not know.
    pub enum TableId {
        /// Facts about the process: [`crate::Meta`].
        Meta = 1,
        /// Strings: a `u32` length, the bytes (UTF-8, not trusted), padding to 4. The table's records are bytes.
        Strings = 2,
        /// Code metadata: [`crate::Code`].
        Codes = 3,
        /// The calling-context tree: [`crate::Node`].
        Nodes = 4,
        /// Counters per account: [`crate::Counters`].
        Counters = 5,
        /// The timeline: [`crate::Tick`].
        Ticks = 6,
        /// Live blocks by when they were allocated: [`crate::Birth`].
        Births = 7,
        /// Reserved: loaded native modules with build ids.
        Modules = 8,
        /// Reserved: names of side files (heap graphs).
        SideFiles = 9,
        /// Places where frames stand: [`crate::Place`].
        Places = 10,
        /// Stacks that allocated: [`crate::Account`].
        Accounts = 11,
        /// Changes over time: [`crate::Delta`].
        Deltas = 12,
        /// How far estimates may be off: [`crate::Variance`].
        Variances = 13,
        /// Sampling intervals over time: [`crate::Interval`].
        Intervals = 14,
        /// What was freed later than in the tick of its allocation: [`crate::Outlived`].
        Outlived = 15,
    }
}

numbered! {
    /// What a node of the calling-context tree stands for.
    pub enum NodeKind {
        /// Node 0.
        Root = 0,
        /// A Python frame.
        Frame = 1,
        /// The root of a thread's stacks; the label is the thread's name. Threads of one name share it.
        Thread = 2,
        /// Allocations whose stack could not be had; the label says why.
        Unknown = 3,
        /// Allocations whose stack did not fit within the limits of the capture.
        Overflow = 4,
        /// Reserved: a tag set by the program.
        Tag = 5,
        /// Blocks of a domain other than Python's own, announced by the frame or root that is the parent; the label is the
        /// domain's number in decimal.
        Domain = 6,
        /// Reserved: a native frame.
        NativeFrame = 7,
    }
}

numbered! {
    /// What a recording can lose. Each has a counter in the header; 0 everywhere means that nothing was lost.
    pub enum LossKind {
        /// Allocations counted under the overflow node because the tree was at its limit.
        TreeLimit = 0,
        /// Allocations counted under the overflow node because the capture could not grow (disk full).
        CaptureFull = 1,
        /// Allocations that were not recorded because the recorder's own memory could not grow.
        BlockTable = 2,
        /// Allocations whose stack was deeper than the recorder walks: outer frames are missing.
        DeepFrames = 3,
        /// Times that another tool was found to have removed the recorder's hooks before the end.
        HooksRemoved = 4,
        /// Forked children, whose allocations are not in this capture.
        ForkedChildren = 5,
        /// Code objects or threads whose name could not be stored.
        Names = 6,
        /// Times that another tool was found to have taken the place of the recorder's reference tracer: since then,
        /// revived objects stand where their memory was first used.
        TracerReplaced = 7,
        /// Times that the map of the capture failed because somebody truncated its file: recording ended there.
        MapFailed = 8,
    }
}
