//! `traceparent` at fixed offsets (W3C Trace Context Level 2, section 3.2).
//!
//! Version `00` with 55 bytes is nearly all there is and costs no branch more than it must;
//! surrounding blanks and future versions are one cold function.

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
    let digits = |at: usize| eight(&std::array::from_fn(|i| text[at + i]));
    let faults = (text[2] ^ b'-') | (text[35] ^ b'-') | (text[52] ^ b'-');
    let [a, b, c, d, e, f] = [3, 11, 19, 27, 36, 44].map(digits);
    let [high, low] = [text[53], text[54]].map(|digit| DIGIT[usize::from(digit)]);
    let faults = faults | ((high | low) & 0xf0);
    let faults = u64::from(faults) | a.1 | b.1 | c.1 | d.1 | e.1 | f.1;
    let trace = u128::from(a.0 << 32 | b.0) << 64 | u128::from(c.0 << 32 | d.0);
    let span = e.0 << 32 | f.0;
    let parent = Parent {
        trace,
        span,
        flags: low & KNOWN_FLAGS,
    };
    (faults == 0 && trace != 0 && span != 0).then_some(parent)
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

/// Eight digits at once, lower-case hexadecimal only: their value, and whether one of them is none
/// (then the second number is not zero).
///
/// All bytes of the word are worked on together. A byte's low four bits, and nine more for a
/// letter, are the digit's value; writing that digit again must give the byte that was read.
#[inline(never)]
fn eight(text: &[u8; 8]) -> (u64, u64) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let read = u64::from_be_bytes(*text);
    let letters = (read >> 6) & EACH;
    let digits = (read & (EACH * 0x0f)) + (letters << 3) + letters;
    let letters = ((digits + EACH * 6) >> 4) & EACH;
    // as an ASCII letter stands 39 above what a further digit would be; shifts, as several words
    // are worked on together and vectors of words do not multiply
    let letters = (letters << 5) + (letters << 3) - letters;
    let written = digits.wrapping_add(EACH * 0x30).wrapping_add(letters);
    let faults = (written ^ read) | (digits & (EACH * 0xf0));
    let pairs = (digits | (digits >> 4)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    ((quads | (quads >> 16)) & 0xffff_ffff, faults)
}

/// Surrounding blanks, and versions `01` to `fe`, which may be longer after one more dash.
#[cold]
fn unusual(text: &[u8]) -> Option<Parent> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !blank(byte))?;
    let end = text.iter().rposition(|byte| !blank(byte))? + 1;
    let text = &text[start..end];
    let fixed = text.first_chunk::<LEN>()?;
    let (version, faults) = eight(&[b'0', b'0', b'0', b'0', b'0', b'0', fixed[0], fixed[1]]);
    match text.get(LEN) {
        None => {}
        Some(b'-') if version != 0 => {}
        Some(_) => return None,
    }
    if version == 0xff || faults != 0 {
        return None;
    }
    fields(fixed)
}

#[cfg(test)]
mod tests;
