//! A service that was slow for a while: what its spans, log lines and metrics look like on the wire.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Method, route, domain, requests a second, median in milliseconds.
const ROUTES: [(&str, &str, &str, f64, f64); 8] = [
    ("POST", "/rooms/{id}/messages", "chat", 3.2, 34.0),
    ("GET", "/rooms/{id}/messages", "chat", 2.4, 8.4),
    ("GET", "/rooms", "chat", 1.1, 3.9),
    ("POST", "/attachments", "chat", 0.3, 118.0),
    ("GET", "/live", "ws", 0.25, 11.0),
    ("POST", "/login", "auth", 0.5, 38.0),
    ("POST", "/tokens/refresh", "auth", 1.4, 2.6),
    ("POST", "/voice/sessions", "voice", 0.2, 44.0),
];

pub(crate) struct Batch {
    pub(crate) spans: Vec<ResourceSpans>,
    pub(crate) logs: Vec<ResourceLogs>,
    pub(crate) metrics: Vec<ResourceMetrics>,
}

pub(crate) struct Service {
    random: fastrand::Rng,
    begun: f64,
    counts: [Vec<u64>; ROUTES.len()],
    open: i64,
    closed: [i64; 2],
    upgrades: Vec<(Vec<u8>, Vec<u8>, u32)>,
    sessions: u32,
}

pub(crate) fn nanos(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        ..InstrumentationScope::default()
    })
}

/// Spans of one trace in the making.
struct Trace<'a> {
    id: Vec<u8>,
    spans: Vec<Span>,
    random: &'a mut fastrand::Rng,
}

impl Trace<'_> {
    fn span(
        &mut self,
        parent: &[u8],
        name: &str,
        kind: i32,
        from: f64,
        to: f64,
        attributes: Vec<KeyValue>,
    ) -> Vec<u8> {
        let id = self.random.u64(1..).to_be_bytes().to_vec();
        self.spans.push(Span {
            trace_id: self.id.clone(),
            span_id: id.clone(),
            parent_span_id: parent.to_vec(),
            name: name.to_owned(),
            kind,
            start_time_unix_nano: nanos(from),
            end_time_unix_nano: nanos(to),
            attributes,
            flags: 1,
            ..Span::default()
        });
        id
    }

    fn last(&mut self) -> &mut Span {
        self.spans.last_mut().expect("a span was just made")
    }
}

impl Service {
    pub(crate) fn new(begun: f64) -> Self {
        let counts = std::array::from_fn(|_| vec![0; BOUNDS.len() + 1]);
        Self {
            random: fastrand::Rng::with_seed(1173),
            begun,
            counts,
            open: 0,
            closed: [0; 2],
            upgrades: Vec::new(),
            sessions: 0,
        }
    }

    fn spread(&mut self, median: f64, width: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0;
        median * (normal * width).exp()
    }

