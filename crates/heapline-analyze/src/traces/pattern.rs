//! File name patterns with the meaning that Python's `fnmatch` gives them.
//!
//! `*` is any text, `?` any character, `[abc]` and `[a-z]` one of some, `[!abc]` one of all others. A bracket that is
//! not closed stands for itself, a range from a higher to a lower character is empty, and nothing escapes anything.
//! Other than in a shell, `*` and `?` also match `/`.

/// A pattern to match many names with.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
    OneOf { ranges: Vec<(char, char)>, negated: bool },
}

impl Part {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Exactly(own) => *own == character,
            Self::OneOf { ranges, negated } => {
                ranges.iter().any(|&(from, to)| (from..=to).contains(&character)) != *negated
            }
        }
    }
}

impl Pattern {
    /// Reads a pattern; there is none that is wrong.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut parts = Vec::with_capacity(characters.len());
        let mut at = 0;
        while let Some(&character) = characters.get(at) {
            at += 1;
            let part = match character {
                '*' => Part::Any,
                '?' => Part::One,
                '[' => match end_of_set(&characters, at) {
                    Some(end) => {
                        let set = set(&characters[at..end]);
                        at = end + 1;
                        set
                    }
                    None => Part::Exactly('['),
                },
                other => Part::Exactly(other),
            };
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Self { parts }
    }

    /// A pattern for texts that have this one in them, if it has no wildcard; else the pattern as it is.
    #[must_use]
    pub fn containing(text: &str) -> Self {
        match text.contains(['*', '?', '[']) {
            true => Self::new(text),
            false => Self::new(&format!("*{text}*")),
        }
    }

    /// Whether all of a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let mut at = 0;
        // Where to go on with one more character for the last `*`, when what follows it does not fit.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let mut characters = rest.chars();
            match (self.parts.get(at), characters.next()) {
                (Some(Part::Any), _) => {
                    at += 1;
                    retry = Some((at, rest));
                }
                (Some(part), Some(character)) if part.matches(character) => {
                    at += 1;
                    rest = characters.as_str();
                }
                (None, None) => return true,
                _ => {
                    let Some((part, from)) = retry else { return false };
                    let mut characters = from.chars();
                    if characters.next().is_none() {
                        return false;
                    }
                    at = part;
                    rest = characters.as_str();
                    retry = Some((part, rest));
                }
            }
        }
    }
}

/// Where the set that begins at `start` is closed. A bracket in the first place is a member.
fn end_of_set(characters: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    if characters.get(at) == Some(&'!') {
        at += 1;
    }
    if characters.get(at) == Some(&']') {
        at += 1;
    }
    characters[at.min(characters.len())..]
        .iter()
        .position(|&character| character == ']')
        .map(|found| at + found)
}

/// What the text between brackets stands for.
fn set(text: &[char]) -> Part {
    let (negated, members) = match text {
        ['!', members @ ..] => (true, members),
        members => (false, members),
    };
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        match members[at..] {
            [from, '-', to, ..] => {
                ranges.push((from, to));
                at += 3;
            }
            [one, ..] => {
                ranges.push((one, one));
                at += 1;
            }
            [] => break,
        }
    }
    Part::OneOf { ranges, negated }
}
