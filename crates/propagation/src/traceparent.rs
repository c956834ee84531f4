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
        let flags = TraceFlags::new(self.flags);
        SpanContext::new(self.trace_id(), self.span_id(), flags, true, state)
    }
}

/// The four fields, once length and version are known to be right.
fn fields(text: &[u8; LEN]) -> Option<Parent> {
    if text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    let trace = u128::from(hex(&text[3..19])?) << 64 | u128::from(hex(&text[19..35])?);
    let span = hex(&text[36..52])?;
    let flags = u8::try_from(hex(&text[53..55])?).ok()? & KNOWN_FLAGS;
    (trace != 0 && span != 0).then_some(Parent { trace, span, flags })
}

/// Up to 16 digits, lower-case hexadecimal only: `+`, upper case and everything else is refused.
///
/// Faults are collected and looked at once, which spares a branch for each digit.
fn hex(text: &[u8]) -> Option<u64> {
    const NONE: u8 = 0xf0;
    const DIGITS: [u8; 256] = {
        let mut digits = [NONE; 256];
        let mut digit = 0;
        while digit < 16 {
            digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
            digit += 1;
        }
        digits
    };
    let (mut value, mut faults) = (0, 0);
    for byte in text {
        let digit = DIGITS[usize::from(*byte)];
        faults |= digit;
        value = value << 4 | u64::from(digit);
    }
    (faults < NONE).then_some(value)
}

/// Surrounding blanks, and versions `01` to `fe`, which may be longer after one more dash.
#[cold]
fn unusual(text: &[u8]) -> Option<Parent> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !blank(byte))?;
    let end = text.iter().rposition(|byte| !blank(byte))? + 1;
    let text = &text[start..end];
    let fixed = text.first_chunk::<LEN>()?;
    let version = hex(&fixed[..2])?;
    match text.get(LEN) {
        None => {}
        Some(b'-') if version != 0 => {}
        Some(_) => return None,
    }
    if version == 0xff {
        return None;
    }
    fields(fixed)
}

#[cfg(test)]
mod tests;
