//! Requests, as the layers report them, to a real OTLP server: the same span over either pipeline,
//! whatever the request was and whatever its handler told the span.

#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::model::Span;
use campanile_propagation::{Carried, Parent, Unread};
use campanile_recorder::{
    Caller, Exchange, Handle, Head, HeadMore, Method, Outcome, RequestId, Route, RouteKey, Source,
    Tick, Tracing,
};
use campanile_telemetry::Telemetry;
use harness::Over;
use http::HeaderValue;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt, TraceFlags, TraceState, Tracer};
use opentelemetry::{Context, KeyValue};

const DEADLINE: Duration = Duration::from_secs(10);
const WAYS: [&str; 2] = ["lean", "stock"];
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

fn telemetry(receiver: &Receiver, way: &str) -> Telemetry {
    let way = ("CAMPANILE_PIPELINE", way);
    harness::telemetry(Over::Grpc, receiver.grpc_endpoint(), &[way])
}

fn route(template: Option<&str>, domain: Option<&'static str>) -> &'static Route {
    Route::find(&RouteKey {
        method: Method::new("GET"),
        version: Some("1.1"),
        scheme: "http",
        template,
        domain,
    })
}

/// A request of the caller of [`TRACEPARENT`] with these flags; none for a new trace.
fn head(flags: Option<u8>, route: &'static Route) -> Head<'static> {
    let (mut caller, mut carried) = (Caller::Unknown, Unread::default());
    if let Some(flags) = flags {
        let parent = HeaderValue::from_str(&format!("{TRACEPARENT}{flags}")).unwrap();
        static STATE: HeaderValue = HeaderValue::from_static("congo=t61rcWkgMzE");
        static BAGGAGE: HeaderValue = HeaderValue::from_static("plan=pro");
        let parent = Parent::parse(parent.as_bytes());
        caller = Caller::Parent(parent.unwrap());
        carried = Unread {
            tracestate: Some(&STATE),
            baggage: Some(&BAGGAGE),
            random: parent.is_some_and(Parent::is_random),
        };
    }
    Head {
        clock: Tick::now(),
        caller,
        carried,
        tracing: Tracing::Span,
        metrics: true,
        route,
        path: "/rooms/7",
        authority: Some(b"shop.example.com:8080"),
        user_agent: Some(b"agent/1.0 (test; loopback)"),
        client: Some([192, 0, 2, 17].into()),
        peer: Some(([192, 0, 2, 17], 443).into()),
        more: None,
    }
}

fn end(recorder: &Handle, head: Head<'_>, status: Option<u16>, outcome: Outcome) {
    let mut exchange = Exchange::begin(recorder, &head);
    if let Some(status) = status {
        exchange.head(status);
    }
    exchange.end(outcome);
}

/// A request with everything that can be known of one, whose handler tells its span everything.
fn talkative(recorder: &Handle) {
    let mut head = head(Some(1), route(Some("/rooms/{id}"), Some("chat")));
    let attributes = [KeyValue::new("plan", "pro")];
    let id = RequestId::from_header(&HeaderValue::from_static("0123456789abcdef")).unwrap();
    let more = HeadMore {
        query: Some("page=2&token=REDACTED"),
        request_id: Some(&id),
        method_original: Some("get"),
        attributes: &attributes,
        ..HeadMore::default()
    };
    head.more = Some(&more);
    head.client = Some("2001:db8::1".parse().unwrap());
    let mut exchange = Exchange::begin(recorder, &head);
    let attached = exchange.context().clone().attach();
    Context::map_current(|context| {
        let span = context.span();
        assert!(span.is_recording() && span.span_context().is_sampled());
        span.set_attribute(KeyValue::new("items", 3));
        span.set_attribute(KeyValue::new("password", "hunter2"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let attributes = vec![KeyValue::new("ratio", 0.5), KeyValue::new("late", true)];
        span.add_event_with_timestamp("sold", at, attributes);
        let flags = TraceFlags::SAMPLED;
        let other = SpanContext::new(7.into(), 8.into(), flags, true, TraceState::NONE);
        span.add_link(other, vec![KeyValue::new("why", "batch")]);
        span.set_status(Status::error("out of stock"));
        span.update_name("another name");
    });
    drop(attached);
    exchange.add_attributes([KeyValue::new("at.end", true)]);
    exchange.head(503);
    exchange.end(Outcome::Completed);
}

/// Everything of a span that does not depend on chance or the clock.
fn facts(span: &Span) -> String {
    let attributes = |all: &campanile_otlp_receiver::model::Attributes| {
        let all = all
            .iter()
            .map(|(key, value)| (key.to_string(), format!("{value:?}")));
        all.collect::<BTreeMap<_, _>>()
    };
    let events = span.events.iter();
    let events: Vec<_> = events
        .map(|event| (&event.name, attributes(&event.attributes)))
        .collect();
    let links = span.links.iter();
    let links: Vec<_> = links
        .map(|link| (link.trace_id, link.span_id, attributes(&link.attributes)))
        .collect();
    format!(
        "{} {:?} {:?} {} {:#x} {:?}\n{:#?}\n{events:?}\n{links:?}",
        span.name,
        span.kind,
        span.parent_span_id,
        span.trace_state,
        span.flags,
        span.status,
        attributes(&span.attributes),
    )
}

async fn spans_of(way: &str, work: impl FnOnce(&Handle)) -> Vec<Arc<Span>> {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(&receiver, way);
    work(&telemetry.recorder());
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{way}: {report}");
    receiver.spans()
}

#[tokio::test]
async fn a_request_leaves_the_same_span_over_either_pipeline() {
    let work = |recorder: &Handle| {
        talkative(recorder);
        let known = route(Some("/rooms/{id}"), None);
        for status in [200, 204, 404, 500, 599] {
            end(
                recorder,
                head(Some(1), known),
                Some(status),
                Outcome::Completed,
            );
        }
        for outcome in [
            Outcome::HandlerError,
            Outcome::ClientGone,
            Outcome::Timeout,
            Outcome::Panic,
        ] {
            end(recorder, head(Some(1), known), None, outcome);
        }
        end(recorder, head(Some(1), known), Some(101), Outcome::Upgraded);
        end(
            recorder,
            head(None, route(None, None)),
            Some(200),
            Outcome::Completed,
        );
        let mut linked = head(Some(1), known);
        if let Caller::Parent(parent) = linked.caller {
            linked.caller = Caller::Link(parent);
            linked.carried = Unread::default();
        }
        end(recorder, linked, Some(200), Outcome::Completed);
        let mut late = Exchange::begin(recorder, &head(Some(1), route(None, None)));
        late.set_route(route(Some("/learnt"), Some("auth")));
        late.head(200);
        late.end(Outcome::Completed);
    };
    let mut seen = Vec::new();
    for way in WAYS {
        let spans = spans_of(way, work).await;
        seen.push(spans.iter().map(|span| facts(span)).collect::<Vec<_>>());
    }
    assert_eq!(seen[0].len(), 14);
    for (lean, stock) in seen[0].iter().zip(&seen[1]) {
        assert!(lean == stock, "lean: {lean}\nstock: {stock}");
    }
}

#[tokio::test]
async fn nothing_of_a_request_is_left_in_the_span_of_the_next() {
    for way in WAYS {
        let known = route(Some("/next"), None);
        let spans = spans_of(way, |recorder| {
            talkative(recorder);
            end(recorder, head(None, known), Some(200), Outcome::Completed);
        });
        let spans = spans.await;
        let next = &spans[1];
        assert_eq!(
            (next.name.as_str(), next.trace_state.as_str()),
            ("GET /next", "")
        );
        assert_ne!(next.trace_id, spans[0].trace_id);
        assert!(next.is_root() && !next.is_error() && next.events.is_empty());
        assert!(next.attribute("items").is_none() && next.attribute("url.query").is_none());
    }
}

#[tokio::test]
async fn of_an_unsampled_trace_a_failed_request_leaves_its_span_and_others_do_not() {
    for way in WAYS {
        let known = route(Some("/late"), None);
        let spans = spans_of(way, |recorder| {
            end(
                recorder,
                head(Some(0), known),
                Some(200),
                Outcome::Completed,
            );
            end(
                recorder,
                head(Some(0), known),
                Some(500),
                Outcome::Completed,
            );
            end(
                recorder,
                head(Some(1), route(Some("/healthz"), None)),
                Some(500),
                Outcome::Completed,
            );
        });
        let spans = spans.await;
        assert_eq!(spans.len(), 1, "{way}");
        let reason = spans[0].attribute("campanile.sampling.reason").unwrap();
        assert_eq!(reason.as_str(), Some("failure"), "{way}");
        assert_eq!(spans[0].flags & 1, 0, "{way}");
    }
}

#[tokio::test]
async fn a_span_that_is_kept_late_says_the_same_over_either_pipeline() {
    let work = |recorder: &Handle| {
        let (known, other) = (route(Some("/late"), None), route(None, Some("auth")));
        let heads = [
            head(Some(0), known),
            Head {
                authority: None,
                user_agent: None,
                client: None,
                peer: None,
                ..head(Some(0), known)
            },
            Head {
                path: "/rooms/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
                authority: Some(b"[2001:db8::2]:8443"),
                user_agent: Some(b"token=hunter2"),
                client: Some("2001:db8::1".parse().unwrap()),
                ..head(Some(0), other)
            },
        ];
        for head in heads {
            end(recorder, head, Some(500), Outcome::Completed);
        }
        let mut told = Exchange::begin(recorder, &head(Some(0), known));
        let span = told.context().span();
        span.set_attribute(KeyValue::new("items", 3));
        span.set_status(Status::error("out of stock"));
        told.head(200);
        told.end(Outcome::Completed);
    };
    let mut seen = Vec::new();
    for way in WAYS {
        let spans = spans_of(way, work).await;
        seen.push(spans.iter().map(|span| facts(span)).collect::<Vec<_>>());
    }
    assert_eq!(seen[0].len(), 4);
    for (lean, stock) in seen[0].iter().zip(&seen[1]) {
        assert!(lean == stock, "lean: {lean}\nstock: {stock}");
    }
}

#[tokio::test]
async fn what_a_request_carries_reaches_its_children_and_clones() {
    for way in WAYS {
        let receiver = Receiver::start().await.unwrap();
        let telemetry = telemetry(&receiver, way);
        let known = route(Some("/carried"), None);
        let exchange = Exchange::begin(&telemetry.recorder(), &head(Some(1), known));
        let attached = exchange.context().clone().attach();
        telemetry.tracer("test").in_span("child", |context| {
            let carried = Carried::of(&context).unwrap();
            assert_eq!(
                carried.tracestate.unwrap().as_str(),
                "congo=t61rcWkgMzE",
                "{way}"
            );
            assert_eq!(carried.baggage.get("plan").unwrap(), "pro", "{way}");
        });
        let clone = Context::current();
        drop(attached);
        let elsewhere = std::thread::spawn(move || Carried::of(&clone).is_some());
        assert!(elsewhere.join().unwrap(), "{way}");
        drop(exchange);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let spans = receiver.spans();
        let of = |name| spans.iter().find(|span| span.name == name).unwrap();
        let (child, request) = (of("child"), of("GET /carried"));
        assert_eq!(child.parent_span_id, Some(request.span_id), "{way}");
        assert_eq!(child.trace_state, "congo=t61rcWkgMzE", "{way}");
    }
}
