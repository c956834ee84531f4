//! Classes of bytes as tables: one load for each byte of a header, and no branch.

/// The 256 answers to "does this byte match the pattern".
macro_rules! class {
    ($pattern:pat) => {{
        let mut class = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            class[byte] = matches!(byte as u8, $pattern);
            byte += 1;
        }
        class
    }};
}

pub(crate) use class;

/// What follows the bytes of `class` at the start.
pub(crate) fn skip<'a>(text: &'a [u8], class: &[bool; 256]) -> &'a [u8] {
    let end = text.iter().position(|byte| !class[usize::from(*byte)]);
    &text[end.unwrap_or(text.len())..]
}

/// Without the optional white space of HTTP around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// The same at the end only.
pub(crate) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The same at the start only.
pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Whether a list is legal in one pass: at least one and at most `max` members between commas, the
/// blank ones not counted. `member` gives what follows the legal member at the start, and the
/// blanks behind it.
pub(crate) fn is_list(
    text: &[u8],
    max: usize,
    member: impl for<'a> Fn(&'a [u8]) -> Option<&'a [u8]>,
) -> bool {
    let mut text = trim_start(text);
    let mut count = 0;
    while let Some(first) = text.first() {
        let mut rest = text;
        if *first != b',' {
            let Some(behind) = member(text) else {
                return false;
            };
            rest = behind;
            count += 1;
        }
        text = match rest {
            [] => rest,
            [b',', more @ ..] if count <= max => trim_start(more),
            _ => return false,
        };
    }
    (1..=max).contains(&count)
}