    /// What happened between two moments; `age` is how far the 15 minutes have come.
    pub(crate) fn run(&mut self, from: f64, to: f64, age: f64) -> Batch {
        let (mut spans, mut ws, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        let slow = (0.62..0.86).contains(&age);
        for (place, route) in ROUTES.iter().enumerate() {
            let expected = route.3 * (to - from) / 1000.0;
            let count = expected as usize + usize::from(self.random.f64() < expected.fract());
            for _ in 0..count {
                let at = from + self.random.f64() * (to - from);
                if route.1 == "/live" {
                    self.socket(at, route, &mut ws, &mut logs, slow, place);
                } else {
                    self.request(at, route, &mut spans, &mut logs, slow, place);
                }
            }
        }
        let node = |spans, name: &str| ResourceSpans {
            resource: Some(resource(name)),
            scope_spans: vec![ScopeSpans {
                scope: scope("campanile-http"),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        };
        Batch {
            spans: vec![node(spans, "node-1"), node(ws, "node-2")],
            logs: vec![ResourceLogs {
                resource: Some(resource("node-1")),
                scope_logs: vec![ScopeLogs {
                    scope: scope("chat_api"),
                    log_records: logs,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
            metrics: vec![self.metrics(to)],
        }
    }

    fn count(&mut self, place: usize, ms: f64) {
        let bucket = BOUNDS
            .iter()
            .position(|bound| ms / 1000.0 <= *bound)
            .unwrap_or(BOUNDS.len());
        self.counts[place][bucket] += 1;
    }

    fn request(
        &mut self,
        at: f64,
        route: &(&str, &str, &str, f64, f64),
        spans: &mut Vec<Span>,
        logs: &mut Vec<LogRecord>,
        slow: bool,
        place: usize,
    ) {
        let (method, path, domain, _, median) = *route;
        let sends = path == "/rooms/{id}/messages" && method == "POST";
        let waits = sends && slow && self.random.f64() < 0.34;
        let wait = if waits { self.spread(1250.0, 0.2) } else { 1.0 };
        let work = self.spread(median, 0.45);
        let total = work + if waits { wait } else { 0.0 };
        let fails = (waits && self.random.f64() < 0.12) || self.random.f64() < 0.0008;
        let id = self.random.u128(1..).to_be_bytes().to_vec();
        let room = self.random.i64(1..60);
        let mut attributes = vec![
            text("http.request.method", method),
            text("http.route", path),
            text("url.path", &path.replace("{id}", &room.to_string())),
            text("campanile.domain", domain),
            text("url.scheme", "http"),
            text("network.protocol.version", "1.1"),
            text("client.address", "127.0.0.1"),
        ];
        attributes.push(number(
            "http.response.status_code",
            if fails {
                503
            } else if method == "POST" {
                201
            } else {
                200
            },
        ));
        attributes.push(text("campanile.outcome", "completed"));
        if waits {
            attributes.extend([number("db.pool.waiting", 41), text("server.node", "node-2")]);
        } else {
            attributes.push(text(
                "server.node",
                if self.random.bool() {
                    "node-1"
                } else {
                    "node-2"
                },
            ));
        }
        if fails {
            attributes.push(text("error.type", "503"));
        }
        let upgrade = self.random.choice(&self.upgrades.clone()).cloned();
        let mut trace = Trace {
            id: id.clone(),
            spans: Vec::new(),
            random: &mut self.random,
        };
        let root = trace.span(
            &[],
            &format!("{method} {path}"),
            2,
            at,
            at + total,
            attributes,
        );
        if fails {
            trace.last().status = Some(Status {
                code: 2,
                message: "pool timed out after 1.30 s".to_owned(),
            });
        }
        let token = trace.span(
            &root,
            "auth.verify_token",
            1,
            at + total * 0.01,
            at + total * 0.01 + work * 0.12,
            vec![text("campanile.domain", "auth")],
        );
        trace.span(
            &token,
            "GET session:{id}",
            3,
            at + total * 0.012,
            at + total * 0.012 + work * 0.06,
            vec![text("db.system.name", "redis")],
        );
        let mut now = at + total * 0.01 + work * 0.14;
        let mut waited = Vec::new();
        if sends {
            let store = trace.span(
                &root,
                "chat.store_message",
                1,
                now,
                now + wait + work * 0.5,
                vec![number("room.id", room)],
            );
            waited = trace.span(
                &store,
                "db.pool.acquire",
                3,
                now + work * 0.02,
                now + work * 0.02 + wait,
                vec![
                    text("db.system.name", "postgresql"),
                    number("db.pool.max", 32),
                    number("db.pool.in_use", if waits { 32 } else { 7 }),
                ],
            );
            if waits {
                trace.last().events = [(0.0, "queued behind 41"), (1000.0, "waited 1 s")]
                    .map(|(after, name)| Event {
                        time_unix_nano: nanos(now + work * 0.02 + after),
                        name: name.to_owned(),
                        ..Event::default()
                    })
                    .to_vec();
            }
            now += work * 0.03 + wait;
            if !fails {
                trace.span(
                    &store,
                    "INSERT messages",
                    3,
                    now,
                    now + work * 0.3,
                    vec![
                        text("db.system.name", "postgresql"),
                        text("db.query.summary", "INSERT messages"),
                        text(
                            "db.query.text",
                            "INSERT INTO messages (room, author, body) VALUES ($1, $2, $3)",
                        ),
                    ],
                );
                trace.span(
                    &store,
                    "UPDATE rooms SET last",
                    3,
                    now + work * 0.3,
                    now + work * 0.42,
                    vec![text("db.system.name", "postgresql")],
                );
                now += work * 0.48;
                let fan = trace.span(&root, "chat.fan_out", 1, now, now + work * 0.2, vec![]);
                trace.span(
                    &fan,
                    "PUBLISH room:{id}",
                    5,
                    now + work * 0.02,
                    now + work * 0.12,
                    vec![
                        text("db.system.name", "redis"),
                        text(
                            "messaging.url",
                            "https://broker.example/rooms?<b>not markup</b>",
                        ),
                    ],
                );
                if let Some((trace_id, span_id, _)) = upgrade {
                    trace.last().links = vec![Link {
                        trace_id,
                        span_id,
                        attributes: vec![text("link.kind", "recipient")],
                        ..Link::default()
                    }];
                }
                let unfurl = trace.span(
                    &root,
                    "chat.unfurl_links",
                    1,
                    now,
                    now + work * 0.17,
                    vec![],
                );
                trace.span(
                    &unfurl,
                    "GET https://…/preview",
                    3,
                    now + work * 0.01,
                    now + work * 0.05,
                    vec![],
                );
            }
        } else {
            trace.span(
                &root,
                if method == "GET" {
                    "SELECT rooms"
                } else {
                    "UPDATE accounts"
                },
                3,
                now,
                now + work * 0.6,
                vec![text("db.system.name", "postgresql")],
            );
        }
        spans.append(&mut trace.spans);
        self.count(place, total);
        let mut line = |severity: i32, event: &str, message: String, span: &[u8], after: f64| {
            logs.push(log(
                at + after,
                severity,
                event,
                &message,
                &id,
                span,
                domain,
            ));
        };
        if fails {
            line(
                17,
                "message.rejected",
                "pool timed out after 1.30 s, answered 503".to_owned(),
                &root,
                total,
            );
        } else if waits {
            line(
                13,
                "db.pool.saturated",
                "in use 32 of 32, 41 waiting, oldest 1.02 s".to_owned(),
                &waited,
                work * 0.2 + 1020.0,
            );
        } else if sends {
            line(
                9,
                "message.stored",
                format!("room {room}, {} recipients", 2 + room * 4),
                &root,
                total * 0.9,
            );
        } else if path == "/login" {
            line(
                9,
                "login.succeeded",
                "method password, second factor totp".to_owned(),
                &root,
                total * 0.8,
            );
        }
    }

    fn socket(
        &mut self,
        at: f64,
        route: &(&str, &str, &str, f64, f64),
        spans: &mut Vec<Span>,
        logs: &mut Vec<LogRecord>,
        slow: bool,
        place: usize,
    ) {
        let took = self.spread(route.4, 0.3);
        self.sessions += 1;
        let session = self.sessions;
        let name = format!("s-{:08x}", session.wrapping_mul(0x9e37_79b1));
        let (upgrade, connect) = (
            self.random.u128(1..).to_be_bytes().to_vec(),
            self.random.u128(1..).to_be_bytes().to_vec(),
        );
        let mut trace = Trace {
            id: upgrade.clone(),
            spans: Vec::new(),
            random: &mut self.random,
        };
        let request = trace.span(
            &[],
            "GET /live",
            2,
            at,
            at + took,
            vec![
                text("http.request.method", "GET"),
                text("http.route", "/live"),
                text("campanile.domain", "ws"),
                number("http.response.status_code", 101),
                text("campanile.outcome", "upgraded"),
            ],
        );
        trace.id = connect.clone();
        let linked = Link {
            trace_id: upgrade,
            span_id: request,
            ..Link::default()
        };
        let opened = trace.span(
            &[],
            "websocket.connect",
            1,
            at + took,
            at + took + 0.4,
            vec![
                text("websocket.endpoint", "/live"),
                text("session.id", &name),
            ],
        );
        trace.last().links = vec![linked];
        let mut made = std::mem::take(&mut trace.spans);
        spans.append(&mut made);
        self.upgrades
            .push((connect.clone(), opened.clone(), session));
        self.open += 1;
        self.count(place, took);
        logs.push(log(
            at + took + 1.0,
            9,
            "session.start",
            &format!("session {name}"),
            &connect,
            &opened,
            "ws",
        ));
        if self.upgrades.len() > 24 {
            let (trace_id, span_id, old) = self.upgrades.remove(0);
            let id = self.random.u128(1..).to_be_bytes().to_vec();
            let (class, cause) = if slow && self.random.f64() < 0.3 {
                ("abnormal", "heartbeat")
            } else {
                [
                    ("going_away", "client"),
                    ("normal", "client"),
                    ("restart", "drain"),
                ][self.random.usize(..3)]
            };
            let (received, sent) = (self.random.i64(3..90), self.random.i64(40..900));
            let mut trace = Trace {
                id: id.clone(),
                spans: Vec::new(),
                random: &mut self.random,
            };
            trace.span(
                &[],
                "websocket.disconnect",
                1,
                at,
                at + 0.3,
                vec![
                    text("websocket.endpoint", "/live"),
                    text(
                        "session.id",
                        &format!("s-{:08x}", old.wrapping_mul(0x9e37_79b1)),
                    ),
                    text("websocket.close.class", class),
                    text("websocket.close.cause", cause),
                    number("websocket.received.count", received),
                    number("websocket.transmitted.count", sent),
                ],
            );
            trace.last().links = vec![Link {
                trace_id,
                span_id,
                ..Link::default()
            }];
            spans.append(&mut trace.spans);
            self.open -= 1;
            self.closed[usize::from(class == "abnormal")] += 1;
        }
    }

    fn metrics(&self, at: f64) -> ResourceMetrics {
        let start_time_unix_nano = nanos(self.begun);
        let time_unix_nano = nanos(at);
        let durations =
            ROUTES
                .iter()
                .zip(&self.counts)
                .map(|((method, path, domain, ..), counts)| HistogramDataPoint {
                    attributes: vec![
                        text("http.request.method", method),
                        text("http.route", path),
                        text("campanile.domain", domain),
                    ],
                    start_time_unix_nano,
                    time_unix_nano,
                    count: counts.iter().sum(),
                    bucket_counts: counts.clone(),
                    explicit_bounds: BOUNDS.to_vec(),
                    ..HistogramDataPoint::default()
                });
        let point = |attributes: Vec<KeyValue>, value: i64| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            value: Some(number_data_point::Value::AsInt(value)),
            ..NumberDataPoint::default()
        };
        let cumulative = AggregationTemporality::Cumulative as i32;
        let sum = |name: &str, unit: &str, is_monotonic, data_points| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(Data::Sum(Sum {
                data_points,
                aggregation_temporality: cumulative,
                is_monotonic,
            })),
            ..Metric::default()
        };
        let way = |direction: &str, value| {
            point(
                vec![
                    text("websocket.endpoint", "/live"),
                    text("websocket.message.direction", direction),
                    text("websocket.message.type", "text"),
                ],
                value,
            )
        };
        let closed = |class: &str, value| {
            point(
                vec![
                    text("websocket.endpoint", "/live"),
                    text("websocket.close.class", class),
                ],
                value,
            )
        };
        let sent: i64 = self.counts[0].iter().sum::<u64>() as i64;
        ResourceMetrics {
            resource: Some(resource("node-1")),
            scope_metrics: vec![ScopeMetrics {
                scope: scope("campanile-http"),
                metrics: vec![
                    Metric {
                        name: "http.server.request.duration".to_owned(),
                        unit: "s".to_owned(),
                        description: "Duration of HTTP server requests.".to_owned(),
                        data: Some(Data::Histogram(Histogram {
                            data_points: durations.collect(),
                            aggregation_temporality: cumulative,
                        })),
                        ..Metric::default()
                    },
                    sum(
                        "websocket.connection.active",
                        "{connection}",
                        false,
                        vec![point(vec![text("websocket.endpoint", "/live")], self.open)],
                    ),
                    sum(
                        "websocket.messages",
                        "{message}",
                        true,
                        vec![way("receive", sent), way("transmit", sent * 21)],
                    ),
                    sum(
                        "websocket.disconnects",
                        "{disconnect}",
                        true,
                        vec![
                            closed("going_away", self.closed[0]),
                            closed("abnormal", self.closed[1]),
                        ],
                    ),
                ],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }
    }
}

fn log(
    at: f64,
    severity_number: i32,
    event: &str,
    message: &str,
    trace: &[u8],
    span: &[u8],
    domain: &str,
) -> LogRecord {
    LogRecord {
        time_unix_nano: nanos(at),
        observed_time_unix_nano: nanos(at),
        severity_number,
        event_name: event.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(message.to_owned())),
        }),
        attributes: vec![text("campanile.domain", domain)],
        trace_id: trace.to_vec(),
        span_id: span.to_vec(),
        ..LogRecord::default()
    }
}

fn resource(node: &str) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", "chat-api"),
            text("service.version", "4.2.0"),
            text("service.instance.id", node),
        ],
        ..Resource::default()
    }
}
