//! Attributes of an exchange, as the semantic conventions for HTTP servers ask.

use campanile_semconv::attribute as key;
use opentelemetry::KeyValue;

use crate::{End, Head, Route};

/// What a sampler may see: given when the span starts.
pub(super) fn at_start(head: Head<'_>) -> Vec<KeyValue> {
    let route = head.route;
    let mut all = head.attributes;
    all.reserve(16);
    let mut text = |key, value: Option<&str>| {
        all.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
    };
    text(key::HTTP_REQUEST_METHOD_ORIGINAL, head.method_original);
    text(key::URL_PATH, Some(head.path));
    text(key::URL_QUERY, head.query);
    text(key::SERVER_ADDRESS, head.server_address);
    text(key::USER_AGENT_ORIGINAL, head.user_agent);
    text(key::CAMPANILE_REQUEST_ID, head.request_id);
    text(
        key::CLIENT_ADDRESS,
        head.client.map(|ip| ip.to_string()).as_deref(),
    );
    text(
        key::NETWORK_PEER_ADDRESS,
        head.peer.map(|peer| peer.ip().to_string()).as_deref(),
    );
    all.extend(
        head.peer
            .map(|peer| KeyValue::new(key::NETWORK_PEER_PORT, i64::from(peer.port()))),
    );
    all.extend(
        head.server_port
            .map(|port| KeyValue::new(key::SERVER_PORT, i64::from(port))),
    );
    all.push(KeyValue::new(
        key::HTTP_REQUEST_METHOD,
        route.method().as_str(),
    ));
    all.push(KeyValue::new(key::URL_SCHEME, route.scheme()));
    all.extend(
        route
            .version()
            .map(|value| KeyValue::new(key::NETWORK_PROTOCOL_VERSION, value)),
    );
    all.extend(template(route));
    all.extend(domain(route));
    all
}

/// What is known when the span ends.
pub(super) fn at_end(end: End) -> impl Iterator<Item = KeyValue> {
    let known = [
        Some(KeyValue::new(key::CAMPANILE_OUTCOME, end.outcome.as_str())),
        Some(KeyValue::new(key::CAMPANILE_PHASE, end.phase.as_str())),
        status(&end),
        error(&end),
    ];
    known.into_iter().flatten().chain(end.attributes)
}

/// What is better known of the route now than it was at the start. The SDK keeps both values of a
/// key that is set twice, so only what was missing is told.
pub(super) fn learnt(then: &'static Route, now: &'static Route) -> impl Iterator<Item = KeyValue> {
    let template = template(now).filter(|_| then.template().is_none());
    let domain = domain(now).filter(|_| then.domain().is_none());
    template.into_iter().chain(domain)
}

/// The series of `http.server.request.duration`, and of the body sizes.
pub(super) fn duration(end: &End) -> Vec<KeyValue> {
    let route = end.route;
    let version = route
        .version()
        .map(|value| KeyValue::new(key::NETWORK_PROTOCOL_VERSION, value));
    let optional = [
        version,
        status(end),
        error(end),
        template(route),
        domain(route),
    ];
    active(route)
        .into_iter()
        .chain(optional.into_iter().flatten())
        .collect()
}

/// The series of `http.server.active_requests`: the same at the beginning and at the end.
pub(super) fn active(route: &'static Route) -> [KeyValue; 2] {
    [
        KeyValue::new(key::HTTP_REQUEST_METHOD, route.method().as_str()),
        KeyValue::new(key::URL_SCHEME, route.scheme()),
    ]
}

fn status(end: &End) -> Option<KeyValue> {
    end.status
        .map(|code| KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(code)))
}

fn error(end: &End) -> Option<KeyValue> {
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
