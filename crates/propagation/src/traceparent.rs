//! `traceparent` at fixed offsets (W3C Trace Context Level 2, section 3.2).
//!
//! Version `00` with 55 bytes is nearly all there is and costs no branch more than it must;
//! surrounding blanks and future versions are one cold function.

use std::hint::black_box;

use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{SpanId, TraceFlags, TraceId};

const LEN: usize = 55;
const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;
const KNOWN_FLAGS: u8 = SAMPLED | RANDOM;

/// The caller's span: what a valid `traceparent` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Parent {
    /// Takes the ids and flags of a span; `None` when its context is not valid.
    pub fn from_span_context(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| Self {
            trace: u128::from_be_bytes(context.trace_id().to_bytes()),
            span: u64::from_be_bytes(context.span_id().to_bytes()),
            flags: context.trace_flags().to_u8() & KNOWN_FLAGS,
        })
    }

    /// Parses one header value.
    ///
    /// `None` for whatever the specification does not allow: upper-case digits, zero ids, wrong
    /// lengths, version `ff`, several values joined by a comma.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text.first_chunk::<LEN>() {
            Some(fixed) if text.len() == LEN && fixed.starts_with(b"00") => fields(fixed),
            _ => unusual(text),
        }
    }

    /// Writes the header value, always as version `00`.
    pub fn format(self) -> [u8; LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut hex = |at: usize, bytes: &[u8]| {
            for (i, byte) in bytes.iter().enumerate() {
                out[at + 2 * i] = DIGITS[usize::from(byte >> 4)];
                out[at + 2 * i + 1] = DIGITS[usize::from(byte & 15)];
            }
        };
        hex(3, &self.trace.to_be_bytes());
        hex(36, &self.span.to_be_bytes());
        hex(53, &[self.flags & KNOWN_FLAGS]);
        out
    }

    /// The same with the random flag, if `random` says so.
    pub fn with_random(mut self, random: bool) -> Self {
        self.flags |= u8::from(random) * RANDOM;
        self
    }

    /// The trace's id.
    pub fn trace_id(self) -> TraceId {
        TraceId::from(self.trace)
    }

    /// The id of the caller's span.
    pub fn span_id(self) -> SpanId {
        SpanId::from(self.span)
    }

    /// The flags that are known: sampled and random.
    pub fn flags(self) -> TraceFlags {
        TraceFlags::new(self.flags)
    }

    /// Whether the caller recorded its span.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whether the caller promises that the last seven bytes of the trace id are random
    /// (Level 2, section 3.2.2.5.2).
    pub fn is_random(self) -> bool {
        self.flags & RANDOM != 0
    }

    /// The same span as the OpenTelemetry API's remote context.
    pub fn to_span_context(self, state: TraceState) -> SpanContext {
        SpanContext::new(self.trace_id(), self.span_id(), self.flags(), true, state)
    }
}

/// The four fields, once length and version are known to be right.
fn fields(text: &[u8; LEN]) -> Option<Parent> {
    let mut ids = [0; 48];
    ids[..32].copy_from_slice(&text[3..35]);
    ids[32..].copy_from_slice(&text[36..52]);
    let (digits, are_digits) = values(&ids);
    let [high, low] = [text[53], text[54]].map(|digit| DIGIT[usize::from(digit)]);
    let faults = (text[2] ^ b'-') | (text[35] ^ b'-') | (text[52] ^ b'-');
    let faults = faults | ((high | low) & 0xf0);
    let [left, right, span] = numbers(&digits);
    let parent = Parent {
        trace: u128::from(left) << 64 | u128::from(right),
        span,
        flags: low & KNOWN_FLAGS,
    };
    let is_good = faults == 0 && are_digits && left | right != 0 && span != 0;
    is_good.then_some(parent)
}

/// The values of lower-case hexadecimal digits, and whether all of them are such. No branch depends
/// on a byte, so that several are worked on at once.
#[inline]
fn values(text: &[u8; 48]) -> ([u8; 48], bool) {
    let (mut values, mut are_digits) = ([0; 48], [0; 48]);
    for (at, byte) in text.iter().enumerate() {
        let (digit, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
        let is_digit = if digit < 10 { 0xff } else { 0 };
        let is_letter = if letter < 6 { 0xff } else { 0 };
        // a letter's low digit counts from 1
        values[at] = (byte & 0xf) + (is_letter & 9);
        are_digits[at] = is_digit | is_letter;
    }
    (
        values,
        are_digits.iter().fold(0xff, |all, is| all & is) == 0xff,
    )
}

/// The three numbers that sixteen digits make each.
///
/// Two digits are two bytes of one word, so that eight pairs become bytes at once. LLVM would rather
/// sort all bytes before it, for twice the instructions; a black box on either side keeps it from it.
#[inline]
fn numbers(digits: &[u8; 48]) -> [u64; 3] {
    let digits = black_box(digits);
    let mut bytes = [0; 24];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let pair = u16::from_le_bytes(*pair);
        *byte = (pair << 4 | pair >> 8) as u8;
    }
    let bytes = black_box(&bytes);
    let number = |at: usize| {
        let eight = bytes[at..].first_chunk();
        eight.map_or(0, |eight| u64::from_be_bytes(*eight))
    };
    [number(0), number(8), number(16)]
}

/// The value of a lower-case hexadecimal digit, and more than 15 for everything else.
static DIGIT: [u8; 256] = {
    let mut values = [0xff; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        values[digits[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Surrounding blanks, and versions `01` to `fe`, which may be longer after one more dash.
#[cold]
fn unusual(text: &[u8]) -> Option<Parent> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !blank(byte))?;
    let end = text.iter().rposition(|byte| !blank(byte))? + 1;
    let text = &text[start..end];
    let fixed = text.first_chunk::<LEN>()?;
    let [high, low] = [fixed[0], fixed[1]].map(|digit| DIGIT[usize::from(digit)]);
    match text.get(LEN) {
        None => {}
        Some(b'-') if high | low != 0 => {}
        Some(_) => return None,
    }
    if high & low == 0xf || (high | low) > 0xf {
        return None;
    }
    fields(fixed)
}

#[cfg(test)]
mod tests;
