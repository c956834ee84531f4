//! OTLP protobuf, written by hand: fields, attributes, and the part that all spans have.
//!
//! Everything is canonical: no padded number, fields of a message in rising order where it costs
//! nothing. What is written here leaves as it is; for text of strangers see
//! [`Values`](super::values::Values).

#[cfg(test)]
mod tests;

/// Tags of the fields that are written: number and wire type in one byte.
pub(crate) mod tag {
    pub(crate) const SPAN_TRACE_STATE: u8 = 3 << 3 | 2;
    pub(crate) const SPAN_NAME: u8 = 5 << 3 | 2;
    pub(crate) const SPAN_ATTRIBUTE: u8 = 9 << 3 | 2;
    pub(crate) const SPAN_DROPPED_ATTRIBUTES: u8 = 10 << 3;
    pub(crate) const SPAN_EVENT: u8 = 11 << 3 | 2;
    pub(crate) const SPAN_DROPPED_EVENTS: u8 = 12 << 3;
    pub(crate) const SPAN_LINK: u8 = 13 << 3 | 2;
    pub(crate) const SPAN_DROPPED_LINKS: u8 = 14 << 3;
    pub(crate) const SPAN_STATUS: u8 = 15 << 3 | 2;

    pub(crate) const EVENT_TIME: u8 = 1 << 3 | 1;
    pub(crate) const EVENT_NAME: u8 = 2 << 3 | 2;
    pub(crate) const EVENT_ATTRIBUTE: u8 = 3 << 3 | 2;
    pub(crate) const EVENT_DROPPED_ATTRIBUTES: u8 = 4 << 3;

    pub(crate) const LINK_TRACE_ID: u8 = 1 << 3 | 2;
    pub(crate) const LINK_SPAN_ID: u8 = 2 << 3 | 2;
    pub(crate) const LINK_TRACE_STATE: u8 = 3 << 3 | 2;
    pub(crate) const LINK_ATTRIBUTE: u8 = 4 << 3 | 2;
    pub(crate) const LINK_DROPPED_ATTRIBUTES: u8 = 5 << 3;
    pub(crate) const LINK_FLAGS: u8 = 6 << 3 | 5;

    pub(crate) const STATUS_MESSAGE: u8 = 2 << 3 | 2;
    pub(crate) const STATUS_CODE: u8 = 3 << 3;

    pub(crate) const LOG_TIME: u8 = 1 << 3 | 1;
    pub(crate) const LOG_SEVERITY_NUMBER: u8 = 2 << 3;
    pub(crate) const LOG_SEVERITY_TEXT: u8 = 3 << 3 | 2;
    pub(crate) const LOG_BODY: u8 = 5 << 3 | 2;
    pub(crate) const LOG_ATTRIBUTE: u8 = 6 << 3 | 2;
    pub(crate) const LOG_DROPPED_ATTRIBUTES: u8 = 7 << 3;
    pub(crate) const LOG_FLAGS: u8 = 8 << 3 | 5;
    pub(crate) const LOG_TRACE_ID: u8 = 9 << 3 | 2;
    pub(crate) const LOG_SPAN_ID: u8 = 10 << 3 | 2;
    pub(crate) const LOG_OBSERVED_TIME: u8 = 11 << 3 | 1;
    pub(crate) const LOG_EVENT_NAME: u8 = 12 << 3 | 2;

    /// An item of a scope, and a scope of a resource: spans and log records alike.
    pub(crate) const INNER: u8 = 2 << 3 | 2;
    /// A resource of a request.
    pub(crate) const RESOURCE: u8 = 1 << 3 | 2;

    pub(super) const KEY: u8 = 1 << 3 | 2;
    pub(super) const VALUE: u8 = 2 << 3 | 2;
    pub(super) const STRING: u8 = 1 << 3 | 2;
    pub(super) const BOOL: u8 = 2 << 3;
    pub(super) const INT: u8 = 3 << 3;
    pub(super) const DOUBLE: u8 = 4 << 3 | 1;
    pub(super) const ARRAY: u8 = 5 << 3 | 2;
    pub(super) const ARRAY_ELEMENT: u8 = 1 << 3 | 2;
    pub(super) const BYTES: u8 = 7 << 3 | 2;
}

/// Appends a number.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes a number takes.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    ((63 - (value | 1).leading_zeros() as usize) / 7) + 1
}

