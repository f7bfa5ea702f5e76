//! Takes the indentation that all lines have in common from code, as CPython from 3.14 on does with the code of `-c`.
//!
//! That is `textwrap.dedent`, which is not called: the program is not to find a module imported that it did not ask for.

/// The code without its common indentation. Lines of blanks do not count, and come back empty.
pub(crate) fn dedent(code: &str) -> String {
    let is_blank = |line: &str| line.chars().all(is_indentation);
    let margin = code.split('\n').filter(|line| !is_blank(line)).map(indentation).reduce(common);
    let margin = margin.unwrap_or_default();
    if margin.is_empty() {
        return code.to_owned();
    }
    let lines = code
        .split('\n')
        .map(|line| line.strip_prefix(margin).filter(|_| !is_blank(line)).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn is_indentation(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn indentation(line: &str) -> &str {
    &line[..line.find(|character| !is_indentation(character)).unwrap_or(line.len())]
}

/// What both begin with.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let equal = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    &one[..equal]
}
