//! The attributes that differ from request to request, as protobuf.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use campanile_recorder::{Head, HeadMore};
use campanile_semconv::attribute as key;

use super::{Common, known};
use crate::lean::proto::{self, tag};
use crate::lean::values::Values;

/// Appends a text attribute whose name is known when this is compiled: all of it but the value is
/// then one copy.
macro_rules! text {
    ($out:expr, $key:expr, $value:expr) => {{
        const KEY: &[u8] = $key.as_bytes();
        const HEAD: [u8; KEY.len() + 8] = head(KEY);
        match (&mut *$out, $value) {
            // all lengths take one byte
            (out, value) if KEY.len() + 6 + value.len() < 0x80 => {
                let length = value.len() as u8;
                let mut head = HEAD;
                head[1] = KEY.len() as u8 + 6 + length;
                head[KEY.len() + 5] = length + 2;
                head[KEY.len() + 7] = length;
                out.extend_from_slice(&head);
                out.extend_from_slice(value);
            }
            (out, value) => long(out, KEY, value),
        }
    }};
}

/// The same for a port, which takes two or three bytes as a number nearly always.
macro_rules! port {
    ($out:expr, $key:expr, $value:expr) => {{
        const KEY: &[u8] = $key.as_bytes();
        const HEAD: [u8; KEY.len() + 10] = port_head(KEY);
        let port: u16 = $value;
        if port >= 1 << 14 {
            let mut head = HEAD;
            head[KEY.len() + 7] = port as u8 | 0x80;
            head[KEY.len() + 8] = (port >> 7) as u8 | 0x80;
            head[KEY.len() + 9] = (port >> 14) as u8;
            $out.extend_from_slice(&head);
        } else if port >= 1 << 7 {
            let mut head = HEAD;
            head[1] = KEY.len() as u8 + 7;
            head[KEY.len() + 5] = 3;
            head[KEY.len() + 7] = port as u8 | 0x80;
            head[KEY.len() + 8] = (port >> 7) as u8;
            $out.extend_from_slice(&head[..KEY.len() + 9]);
        } else {
            small_port($out, KEY, port);
        }
    }};
}

/// Everything of a port's attribute but the number.
const fn port_head<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut port = head::<N>(key);
    port[1] = key.len() as u8 + 8;
    port[5 + key.len()] = 4;
    port[6 + key.len()] = 0x18;
    port
}

fn small_port(out: &mut Vec<u8>, key: &[u8], port: u16) {
    proto::int_attribute(out, tag::SPAN_ATTRIBUTE, key, i64::from(port));
}

/// Everything of a short text attribute but its value and the three lengths it is part of.
const fn head<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut head = [0; N];
    head[0] = tag::SPAN_ATTRIBUTE;
    head[2] = 0x0a;
    head[3] = key.len() as u8;
    let mut i = 0;
    while i < key.len() {
        head[4 + i] = key[i];
        i += 1;
    }
    head[4 + key.len()] = 0x12;
    head[6 + key.len()] = 0x0a;
    head
}

#[cold]
fn long(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    proto::string_attribute(out, tag::SPAN_ATTRIBUTE, key, value);
}

/// Which of the names that are known beforehand stand for secrets: asked once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secret {
    path: bool,
    host: bool,
    agent: bool,
}

impl Secret {
    pub(super) fn of(values: &Values) -> Self {
        let is_secret = |key| values.redactor.is_secret(key);
        Self {
            path: is_secret(key::URL_PATH),
            host: is_secret(key::SERVER_ADDRESS),
            agent: is_secret(key::USER_AGENT_ORIGINAL),
        }
    }
}

/// A value as it may leave but for its length, where it is known whether its name stands for a
/// secret.
#[inline]
fn clean<'a>(values: &Values, is_secret: bool, key: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret {
        values.redactor.field(key, value)
    } else {
        values.redactor.text(value)
    }
}

/// Writes what the head of a request says, and returns how many attributes that is.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, head: &Head<'_>, common: &Common) -> usize {
    let values = &common.shared().values;
    let path = clean(values, common.secret.path, key::URL_PATH, head.path);
    text!(out, key::URL_PATH, values.cut(&path).as_bytes());
    let mut count = 1 + known::write(out, head, common);
    if let Some(peer) = head.peer {
        count += 1;
        port!(out, key::NETWORK_PEER_PORT, peer.port());
    }
    if let Some(more) = head.more {
        count += rare(out, more, values);
    }
    count
}

/// What only some requests have.
#[cold]
fn rare(out: &mut Vec<u8>, more: &HeadMore<'_>, values: &Values) -> usize {
    let texts = [
        (key::URL_QUERY, more.query),
        (key::HTTP_REQUEST_METHOD_ORIGINAL, more.method_original),
    ];
    let mut count = 0;
    if let Some(id) = more.request_id {
        let (key, text) = (key::CAMPANILE_REQUEST_ID, id.as_str());
        if id.is_random() {
            let text = values.cut(text).as_bytes();
            proto::string_attribute(out, tag::SPAN_ATTRIBUTE, key.as_bytes(), text);
        } else {
            values.string(out, tag::SPAN_ATTRIBUTE, key, text);
        }
        count += 1;
    }
    for (key, value) in texts {
        if let Some(value) = value {
            values.string(out, tag::SPAN_ATTRIBUTE, key, value);
            count += 1;
        }
    }
    count
}

/// Writes server and user agent, which hardly differ between requests, and says how many attributes
/// that is and whether nothing had to be taken out of them.
pub(super) fn write_names(out: &mut Vec<u8>, head: &Head<'_>, common: &Common) -> (usize, bool) {
    let (values, secret) = (&common.shared().values, common.secret);
    let (mut count, mut is_clean) = (0, true);
    let mut clean = |is_secret, key, value| {
        let text = clean(values, is_secret, key, value);
        is_clean &= matches!(text, Cow::Borrowed(_));
        text
    };
    let (host, port) = head.server();
    if let Some(host) = host {
        let host = clean(secret.host, key::SERVER_ADDRESS, host);
        text!(out, key::SERVER_ADDRESS, values.cut(&host).as_bytes());
        count += 1;
    }
    if let Some(port) = port {
        port!(out, key::SERVER_PORT, port);
        count += 1;
    }
    if let Some(agent) = head.user_agent_text() {
        let agent = clean(secret.agent, key::USER_AGENT_ORIGINAL, agent);
        text!(out, key::USER_AGENT_ORIGINAL, values.cut(&agent).as_bytes());
        count += 1;
    }
    (count, is_clean)
}

/// Writes the addresses of peer and client, and says how many attributes that is.
pub(super) fn write_addresses(
    out: &mut Vec<u8>,
    peer: Option<IpAddr>,
    client: Option<IpAddr>,
) -> usize {
    if let Some(peer) = peer {
        let (text, length) = address(peer);
        text!(out, key::NETWORK_PEER_ADDRESS, &text[..length]);
    }
    if let Some(client) = client {
        let (text, length) = address(client);
        text!(out, key::CLIENT_ADDRESS, &text[..length]);
    }
    usize::from(peer.is_some()) + usize::from(client.is_some())
}

/// An address as text, and how long it is.
fn address(address: IpAddr) -> ([u8; 64], usize) {
    let mut text = [0; 64];
    let mut rest = &mut text[..];
    // the longest has 39 characters
    let _ = write!(rest, "{address}");
    let length = 64 - rest.len();
    (text, length)
}
