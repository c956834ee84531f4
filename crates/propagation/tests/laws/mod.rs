//! What holds for every input, whatever it is; the fuzz targets check the same.
//!
//! The grammars are written down a second time here, straight from the specifications, so that
//! the code is not its own judge.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use campanile_propagation::{Baggage, Parent, TraceStateText, extract, inject_headers};
use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceState};

/// Header lines out of one input: one for each line of text, as far as HTTP allows them.
pub fn lines(input: &[u8]) -> Vec<HeaderValue> {
    let lines = input.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect()
}

/// Headers out of one input: the first byte of each line says which one it belongs to.
pub fn headers(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let (name, value) = match line {
            [b'p', value @ ..] => ("traceparent", value),
            [b's', value @ ..] => ("tracestate", value),
            [b'b', value @ ..] => ("baggage", value),
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The members of a list, without the white space around them and without blank ones.
fn members<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<&'a [u8]> {
    let lines = lines.into_iter().map(HeaderValue::as_bytes);
    let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
    members
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect()
}

/// `traceparent`: what is read is in the text, what is written is legal and reads the same.
pub fn traceparent(input: &[u8]) {
    let Some(parent) = Parent::parse(input) else {
        return;
    };
    let written = parent.format();
    assert!(is_traceparent(&written), "{}", written.escape_ascii());
    assert_eq!(Parent::parse(&written), Some(parent));
    let text = input.trim_ascii();
    assert_eq!(text[3..52], written[3..52], "the ids are those of the text");
    let flags = u8::from_str_radix(std::str::from_utf8(&text[53..55]).unwrap(), 16).unwrap();
    assert_eq!(
        (parent.is_sampled(), parent.is_random()),
        (flags & 1 != 0, flags & 2 != 0)
    );
}

/// Version `00` as the specification writes it, with known flags only.
fn is_traceparent(text: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<_> = text.split(|byte| *byte == b'-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return false;
    };
    let id = |part: &[u8]| hex(part) && part.iter().any(|byte| *byte != b'0');
    let lengths = (version.len(), trace.len(), span.len(), flags.len());
    lengths == (2, 32, 16, 2)
        && version == b"00"
        && id(trace)
        && id(span)
        && matches!(flags, b"00" | b"01" | b"02" | b"03")
}

/// `tracestate`: all of it or nothing, in order, byte for byte, legal.
pub fn tracestate(input: &[u8]) {
    let sent = lines(input);
    let Some(state) = TraceStateText::from_lines(&sent) else {
        return;
    };
    let out = members([state.as_header()]);
    assert_eq!(out, members(&sent), "nothing is lost, changed or reordered");
    assert!((1..=32).contains(&out.len()));
    assert!(
        out.iter().all(|member| is_state_member(member)),
        "{state:?}"
    );
    assert_eq!(
        TraceStateText::from_lines([state.as_header()]),
        Some(state.clone())
    );
    assert_eq!(state.members().count(), out.len());
    for (key, _) in state.members() {
        assert!(state.get(key).is_some());
    }
    let changed = TraceStateText::with(Some(&state), "own", "1").unwrap();
    let changed = members([changed.as_header()]);
    assert_eq!(
        changed[0], b"own=1",
        "on mutation the own key moves to the left"
    );
    let kept: Vec<_> = out
        .iter()
        .filter(|member| !member.starts_with(b"own="))
        .copied()
        .take(31)
        .collect();
    assert_eq!(changed[1..], kept, "and eviction is from the right, at 32");
}

fn is_state_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    let low = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let value_end = value.last().is_some_and(|byte| matches!(byte, 0x21..=0x7e));
    key.first().is_some_and(low)
        && key.iter().all(|byte| low(byte) || b"_-*/@".contains(byte))
        && key.len() <= 256
        && value.len() <= 256
        && value_end
        && value
            .iter()
            .all(|byte| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e))
}

