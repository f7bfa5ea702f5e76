//! One macro that turns a struct of integers into a record with a fixed little-endian layout.

/// Declares a `#[repr(C)]` struct of unsigned integers with `BYTES`, `decode`, `encode` and the offset of
/// each field. The layout has no padding; that is checked at compile time.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        impl $name {
            /// Size of one record in the file.
            pub const BYTES: usize = size_of::<$name>();

            /// Reads a record from the first `BYTES` bytes; `None` when there are fewer.
            #[must_use]
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                $(
                    let (head, tail) = rest.split_first_chunk::<{ size_of::<$ty>() }>()?;
                    let $field = <$ty>::from_le_bytes(*head);
                    rest = tail;
                )*
                let _ = rest;
                Some(Self { $($field,)* })
            }

            /// The record as it stands in the file.
            #[must_use]
            pub fn encode(&self) -> [u8; size_of::<$name>()] {
                let mut out = [0; size_of::<$name>()];
                let mut at = 0;
                $(
                    out[at..at + size_of::<$ty>()].copy_from_slice(&self.$field.to_le_bytes());
                    at += size_of::<$ty>();
                )*
                let _ = at;
                out
            }

            /// Names and offsets of the fields, in order: what the reference page is checked against.
            #[must_use]
            pub fn fields() -> &'static [(&'static str, usize)] {
                const { &[$((stringify!($field), core::mem::offset_of!($name, $field)),)*] }
            }
        }

        const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$ty>())*, "a record has no padding");
    };
}

pub(crate) use record;
