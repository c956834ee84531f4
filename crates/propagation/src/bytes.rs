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

/// What a plain list looks like, one row of answers for each place in it: what every byte leads to.
///
/// Plain means `key=value` between commas, without a blank and with nothing left empty. Nearly all
/// lists are, and each of their bytes then costs one look into a table.
pub(crate) struct Plain([Row; ROWS * 256]);

const ROWS: usize = 8;

/// What may come next. A row is known by the place where it starts, so that finding the answer to
/// a byte needs neither a multiplication nor a check of bounds.
#[derive(Clone, Copy, Eq, PartialEq)]
#[repr(u16)]
enum Row {
    KeyStart = 0,
    Key = 1 << 8,
    ValueStart = 2 << 8,
    Value = 3 << 8,
    Wrong = 4 << 8,
}

impl Plain {
    /// A list whose keys start with a byte of `first` and go on with those of `key`.
    pub(crate) const fn new(first: &[bool; 256], key: &[bool; 256], value: &[bool; 256]) -> Self {
        let mut rows = [Row::Wrong; ROWS * 256];
        let mut byte = 0;
        while byte < 256 {
            if first[byte] {
                rows[Row::KeyStart as usize | byte] = Row::Key;
            }
            if key[byte] {
                rows[Row::Key as usize | byte] = Row::Key;
            }
            if value[byte] && byte != b' ' as usize {
                rows[Row::ValueStart as usize | byte] = Row::Value;
                rows[Row::Value as usize | byte] = Row::Value;
            }
            byte += 1;
        }
        // last, as a value of baggage may hold an `=`, but a key ends at the first one
        rows[Row::Key as usize | b'=' as usize] = Row::ValueStart;
        rows[Row::Value as usize | b',' as usize] = Row::KeyStart;
        Self(rows)
    }

    /// Whether `text` is a plain list that is too short to break any limit on members: `false`
    /// says nothing about whether it is legal.
    #[inline]
    pub(crate) fn has(&self, text: &[u8], shorter_than: usize) -> bool {
        let step = |row: Row, byte: &u8| self.0[row as usize | usize::from(*byte)];
        if text.len() >= shorter_than {
            return false;
        }
        let (eights, rest) = text.as_chunks::<8>();
        let row = eights
            .iter()
            .fold(Row::KeyStart, |row, eight| eight.iter().fold(row, step));
        rest.iter().fold(row, step) == Row::Value
    }
}

/// Every text of up to `length` bytes of `alphabet`.
#[cfg(test)]
pub(crate) fn all_texts(alphabet: &[u8], length: usize) -> impl Iterator<Item = Vec<u8>> {
    let base = alphabet.len();
    (0..=length).flat_map(move |length| {
        (0..base.pow(u32::try_from(length).unwrap_or_default())).map(move |mut number| {
            let digit = |_| {
                let byte = alphabet[number % base];
                number /= base;
                byte
            };
            (0..length).map(digit).collect()
        })
    })
}