/// How many bytes a field of this many bytes takes, with a tag of one byte.
#[inline]
pub(crate) const fn field_len(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

/// Appends bytes or text as a field.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    if value.len() < 0x80 {
        out.extend_from_slice(&[tag, value.len() as u8]);
    } else {
        out.push(tag);
        varint(out, value.len() as u64);
    }
    out.extend_from_slice(value);
}

/// Appends a number as a field, unless it is zero.
#[inline]
pub(crate) fn number(out: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        out.push(tag);
        varint(out, value);
    }
}

/// Appends a message whose length is known only when it is written.
///
/// Its length takes one byte in most cases; where it takes more, what was written moves up.
#[inline]
pub(crate) fn message(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0]);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
    } else {
        long_message(out, start, length);
    }
}

#[cold]
fn long_message(out: &mut Vec<u8>, start: usize, length: usize) {
    let more = varint_len(length as u64) - 1;
    out.resize(start + length + more, 0);
    out.copy_within(start..start + length, start + more);
    let mut rest = length;
    for byte in &mut out[start - 1..start - 1 + more] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start - 1 + more] = rest as u8;
}

/// Appends an attribute whose value takes `value_len` bytes, tag included.
#[inline]
fn attribute(
    out: &mut Vec<u8>,
    tag: u8,
    key: &[u8],
    value_len: usize,
    value: impl FnOnce(&mut Vec<u8>),
) {
    let length = field_len(key.len()) + field_len(value_len);
    out.reserve(field_len(length));
    if length < 0x80 {
        // so every length in it takes one byte
        out.extend_from_slice(&[tag, length as u8, tag::KEY, key.len() as u8]);
        out.extend_from_slice(key);
        out.extend_from_slice(&[tag::VALUE, value_len as u8]);
    } else {
        out.push(tag);
        varint(out, length as u64);
        bytes(out, tag::KEY, key);
        out.push(tag::VALUE);
        varint(out, value_len as u64);
    }
    value(out);
}

/// Appends a text attribute. The bytes must be UTF-8.
#[inline]
pub(crate) fn string_attribute(out: &mut Vec<u8>, tag: u8, key: &[u8], value: &[u8]) {
    attribute(out, tag, key, field_len(value.len()), |out| {
        bytes(out, tag::STRING, value);
    });
}

/// Appends a whole number as an attribute.
#[inline]
pub(crate) fn int_attribute(out: &mut Vec<u8>, tag: u8, key: &[u8], value: i64) {
    let bits = value as u64;
    attribute(out, tag, key, 1 + varint_len(bits), |out| {
        int_value(out, value);
    });
}

/// Appends a boolean attribute.
#[inline]
pub(crate) fn bool_attribute(out: &mut Vec<u8>, tag: u8, key: &[u8], value: bool) {
    attribute(out, tag, key, 2, |out| bool_value(out, value));
}

/// Appends a floating-point attribute.
#[inline]
pub(crate) fn double_attribute(out: &mut Vec<u8>, tag: u8, key: &[u8], value: f64) {
    attribute(out, tag, key, 9, |out| double_value(out, value));
}

/// Appends an attribute that is bytes.
pub(crate) fn bytes_attribute(out: &mut Vec<u8>, tag: u8, key: &[u8], value: &[u8]) {
    attribute(out, tag, key, field_len(value.len()), |out| {
        bytes(out, tag::BYTES, value);
    });
}

/// Appends an attribute that is a list; `write` calls [`element`] for each of its values.
pub(crate) fn array_attribute(
    out: &mut Vec<u8>,
    tag: u8,
    key: &[u8],
    write: impl FnOnce(&mut Vec<u8>),
) {
    message(out, tag, |out| {
        bytes(out, tag::KEY, key);
        message(out, tag::VALUE, |out| message(out, tag::ARRAY, write));
    });
}

/// Appends one value of a list.
pub(crate) fn element(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    message(out, tag::ARRAY_ELEMENT, write);
}

/// The value of an attribute alone, as [`element`] wants it.
#[inline]
pub(crate) fn string_value(out: &mut Vec<u8>, value: &[u8]) {
    bytes(out, tag::STRING, value);
}

/// The same for a whole number.
#[inline]
pub(crate) fn int_value(out: &mut Vec<u8>, value: i64) {
    out.push(tag::INT);
    varint(out, value as u64);
}

/// The same for a boolean.
#[inline]
pub(crate) fn bool_value(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[tag::BOOL, u8::from(value)]);
}

