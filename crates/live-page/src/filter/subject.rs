//! What a filter can be asked about: a span, a log record, a metric.

use campanile_otlp_receiver::{Attributes, LogRecord, Metric, Resource, Span, SpanKind, Value};
use campanile_semconv::attribute as a;

use super::parse::level_rank;
use crate::facts;

/// Something that has keys.
pub(crate) trait Subject {
    /// Walks the values of a key until one is accepted.
    fn values(&self, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool;
    /// The number behind a key: milliseconds for `dur`, the rank for `level`.
    fn number(&self, key: &str) -> Option<f64>;
    /// Walks what bare text is looked for in: name, message, events.
    fn says(&self, accept: &mut dyn FnMut(&str) -> bool) -> bool;
    /// When it happened, in milliseconds since 1970.
    fn unix_ms(&self) -> f64;
}

/// A span. Bare text is looked for in its attributes too when it `searches`: that is Find in a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanSubject<'a> {
    pub(crate) span: &'a Span,
    pub(crate) searches: bool,
}

impl<'a> SpanSubject<'a> {
    pub(crate) fn new(span: &'a Span) -> Self {
        Self {
            span,
            searches: false,
        }
    }
}

impl Subject for SpanSubject<'_> {
    fn values(&self, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        let span = self.span;
        match key {
            "service" => accept(span.resource.service_name()),
            "name" => accept(&span.name),
            "route" => attribute(&span.attributes, a::HTTP_ROUTE, accept),
            "method" => attribute(&span.attributes, a::HTTP_REQUEST_METHOD, accept),
            "status" => {
                attribute(&span.attributes, a::HTTP_RESPONSE_STATUS_CODE, accept)
                    || accept(&span.status.code.to_string())
            }
            "domain" => facts::domain(span).is_some_and(accept),
            "event" => span.events.iter().any(|event| accept(&event.name)),
            "error" => {
                let failed = facts::failed(span);
                accept(if failed { "true" } else { "false" })
                    || attribute(&span.attributes, a::ERROR_TYPE, accept)
            }
            "trace" => accept(&span.trace_id.to_string()),
            "span" => accept(&span.span_id.to_string()),
            "session" => attribute(&span.attributes, a::SESSION_ID, accept),
            "ep" => attribute(&span.attributes, a::WEBSOCKET_ENDPOINT, accept),
            "kind" => accept(span.kind.as_str()),
            "node" => node(&span.resource, accept),
            "dur" => accept("true"),
            "level" => false,
            _ => {
                attribute(&span.attributes, key, accept)
                    || attribute(&span.resource.attributes, key, accept)
            }
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match key {
            "dur" => Some(facts::duration_ms(self.span)),
            "status" => number(self.span.attributes.get(a::HTTP_RESPONSE_STATUS_CODE)?),
            _ => number(
                self.span
                    .attributes
                    .get(key)
                    .or_else(|| self.span.resource.attributes.get(key))?,
            ),
        }
    }

    fn says(&self, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        let span = self.span;
        accept(&span.name)
            || (span.kind == SpanKind::Server && attribute(&span.attributes, a::URL_PATH, accept))
            || (self.searches
                && (accept(span.resource.service_name())
                    || accept(&span.status.message)
                    || span
                        .attributes
                        .iter()
                        .any(|(key, value)| accept(key) || accept(&value.to_string()))
                    || span.events.iter().any(|event| {
                        accept(&event.name)
                            || event
                                .attributes
                                .iter()
                                .any(|(key, value)| accept(key) || accept(&value.to_string()))
                    })))
    }

    fn unix_ms(&self) -> f64 {
        facts::ms(self.span.start_unix_nano)
    }
}

/// A log record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSubject<'a>(pub(crate) &'a LogRecord);

impl Subject for LogSubject<'_> {
    fn values(&self, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        let log = self.0;
        match key {
            "service" => accept(log.resource.service_name()),
            "level" => accept(log.level()),
            "event" | "name" => !log.event_name.is_empty() && accept(&log.event_name),
            "domain" => facts::log_domain(log).is_some_and(accept),
            "route" => attribute(&log.attributes, a::HTTP_ROUTE, accept),
            "method" => attribute(&log.attributes, a::HTTP_REQUEST_METHOD, accept),
            "status" => attribute(&log.attributes, a::HTTP_RESPONSE_STATUS_CODE, accept),
            "error" => {
                let failed = log.severity_number >= 17;
                accept(if failed { "true" } else { "false" })
                    || attribute(&log.attributes, a::ERROR_TYPE, accept)
            }
            "trace" => log.trace_id.is_some_and(|id| accept(&id.to_string())),
            "span" => log.span_id.is_some_and(|id| accept(&id.to_string())),
            "session" => attribute(&log.attributes, a::SESSION_ID, accept),
            "ep" => attribute(&log.attributes, a::WEBSOCKET_ENDPOINT, accept),
            "node" => node(&log.resource, accept),
            "dur" | "kind" => false,
            _ => {
                attribute(&log.attributes, key, accept)
                    || attribute(&log.resource.attributes, key, accept)
            }
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match key {
            "level" => level_rank(self.0.level()),
            "status" => number(self.0.attributes.get(a::HTTP_RESPONSE_STATUS_CODE)?),
            _ => number(self.0.attributes.get(key)?),
        }
    }

    fn says(&self, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        accept(&self.0.event_name) || facts::with_text(&self.0.body, accept)
    }

    fn unix_ms(&self) -> f64 {
        facts::log_ms(self.0)
    }
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricSubject<'a>(pub(crate) &'a Metric);

impl Subject for MetricSubject<'_> {
    fn values(&self, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        let metric = self.0;
        match key {
            "name" => accept(metric.name()),
            "service" => accept(metric.resource().service_name()),
            "kind" => accept(metric.kind().as_str()),
            "node" => node(metric.resource(), accept),
            _ => {
                let key = match key {
                    "route" => a::HTTP_ROUTE,
                    "domain" => a::CAMPANILE_DOMAIN,
                    "ep" => a::WEBSOCKET_ENDPOINT,
                    "method" => a::HTTP_REQUEST_METHOD,
                    "status" => a::HTTP_RESPONSE_STATUS_CODE,
                    "error" => a::ERROR_TYPE,
                    other => other,
                };
                metric
                    .series
                    .iter()
                    .any(|series| attribute(&series.attributes, key, accept))
                    || attribute(&metric.resource().attributes, key, accept)
            }
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.0
            .series
            .iter()
            .find_map(|series| number(series.attributes.get(key)?))
    }

    fn says(&self, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        accept(self.0.name()) || accept(self.0.description())
    }

    fn unix_ms(&self) -> f64 {
        let last = self
            .0
            .series
            .iter()
            .filter_map(|series| series.last())
            .map(|point| point.time_unix_nano)
            .max();
        facts::ms(last.unwrap_or(0))
    }
}

fn attribute(attributes: &Attributes, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool {
    attributes
        .get(key)
        .is_some_and(|value| facts::with_text(value, accept))
}

fn node(resource: &Resource, accept: &mut dyn FnMut(&str) -> bool) -> bool {
    [
        "server.node",
        "service.instance.id",
        "host.name",
        "k8s.node.name",
    ]
    .into_iter()
    .any(|key| attribute(&resource.attributes, key, accept))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
