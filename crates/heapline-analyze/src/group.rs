//! What statistics are grouped and ordered by, and the groups themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::frame::{Frame, Origin, Source};
use crate::measures::Measures;

/// A name that is none of those that can be chosen from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {given:?}, choose one of {choices}")]
pub struct UnknownChoice {
    what: &'static str,
    given: String,
    choices: String,
}

/// Declares an enumeration of choices with `ALL`, `as_str`, `Display` and `FromStr`.
macro_rules! choice {
    ($(#[$doc:meta])* pub enum $name:ident($what:literal) {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal $(| $alias:literal)*,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every choice, in the order in which help texts list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The choice's name in lower case.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownChoice;

            /// Reads what `Display` writes, and aliases.
            fn from_str(text: &str) -> Result<Self, UnknownChoice> {
                match text {
                    $($text $(| $alias)* => Ok(Self::$variant),)*
                    _ => Err(UnknownChoice {
                        what: $what,
                        given: text.to_owned(),
                        choices: [$($text),*].join(", "),
                    }),
                }
            }
        }
    };
}

choice! {
    /// What the allocations of one row have in common.
    pub enum GroupBy("grouping") {
        /// The site: file, function and line that allocated.
        Line = "line",
        /// The function that allocated.
        Function = "function",
        /// The file of the function that allocated.
        File = "file",
        /// The module of the function that allocated.
        Module = "module",
        /// The whole stack.
        Stack = "stack",
        /// The name of the thread that allocated.
        Thread = "thread",
    }
}

choice! {
    /// Which measure comes first, largest value on top.
    pub enum OrderBy("order") {
        /// Bytes allocated and not yet freed.
        LiveBytes = "live",
        /// Bytes live at the moment of the process's high-water mark.
        HighWaterMark = "high-water-mark" | "peak",
        /// Bytes ever allocated.
        AllocatedBytes = "allocated",
        /// Allocations ever made.
        Count = "count",
        /// Bytes that were freed in the base tick of their allocation.
        Temporary = "temporary",
    }
}

impl OrderBy {
    /// The value that this order compares: bytes, or allocations for [`OrderBy::Count`].
    #[must_use]
    pub fn value(self, measures: &Measures) -> u64 {
        match self {
            Self::LiveBytes => measures.live_bytes,
            Self::HighWaterMark => measures.high_water_mark_bytes,
            Self::AllocatedBytes => measures.allocated_bytes,
            Self::Count => measures.allocated_count,
            Self::Temporary => measures.temporary_bytes,
        }
    }
}

/// Names one distinct stack of a snapshot; [`crate::Snapshot::frames`] lists it.
///
/// It stands for a stack of the snapshot that gave it only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stack(pub(crate) u32);

/// What the allocations of one row have in common.
///
/// Cheap to clone. The order of groups breaks ties between equal measures, so that output is stable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Group {
    /// A site: the frame that allocated.
    Line(Frame),
    /// A function; the frame's line is the first line of its definition.
    Function(Frame),
    /// A file.
    File(Arc<Source>),
    /// A module, told apart from one of the same name and another origin.
    Module {
        /// Dotted name.
        module: Arc<str>,
        /// Whose code it is.
        origin: Origin,
    },
    /// A whole stack; see [`crate::Snapshot::frames`].
    Stack(Stack),
    /// All threads of this name.
    Thread(Arc<str>),
    /// Allocations that no Python frame or thread can be named for; the label says why: `<no Python frame>`,
    /// `<native thread>`, `<stacks beyond the limit>`.
    Unattributed(Arc<str>),
    /// Frames of the import system in a row, in a tree of callers that folds them
    /// ([`crate::TreeLimits::fold_machinery`]): what was allocated because an `import` ran.
    ImportSystem,
}

