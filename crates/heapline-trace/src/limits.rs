//! How large a recording may grow.

/// Bounds of a recording; beyond them allocations count under an overflow node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes of the calling-context tree, and stacks that allocate.
    pub nodes: usize,
    /// From this many nodes on, a frame that stands where one of its callers stands leads back to that caller.
    pub fold_after_nodes: usize,
    /// Code objects that are told apart by name, file and first line.
    pub codes: usize,
    /// Bytes of names and other strings.
    pub string_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// What a recording has that was not told otherwise.
    pub const DEFAULT: Self =
        Self { nodes: 2_097_152, fold_after_nodes: 344_064, codes: 262_144, string_bytes: 33_554_432 };

    /// Smallest and largest sensible value of each, by the name of the option that sets it.
    const BOUNDS: [(&'static str, usize, usize); 3] = [
        ("max_nodes", 1024, (1 << 27) - 1),
        ("max_codes", 256, 1 << 26),
        ("max_string_bytes", 64 << 10, 1 << 30),
    ];

    /// Whether the values make sense.
    ///
    /// # Errors
    /// One line that names the option and its bounds.
    pub fn check(&self) -> Result<(), String> {
        let values = [self.nodes, self.codes, self.string_bytes];
        for ((name, least, most), value) in Self::BOUNDS.into_iter().zip(values) {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} must be between {least} and {most}, not {value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let default = Limits::default();
        assert_eq!(default.check(), Ok(()));
        let few = Limits { nodes: 1023, ..default };
        assert_eq!(few.check().unwrap_err(), "max_nodes must be between 1024 and 134217727, not 1023");
        assert!(Limits { string_bytes: 1 << 31, ..default }.check().is_err());
    }
}
