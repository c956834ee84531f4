//! The attributes that differ from request to request, as protobuf, written when it begins.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;

use campanile_recorder::Head;
use campanile_semconv::attribute as key;

use super::seen;
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

/// A value as it may leave, where it is known whether its name stands for a secret.
#[inline]
fn clean<'a>(values: &Values, is_secret: bool, key: &str, value: &'a str) -> Cow<'a, str> {
    if !is_secret && seen::is_clean(values, value) {
        return Cow::Borrowed(values.cut(value));
    }
    let clean = values.redactor.field(key, value);
    if let Cow::Borrowed(text) = clean {
        seen::keep(values, text);
    }
    match clean {
        Cow::Borrowed(text) => Cow::Borrowed(values.cut(text)),
        Cow::Owned(text) => Cow::Owned(values.cut(&text).to_owned()),
    }
}

/// The same for a path, which is another each time.
#[inline]
fn path<'a>(values: &Values, is_secret: bool, path: &'a str) -> Cow<'a, str> {
    let clean = if is_secret {
        values.redactor.field(key::URL_PATH, path)
    } else {
        values.redactor.text(path)
    };
    match clean {
        Cow::Borrowed(text) => Cow::Borrowed(values.cut(text)),
        Cow::Owned(text) => Cow::Owned(values.cut(&text).to_owned()),
    }
}

/// Writes what the head of a request says, and returns how many attributes that is.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, head: &Head<'_>, values: &Values, secret: Secret) -> usize {
    let mut count = 1;
    text!(
        out,
        key::URL_PATH,
        path(values, secret.path, head.path).as_bytes()
    );
    if let Some(host) = head.server_address {
        text!(
            out,
            key::SERVER_ADDRESS,
            clean(values, secret.host, key::SERVER_ADDRESS, host).as_bytes()
        );
        count += 1;
    }
    if let Some(port) = head.server_port {
        port!(out, key::SERVER_PORT, port);
        count += 1;
    }
    if let Some(agent) = head.user_agent {
        text!(
            out,
            key::USER_AGENT_ORIGINAL,
            clean(values, secret.agent, key::USER_AGENT_ORIGINAL, agent).as_bytes()
        );
        count += 1;
    }
    if let Some(peer) = head.peer {
        let is_client = head.client == Some(peer.ip());
        address(peer.ip(), |text| {
            text!(out, key::NETWORK_PEER_ADDRESS, text);
            if is_client {
                text!(out, key::CLIENT_ADDRESS, text);
            }
        });
        port!(out, key::NETWORK_PEER_PORT, peer.port());
        count += 2 + usize::from(is_client);
    }
    if let Some(client) = head.client
        && head.peer.map(|peer| peer.ip()) != head.client
    {
        address(client, |text| text!(out, key::CLIENT_ADDRESS, text));
        count += 1;
    }
    if head.query.is_some() || head.request_id.is_some() || head.method_original.is_some() {
        count += rare(out, head, values);
    }
    count
}

/// What only some requests have.
#[cold]
fn rare(out: &mut Vec<u8>, head: &Head<'_>, values: &Values) -> usize {
    let texts = [
        (key::URL_QUERY, head.query),
        (key::CAMPANILE_REQUEST_ID, head.request_id),
        (key::HTTP_REQUEST_METHOD_ORIGINAL, head.method_original),
    ];
    let mut count = 0;
    for (key, value) in texts {
        if let Some(value) = value {
            values.string(out, tag::SPAN_ATTRIBUTE, key, value);
            count += 1;
        }
    }
    count
}

/// The text of an address. Each thread keeps the last one: behind a proxy, and on a connection that
/// is kept alive, the next request mostly comes from the same.
#[inline]
fn address(ip: IpAddr, mut with: impl FnMut(&[u8])) {
    thread_local! {
        static LAST: RefCell<Option<(IpAddr, String)>> = const { RefCell::new(None) };
    }
    let known = LAST.try_with(|last| {
        let Ok(mut last) = last.try_borrow_mut() else {
            return false;
        };
        match &*last {
            Some((known, text)) if *known == ip => with(text.as_bytes()),
            _ => with(last.insert((ip, ip.to_string())).1.as_bytes()),
        }
        true
    });
    if !known.unwrap_or(false) {
        with(ip.to_string().as_bytes());
    }
}
