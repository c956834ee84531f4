//! Attributes of an exchange, as the semantic conventions for HTTP servers ask.

use campanile_semconv::attribute as key;
use opentelemetry::KeyValue;

use crate::{End, Head, Route};

/// What a sampler may see: given when the span starts.
pub(super) fn at_start(head: &Head<'_>) -> Vec<KeyValue> {
    let route = head.route;
    let mut all = Vec::with_capacity(16);
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
    let port = |port: u16| i64::from(port);
    all.extend(
        head.peer
            .map(|peer| KeyValue::new(key::NETWORK_PEER_PORT, port(peer.port()))),
    );
    all.extend(
        head.server_port
            .map(|value| KeyValue::new(key::SERVER_PORT, port(value))),
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
pub(super) fn at_end(end: &End) -> impl Iterator<Item = KeyValue> {
    let status = end
        .status
        .map(|code| KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(code)));
    let error = end
        .error_type()
        .map(|class| KeyValue::new(key::ERROR_TYPE, class));
    let how = [
        KeyValue::new(key::CAMPANILE_OUTCOME, end.outcome.as_str()),
        KeyValue::new(key::CAMPANILE_PHASE, end.phase.as_str()),
    ];
    let route = end.route;
    how.into_iter()
        .chain(status)
        .chain(error)
        .chain(template(route))
        .chain(domain(route))
}

/// The series of `http.server.request.duration`.
pub(super) fn duration(end: &End) -> Vec<KeyValue> {
    let route = end.route;
    let mut all = Vec::with_capacity(7);
    all.extend(active(route));
    all.extend(
        route
            .version()
            .map(|value| KeyValue::new(key::NETWORK_PROTOCOL_VERSION, value)),
    );
    all.extend(
        end.status
            .map(|code| KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(code))),
    );
    all.extend(
        end.error_type()
            .map(|class| KeyValue::new(key::ERROR_TYPE, class)),
    );
    all.extend(template(route));
    all.extend(domain(route));
    all
}

/// The series of `http.server.active_requests`: the same at the beginning and at the end.
pub(super) fn active(route: &'static Route) -> [KeyValue; 2] {
    [
        KeyValue::new(key::HTTP_REQUEST_METHOD, route.method().as_str()),
        KeyValue::new(key::URL_SCHEME, route.scheme()),
    ]
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