/// `baggage`: every member that goes out is one that came in, legal and whole, and the others are
/// counted.
pub fn baggage(input: &[u8]) {
    let sent = lines(input);
    let (kept, dropped) = Baggage::from_lines(&sent);
    let (came, out) = (members(&sent), members(kept.as_header()));
    assert_eq!(
        out.len() + dropped as usize,
        came.len(),
        "what is lost is counted"
    );
    let mut left = came.iter();
    assert!(
        out.iter().all(|member| left.any(|sent| sent == member)),
        "no member is invented"
    );
    assert!(
        out.iter().all(|member| is_baggage_member(member)),
        "{kept:?}"
    );
    assert!(out.len() <= 64 && kept.as_header().is_none_or(|text| text.len() <= 8192));
    assert_eq!(
        kept.as_header().is_none(),
        out.is_empty(),
        "no empty header"
    );
    let text: usize = came.iter().map(|member| member.len() + 1).sum();
    if came.len() <= 64 && text <= 8192 {
        let legal = came
            .iter()
            .filter(|member| is_baggage_member(member))
            .count();
        assert_eq!(out.len(), legal, "all legal members go when they fit");
    }
    assert_eq!(Baggage::from_lines(kept.as_header()), (kept.clone(), 0));
    assert_eq!(kept.members().count(), out.len());
    // each is checked against all, so a few will do
    for member in kept.members().take(4) {
        assert!(kept.get(member.key).is_some());
        rewritten(&kept, member.key, &member.value);
    }
}

/// What is set is what is read, here and after a hop, and nothing else changes.
pub fn rewritten(baggage: &Baggage, key: &str, value: &str) {
    let Some(changed) = baggage.with(key, value) else {
        return;
    };
    assert_eq!(changed.get(key).as_deref(), Some(value));
    let after = Baggage::from_lines(changed.as_header());
    assert_eq!(after, (changed.clone(), 0), "what we write is legal");
    let others = |baggage: &Baggage| {
        let members = baggage.members().filter(|member| member.key != key);
        members
            .map(|member| format!("{member:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&changed), others(baggage));
    assert_eq!(
        changed.members().filter(|member| member.key == key).count(),
        1
    );
    assert_eq!(others(&changed.without(key)), others(baggage));
}

fn is_baggage_member(member: &[u8]) -> bool {
    let token = |text: &[u8]| {
        let byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        !text.is_empty() && text.iter().all(byte)
    };
    let value = |text: &[u8]| {
        let byte = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
        text.iter().all(byte)
    };
    let pair = |part: &[u8], is_property: bool| match part.iter().position(|byte| *byte == b'=') {
        Some(at) => token(part[..at].trim_ascii()) && value(part[at + 1..].trim_ascii()),
        None => is_property && token(part.trim_ascii()),
    };
    let mut parts = member.split(|byte| *byte == b';');
    parts.next().is_some_and(|first| pair(first, false)) && parts.all(|part| pair(part, true))
}

/// One hop: whatever comes in, what goes out is legal, once each, and stays the same from then on.
pub fn hop(headers: &HeaderMap) {
    let once = forward(headers);
    for name in ["traceparent", "tracestate", "baggage"] {
        assert!(once.get_all(name).iter().count() <= 1, "{name}");
    }
    let parent = once.get("traceparent");
    assert!(parent.is_none_or(|text| is_traceparent(text.as_bytes())));
    assert!(parent.is_some() || !once.contains_key("tracestate"));
    assert!(
        members(once.get("tracestate"))
            .into_iter()
            .all(is_state_member)
    );
    assert!(
        members(once.get("baggage"))
            .into_iter()
            .all(is_baggage_member)
    );
    assert_eq!(forward(&once), once);
}

fn forward(headers: &HeaderMap) -> HeaderMap {
    let found = extract(headers);
    let mut context = Context::new().with_value(found.carried);
    if let Some(parent) = found.parent {
        context = context.with_remote_span_context(parent.to_span_context(TraceState::NONE));
    }
    inject_headers(&context).collect()
}
