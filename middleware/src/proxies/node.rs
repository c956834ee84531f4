//! The headers that proxies write, as hops from the client to us.

use std::net::{IpAddr, SocketAddr};

use http::header::{GetAll, HeaderValue};

/// What one proxy said about the side it was called from.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hop {
    pub(super) address: Option<IpAddr>,
    pub(super) is_https: Option<bool>,
    pub(super) host: Option<String>,
}

/// `Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8::1]:4711"` (RFC 7239).
pub(super) fn forwarded(lines: GetAll<'_, HeaderValue>) -> Vec<Hop> {
    let elements = lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .map(|line| if is_closed(line) { line } else { "" })
        .flat_map(|line| split(line, ','));
    elements.map(element).collect()
}

/// Whether every quote that a line opens is closed. In one where a client left a quote open, nobody
/// can tell any more what the proxies behind it have written: it says nothing.
fn is_closed(line: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in line.chars() {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

fn element(text: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split(text, ';') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = unquote(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(&value),
            "proto" => hop.is_https = is_https(&value),
            "host" => hop.host = host(&value),
            _ => {}
        }
    }
    hop
}

/// The three de-facto lists. A value of `proto` and `host` belongs to the hop at the same place
/// from the right.
pub(super) fn x_forwarded(
    addresses: GetAll<'_, HeaderValue>,
    protos: GetAll<'_, HeaderValue>,
    hosts: GetAll<'_, HeaderValue>,
) -> Vec<Hop> {
    let list = |lines: GetAll<'_, HeaderValue>| -> Vec<String> {
        let lines = lines.iter().map(|line| line.to_str().unwrap_or_default());
        lines
            .flat_map(|line| line.split(','))
            .map(|value| value.trim().to_owned())
            .collect()
    };
    let (addresses, mut protos, mut hosts) = (list(addresses), list(protos), list(hosts));
    let mut hops: Vec<_> = addresses
        .iter()
        .rev()
        .map(|text| Hop {
            address: address(text),
            is_https: protos.pop().and_then(|proto| is_https(&proto)),
            host: hosts.pop().and_then(|name| host(&name)),
        })
        .collect();
    hops.reverse();
    hops
}

/// Splits at `separator`, but not inside a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    })
}

fn unquote(text: &str) -> String {
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

/// An address, with or without a port; `unknown` and obfuscated names are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address =
        address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

fn is_https(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// A host that could stand in a URL; anything else is not worth an attribute.
fn host(text: &str) -> Option<String> {
    let is_fit = (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    is_fit.then(|| text.to_owned())
}