impl Group {
    /// The frame of a line or function.
    #[must_use]
    pub fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Line(frame) | Self::Function(frame) => Some(frame),
            _ => None,
        }
    }

    /// The file of a line, function or file.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Line(frame) | Self::Function(frame) => Some(&frame.source),
            Self::File(source) => Some(source),
            _ => None,
        }
    }

    /// Whose code this is; [`Origin::Unknown`] for stacks, threads and what no frame can be named for.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Line(frame) | Self::Function(frame) => frame.source.origin,
            Self::File(source) => source.origin,
            Self::Module { origin, .. } => *origin,
            Self::ImportSystem => Origin::Stdlib,
            Self::Stack(_) | Self::Thread(_) | Self::Unattributed(_) => Origin::Unknown,
        }
    }
}

/// One line that names the group. Stacks have no name of their own: `stack 17`.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(frame) | Self::Function(frame) => frame.fmt(f),
            Self::File(source) => f.write_str(&source.path),
            Self::Module { module, .. } => f.write_str(module),
            Self::Stack(stack) => write!(f, "stack {}", stack.0),
            Self::Thread(name) | Self::Unattributed(name) => f.write_str(name),
            Self::ImportSystem => f.write_str("(import system)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_what_they_write() {
        for choice in GroupBy::ALL {
            assert_eq!(choice.to_string().parse(), Ok(*choice));
        }
        for choice in OrderBy::ALL {
            assert_eq!(choice.to_string().parse(), Ok(*choice));
        }
        assert_eq!("peak".parse(), Ok(OrderBy::HighWaterMark));
        assert_eq!(format!("{:>8}|", GroupBy::Line), "    line|");
    }

    #[test]
    fn an_unknown_choice_lists_the_known_ones() {
        let error = "size".parse::<OrderBy>().expect_err("no order");
        let expected =
            "unknown order \"size\", choose one of live, high-water-mark, allocated, count, temporary";
        assert_eq!(error.to_string(), expected);
        assert!("Line".parse::<GroupBy>().is_err(), "names are lower case");
    }

    #[test]
    fn each_order_compares_its_own_value() {
        let measures = Measures {
            live_bytes: 1,
            live_count: 2,
            high_water_mark_bytes: 3,
            high_water_mark_count: 4,
            allocated_bytes: 5,
            allocated_count: 6,
            temporary_bytes: 7,
        };
        let values: Vec<_> = OrderBy::ALL.iter().map(|order_by| order_by.value(&measures)).collect();
        assert_eq!(values, [1, 3, 5, 6, 7]);
    }

    #[test]
    fn groups_have_names_and_what_else_they_know() {
        let source = Arc::new(Source {
            path: "pkg/a.py".into(),
            file: "/site/pkg/a.py".into(),
            module: "pkg.a".into(),
            origin: Origin::Site,
        });
        let frame = Frame { source: source.clone(), line: 3, function: "f".into() };
        let unknown_line = Frame { line: 0, ..frame.clone() };
        let module = Group::Module { module: source.module.clone(), origin: Origin::Site };
        for (group, name, has_frame, has_source, origin) in [
            (Group::Line(frame.clone()), "pkg/a.py:3  f", true, true, Origin::Site),
            (Group::Function(unknown_line), "pkg/a.py  f", true, true, Origin::Site),
            (Group::File(source), "pkg/a.py", false, true, Origin::Site),
            (module, "pkg.a", false, false, Origin::Site),
            (Group::Stack(Stack(7)), "stack 7", false, false, Origin::Unknown),
            (Group::Thread("worker".into()), "worker", false, false, Origin::Unknown),
            (Group::Unattributed("<x>".into()), "<x>", false, false, Origin::Unknown),
            (Group::ImportSystem, "(import system)", false, false, Origin::Stdlib),
        ] {
            assert_eq!(group.to_string(), name);
            assert_eq!(
                (group.frame().is_some(), group.source().is_some()),
                (has_frame, has_source),
                "{name}"
            );
            assert_eq!(group.origin(), origin, "{name}");
        }
    }
}
