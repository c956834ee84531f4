//! Attributes of an exchange, as the semantic conventions for HTTP servers ask.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use campanile_semconv::attribute as key;
use opentelemetry::KeyValue;

use crate::{End, Head, RequestId, Route};

/// What a sampler may see: given when the span starts.
pub(super) fn at_start(head: &Head<'_>) -> Vec<KeyValue> {
    let (route, more) = (head.route, head.more());
    let mut all = Vec::with_capacity(more.attributes.len() + 16);
    all.extend_from_slice(more.attributes);
    let (server_address, server_port) = head.server();
    let mut text = |key, value: Option<&str>| {
        all.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
    };
    text(key::HTTP_REQUEST_METHOD_ORIGINAL, more.method_original);
    text(key::URL_PATH, Some(head.path));
    text(key::URL_QUERY, more.query);
    text(key::SERVER_ADDRESS, server_address);
    text(key::USER_AGENT_ORIGINAL, head.user_agent_text());
    text(
        key::CAMPANILE_REQUEST_ID,
        more.request_id.map(RequestId::as_str),
    );
    let peer = head.peer.map(|peer| address(peer.ip()));
    let client = match (head.client, &peer) {
        (Some(client), Some(text)) if head.peer.map(|peer| peer.ip()) == Some(client) => {
            Some(Arc::clone(text))
        }
        (client, _) => client.map(address),
    };
    all.extend(client.map(|text| KeyValue::new(key::CLIENT_ADDRESS, text)));
    all.extend(peer.map(|text| KeyValue::new(key::NETWORK_PEER_ADDRESS, text)));
    all.extend(
        head.peer
            .map(|peer| KeyValue::new(key::NETWORK_PEER_PORT, i64::from(peer.port()))),
    );
    all.extend(server_port.map(|port| KeyValue::new(key::SERVER_PORT, i64::from(port))));
    all.extend_from_slice(route.active());
    all.extend(
        route
            .version()
            .map(|value| KeyValue::new(key::NETWORK_PROTOCOL_VERSION, value)),
    );
    all.extend(template(route));
    all.extend(domain(route));
    all
}

/// The text of an address. Each thread keeps the last one: behind a proxy, and on a connection that
/// is kept alive, the next request mostly comes from the same.
fn address(ip: IpAddr) -> Arc<str> {
    thread_local! {
        static LAST: RefCell<Option<(IpAddr, Arc<str>)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, text)) if *known == ip => Arc::clone(text),
        _ => Arc::clone(&last.insert((ip, write(ip))).1),
    })
}

/// Writes an address. A dotted quad is written by hand, as the formatting machinery costs ten
/// times as much.
fn write(ip: IpAddr) -> Arc<str> {
    let IpAddr::V4(ip) = ip else {
        return ip.to_string().into();
    };
    let (mut text, mut length) = ([0; 15], 0);
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    for (i, octet) in ip.octets().into_iter().enumerate() {
        if i > 0 {
            push(b'.');
        }
        for unit in [100, 10, 1] {
            if octet >= unit || unit == 1 {
                push(b'0' + octet / unit % 10);
            }
        }
    }
    std::str::from_utf8(&text[..length])
        .unwrap_or_default()
        .into()
}

/// What is known when the span ends.
pub(super) fn at_end(end: &End<'_>) -> [Option<KeyValue>; 4] {
    [
        Some(KeyValue::new(key::CAMPANILE_OUTCOME, end.outcome.as_str())),
        Some(KeyValue::new(key::CAMPANILE_PHASE, end.phase.as_str())),
        status(end),
        error(end),
    ]
}

/// What is better known of the route now than it was at the start. The SDK keeps both values of a
/// key that is set twice, so only what was missing is told.
pub(super) fn learnt(then: &'static Route, now: &'static Route) -> impl Iterator<Item = KeyValue> {
    let template = template(now).filter(|_| then.template().is_none());
    let domain = domain(now).filter(|_| then.domain().is_none());
    template.into_iter().chain(domain)
}

fn status(end: &End<'_>) -> Option<KeyValue> {
    end.status
        .map(|code| KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(code)))
}

fn error(end: &End<'_>) -> Option<KeyValue> {
    end.error_type()
        .map(|class| KeyValue::new(key::ERROR_TYPE, class))
}

fn template(route: &'static Route) -> Option<KeyValue> {
    route
        .template()
        .map(|value| KeyValue::new(key::HTTP_ROUTE, value))
}

fn domain(route: &'static Route) -> Option<KeyValue> {
    route
        .domain()
        .map(|value| KeyValue::new(key::CAMPANILE_DOMAIN, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_anyone_writes_it() {
        for octet in 0..=255 {
            let ip = IpAddr::from([octet, 0, 255 - octet, 10]);
            assert_eq!(*address(ip), *ip.to_string());
            assert_eq!(address(ip), address(ip));
        }
        let ip = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(*address(ip), *"fe80::1");
    }
}
