//! As much of protobuf as is needed to read an answer, and to cut a request in two.
//!
//! The three OTLP requests have one shape: resources (field 1) hold scopes (field 2) hold items
//! (field 2). So one cut serves all, and works on finished bytes, whoever encoded them.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

use crate::Signal;

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
    /// The field with its tag, as it stands.
    raw: &'a [u8],
}

/// A field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn varint(self) -> Option<u64> {
        match self {
            Self::Varint(value) => Some(value),
            _ => None,
        }
    }
}

/// Reads the fields of a message; none when it is malformed.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let start = message;
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut message)?),
            1 => skip(&mut message, 8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(skip(&mut message, length)?)
            }
            5 => skip(&mut message, 4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        fields.push(Field {
            number: tag >> 3,
            value,
            raw: &start[..start.len() - message.len()],
        });
    }
    Some(fields)
}

/// The length of the first field, with its tag; none when there is none.
pub(crate) fn first_field(message: &[u8]) -> Option<usize> {
    let mut rest = message;
    let value = match varint(&mut rest)? & 7 {
        0 => {
            varint(&mut rest)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(&mut rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    skip(&mut rest, value)?;
    Some(message.len() - rest.len())
}

fn skip<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(head)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The field that leads one level down, at each level: resources, scopes, items.
const PATH: [u64; 3] = [1, 2, 2];

/// Cuts a request in two of about the same number of entries, each with its number of items.
///
/// None when there is only one entry, or it is malformed. An entry is a span, a log record or a
/// metric; the items of a metric are its points.
pub(crate) fn split(signal: Signal, request: &[u8]) -> Option<[(Bytes, u64); 2]> {
    let entries = usize::try_from(count(request, &|_| Some(1))?).ok()?;
    if entries < 2 {
        return None;
    }
    let half = |range: Range<usize>| {
        let part = take(request, 0, &mut 0, &range)?;
        let items = items(signal, &part)?;
        Some((Bytes::from(part), items))
    };
    Some([half(0..entries / 2)?, half(entries / 2..entries)?])
}

/// Counts the items of a request: spans, log records, or points of all metrics.
pub(crate) fn items(signal: Signal, request: &[u8]) -> Option<u64> {
    match signal {
        Signal::Traces | Signal::Logs => count(request, &|_| Some(1)),
        Signal::Metrics => count(request, &points),
    }
}

/// Counts the points of a metric: field 1 of gauge, sum and the histograms.
fn points(metric: &[u8]) -> Option<u64> {
    let mut total = 0;
    for field in fields(metric)? {
        if let (5 | 7 | 9 | 10 | 11, Some(data)) = (field.number, field.value.bytes()) {
            total += fields(data)?
                .iter()
                .filter(|field| field.number == 1)
                .count() as u64;
        }
    }
    Some(total)
}

fn count(request: &[u8], weigh: &dyn Fn(&[u8]) -> Option<u64>) -> Option<u64> {
    fn at(level: usize, message: &[u8], weigh: &dyn Fn(&[u8]) -> Option<u64>) -> Option<u64> {
        let Some(&path) = PATH.get(level) else {
            return weigh(message);
        };
        let mut total = 0;
        for field in fields(message)? {
            if let (true, Some(inner)) = (field.number == path, field.value.bytes()) {
                total += at(level + 1, inner, weigh)?;
            }
        }
        Some(total)
    }
    at(0, request, weigh)
}

/// Copies a message with only those entries whose index is in `range`; what has none left goes.
fn take(message: &[u8], level: usize, next: &mut usize, range: &Range<usize>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for field in fields(message)? {
        let inner = field.value.bytes().filter(|_| field.number == PATH[level]);
        let Some(inner) = inner else {
            out.extend_from_slice(field.raw);
            continue;
        };
        if level + 1 == PATH.len() {
            if range.contains(next) {
                out.extend_from_slice(field.raw);
            }
            *next += 1;
            continue;
        }
        let before = *next;
        let kept = take(inner, level + 1, next, range)?;
        if before.max(range.start) < (*next).min(range.end) {
            put_varint(&mut out, field.number << 3 | 2);
            put_varint(&mut out, kept.len() as u64);
            out.extend_from_slice(&kept);
        }
    }
    Some(out)
}

/// What a server answered to an export: how many items it rejected, and why.
pub(crate) fn partial_success(response: &[u8]) -> (u64, Option<String>) {
    let partial = || {
        let field = fields(response)?
            .into_iter()
            .find(|field| field.number == 1)?;
        fields(field.value.bytes()?)
    };
    let mut rejected = 0;
    let mut message = None;
    for field in partial().unwrap_or_default() {
        match (field.number, field.value) {
            (1, Value::Varint(count)) => rejected = u64::try_from(count as i64).unwrap_or(0),
            (2, Value::Bytes(text)) if !text.is_empty() => {
                message = Some(String::from_utf8_lossy(text).into_owned());
            }
            _ => {}
        }
    }
    (rejected, message)
}
