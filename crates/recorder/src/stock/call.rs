//! Outgoing requests over the plain API.

use std::sync::OnceLock;

use campanile_propagation::Carried;
use campanile_semconv::{attribute as key, metric};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

use crate::series::AllSeries;
use crate::{CallEnd, CallHead, Histogram, Meter, StartedCall, UpDownCounter};

/// Opens the client span, and gives the context in which it is current.
pub(super) fn open<T>(tracer: &T, head: &CallHead<'_>) -> StartedCall
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let parent = &head.context;
    let is_root = !parent.span().span_context().is_valid();
    let mut started = StartedCall::now(head, Context::new());
    let mut builder = tracer.span_builder(name(head));
    builder.span_kind = Some(SpanKind::Client);
    builder.start_time = Some(started.at);
    builder.attributes = Some(at_start(head));
    let span = tracer.build_with_context(builder, parent);
    started.context = parent.with_span(span);
    // without an SDK there is no new root either
    if is_root && started.context.span().span_context().is_valid() {
        // the SDK's own generator makes random ids; only a new root may say so
        let mut carried = Carried::of(parent).unwrap_or_default();
        carried.tracestate = None;
        carried.random = true;
        started.context = started.context.with_value(carried);
    }
    started
}

/// Ends the client span.
pub(super) fn close(started: &StartedCall, end: &CallEnd) {
    let span = started.context.span();
    if span.is_recording() {
        if end.error_type().is_some() {
            span.set_status(Status::error(""));
        }
        for attribute in at_end(end) {
            span.set_attribute(attribute);
        }
    }
    span.end_with_timestamp(started.at + end.elapsed);
}

/// The method alone: a client knows no template, and a path is not one.
fn name(head: &CallHead<'_>) -> &'static str {
    if head.method.is_other() {
        "HTTP"
    } else {
        head.method.as_str()
    }
}

fn at_start(head: &CallHead<'_>) -> Vec<KeyValue> {
    let text = |key, value: Option<&str>| value.map(|value| KeyValue::new(key, value.to_owned()));
    let method = KeyValue::new(key::HTTP_REQUEST_METHOD, head.method.as_str());
    let resent = i64::from(head.resend_count);
    let optional = [
        text(key::HTTP_REQUEST_METHOD_ORIGINAL, head.method_original),
        text(key::URL_FULL, head.url),
        text(key::SERVER_ADDRESS, head.server_address),
        port(key::SERVER_PORT, head.server_port),
        (resent > 0).then(|| KeyValue::new(key::HTTP_REQUEST_RESEND_COUNT, resent)),
    ];
    let mut all = Vec::with_capacity(optional.len() + 1);
    all.push(method);
    all.extend(optional.into_iter().flatten());
    all
}

fn at_end(end: &CallEnd) -> impl Iterator<Item = KeyValue> {
    let peer = end.answer().and_then(|answer| answer.peer);
    let address = |ip: std::net::IpAddr| KeyValue::new(key::NETWORK_PEER_ADDRESS, ip.to_string());
    let known = [
        status(end),
        version(end),
        error(end),
        peer.map(|peer| address(peer.ip())),
        port(key::NETWORK_PEER_PORT, peer.map(|peer| peer.port())),
    ];
    known.into_iter().flatten()
}

/// What calls counted in one series have in common: method, target (by its address, as targets are
/// never freed), status, version, error.
type Key = (
    &'static str,
    usize,
    Option<u16>,
    Option<&'static str>,
    Option<&'static str>,
);

/// The instruments of outgoing requests: series are opened by the first that needs them.
pub(super) struct Instruments {
    ended: AllSeries<Key, Series>,
    active: AllSeries<(&'static str, usize), UpDownCounter>,
}

/// The series of one set of attributes.
struct Series {
    attributes: Vec<KeyValue>,
    duration: Histogram,
    request_size: OnceLock<Histogram>,
    response_size: OnceLock<Histogram>,
}

impl Instruments {
    pub(super) fn new() -> Self {
        Self {
            ended: AllSeries::new(&metric::HTTP_CLIENT_REQUEST_DURATION),
            active: AllSeries::new(&metric::HTTP_CLIENT_ACTIVE_REQUESTS),
        }
    }

    pub(super) fn begin(&self, meter: &dyn Meter, started: &StartedCall) {
        self.count_active(meter, started, 1);
    }

    pub(super) fn end(&self, meter: &dyn Meter, started: &StartedCall, end: &CallEnd) {
        self.count_active(meter, started, -1);
        let answer = end.answer();
        let key = (
            started.method.as_str(),
            address(started),
            answer.map(|answer| answer.status),
            answer.and_then(|answer| answer.version),
            end.error_type(),
        );
        let list = || {
            let optional = [status(end), version(end), error(end)];
            let optional = optional.into_iter().flatten();
            identity(started).chain(optional).collect()
        };
        let series = self.ended.find(meter, key, list, |attributes| Series {
            duration: meter.histogram(&metric::HTTP_CLIENT_REQUEST_DURATION, &attributes),
            attributes,
            request_size: OnceLock::new(),
            response_size: OnceLock::new(),
        });
        let span = started.context.span();
        let seconds = end.elapsed.as_secs_f64();
        series.duration.record_in(seconds, span.span_context());
        let (request, response) = (
            &metric::HTTP_CLIENT_REQUEST_BODY_SIZE,
            &metric::HTTP_CLIENT_RESPONSE_BODY_SIZE,
        );
        for (size, opened, metric) in [
            (end.sizes.request, &series.request_size, request),
            (end.sizes.response, &series.response_size, response),
        ] {
            if let Some(bytes) = size {
                let open = || meter.histogram(metric, &series.attributes);
                #[expect(clippy::cast_precision_loss, reason = "bytes of a body, for a bucket")]
                opened.get_or_init(open).record(bytes as f64);
            }
        }
    }

    fn count_active(&self, meter: &dyn Meter, started: &StartedCall, change: i64) {
        if started.counts_active {
            let metric = &metric::HTTP_CLIENT_ACTIVE_REQUESTS;
            let key = (started.method.as_str(), address(started));
            let list = || identity(started).collect();
            let open = |attributes: Vec<_>| meter.up_down_counter(metric, &attributes);
            self.active.find(meter, key, list, open).add(change);
        }
    }
}

fn address(started: &StartedCall) -> usize {
    std::ptr::from_ref(started.target).addr()
}

/// What is the same at the beginning and at the end.
fn identity(started: &StartedCall) -> impl Iterator<Item = KeyValue> {
    let target = started.target;
    let known = [
        KeyValue::new(key::HTTP_REQUEST_METHOD, started.method.as_str()),
        KeyValue::new(key::SERVER_ADDRESS, target.address()),
    ];
    known
        .into_iter()
        .chain(port(key::SERVER_PORT, target.port()))
}

fn status(end: &CallEnd) -> Option<KeyValue> {
    let status = i64::from(end.answer()?.status);
    Some(KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, status))
}

fn version(end: &CallEnd) -> Option<KeyValue> {
    let version = end.answer()?.version?;
    Some(KeyValue::new(key::NETWORK_PROTOCOL_VERSION, version))
}

fn error(end: &CallEnd) -> Option<KeyValue> {
    Some(KeyValue::new(key::ERROR_TYPE, end.error_type()?))
}

fn port(key: &'static str, port: Option<u16>) -> Option<KeyValue> {
    Some(KeyValue::new(key, i64::from(port?)))
}