/// The same for a floating-point number.
#[inline]
pub(crate) fn double_value(out: &mut Vec<u8>, value: f64) {
    out.push(tag::DOUBLE);
    out.extend_from_slice(&value.to_le_bytes());
}

/// What every span has, whatever it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// All zero: there is none, and no field is written.
    pub(crate) parent_id: [u8; 8],
    /// As on the wire: see [`kind`].
    pub(crate) kind: u8,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// As on the wire: see [`flags`].
    pub(crate) flags: u32,
}

impl Fixed {
    /// With a parent.
    pub(crate) const LEN: usize = 64;
    const ROOT_LEN: usize = Self::LEN - 10;

    fn is_root(&self) -> bool {
        self.parent_id == [0; 8]
    }

    /// How many bytes are written.
    #[inline]
    fn len(&self) -> usize {
        if self.is_root() {
            Self::ROOT_LEN
        } else {
            Self::LEN
        }
    }

    /// Ids, parent, kind, times and flags.
    #[inline]
    fn bytes(&self) -> [u8; Self::LEN] {
        let mut head = [0u8; Self::LEN];
        head[0] = 1 << 3 | 2;
        head[1] = 16;
        head[2..18].copy_from_slice(&self.trace_id);
        head[18] = 2 << 3 | 2;
        head[19] = 8;
        head[20..28].copy_from_slice(&self.span_id);
        head[28] = 4 << 3 | 2;
        head[29] = 8;
        head[30..38].copy_from_slice(&self.parent_id);
        head[38] = 6 << 3;
        head[39] = self.kind;
        head[40] = 7 << 3 | 1;
        head[41..49].copy_from_slice(&self.start_ns.to_le_bytes());
        head[49] = 8 << 3 | 1;
        head[50..58].copy_from_slice(&self.end_ns.to_le_bytes());
        // field 16 has a tag of two bytes
        head[58] = 0x85;
        head[59] = 0x01;
        head[60..64].copy_from_slice(&self.flags.to_le_bytes());
        head
    }

    /// Appends the tag and length of a span, its fixed part, and the state unless it is empty.
    #[inline]
    fn open(&self, out: &mut Vec<u8>, length: usize, state: &[u8]) {
        let is_usual = (1..0x80).contains(&state.len()) && (0x80..0x4000).contains(&length);
        if self.is_root() || !is_usual {
            return self.open_other(out, length, state);
        }
        // the length takes two bytes, that of the state one
        let mut head = [0; 3 + Self::LEN + 2];
        head[..3].copy_from_slice(&[tag::INNER, length as u8 | 0x80, (length >> 7) as u8]);
        head[3..3 + Self::LEN].copy_from_slice(&self.bytes());
        head[3 + Self::LEN..].copy_from_slice(&[tag::SPAN_TRACE_STATE, state.len() as u8]);
        out.extend_from_slice(&head);
        out.extend_from_slice(state);
    }

    #[inline(never)]
    fn open_other(&self, out: &mut Vec<u8>, length: usize, state: &[u8]) {
        out.push(tag::INNER);
        varint(out, length as u64);
        self.write(out);
        if !state.is_empty() {
            bytes(out, tag::SPAN_TRACE_STATE, state);
        }
    }

    /// Appends it alone.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let fixed = self.bytes();
        if self.is_root() {
            out.extend_from_slice(&fixed[..28]);
            out.extend_from_slice(&fixed[38..]);
        } else {
            out.extend_from_slice(&fixed);
        }
    }
}

/// Appends a span as an item of its scope: what all spans have, the state unless it is empty, and
/// whatever else there is, as it is.
#[inline]
pub(crate) fn span<const N: usize>(
    out: &mut Vec<u8>,
    fixed: &Fixed,
    state: &[u8],
    parts: [&[u8]; N],
) {
    let mut length = fixed.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    if !state.is_empty() {
        length += field_len(state.len());
    }
    out.reserve(field_len(length));
    fixed.open(out, length, state);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The kind of a span, as on the wire.
pub(crate) fn kind(kind: &opentelemetry::trace::SpanKind) -> u8 {
    use opentelemetry::trace::SpanKind;

    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// The flags of a span or a link: those of W3C, and whether its parent or target is remote.
#[inline]
pub(crate) fn flags(trace_flags: opentelemetry::TraceFlags, is_remote: bool) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;

    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(trace_flags.to_u8()) | HAS_IS_REMOTE | remote
}
