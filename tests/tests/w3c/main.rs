//! W3C Trace Context Level 2 and W3C Baggage over real sockets, both directions, line by line:
//! in through `ServerLayer`, out through `ClientLayer`, whatever the sampler decides.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod row;
mod rows;
mod wire;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use campanile::http::ServerLayer;
use campanile::propagation::{Baggage, Parent};
use campanile_tests::w3c;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use serde_json::json;

use self::row::{Members, Row, SPAN, TRACE, Trace, members};
use self::wire::{Callbacks, Lines, post, values};

/// A sampler that a service may have, and what it makes of the sampled flag.
type Sampling = (&'static str, fn(Trace) -> bool);

const SAMPLING: [Sampling; 3] = [
    ("always_on", |_| true),
    ("always_off", |_| false),
    ("parentbased_always_on", |trace| {
        !matches!(trace, Trace::Kept { sampled: false, .. })
    }),
];

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends a row and gives the one callback it leads to.
async fn hop(service: SocketAddr, callbacks: &Callbacks, row: &Row) -> Lines {
    let errand = json!([{ "url": callbacks.url(), "arguments": [] }]).to_string();
    let (status, head) = post(service, &row.headers, &errand).await;
    assert_eq!(status, "HTTP/1.1 200 OK", "{}", row.describe());
    for name in [
        "traceresponse",
        "server-timing",
        "traceparent",
        "tracestate",
        "baggage",
    ] {
        let said = values(&head, name);
        assert!(
            said.is_empty(),
            "{name} in the response, opt-in only: {}",
            row.describe()
        );
    }
    let mut came = callbacks.take();
    assert_eq!(came.len(), 1, "callbacks: {}", row.describe());
    came.remove(0)
}

fn check_parent(row: &Row, came: &Lines, sampled: bool) {
    let lines = values(came, "traceparent");
    let [line] = lines[..] else {
        panic!(
            "{} traceparent lines went out: {}",
            lines.len(),
            row.describe()
        );
    };
    let text = String::from_utf8_lossy(line);
    let at = |what: &str| format!("{what}\n{}\nwent out: {text}", row.describe());
    let parent = Parent::parse(line).unwrap_or_else(|| panic!("{}", at("not legal")));
    assert!(
        text.starts_with("00-") && text.len() == 55,
        "{}",
        at("version `00`")
    );
    assert!(
        matches!(&text[53..], "00" | "01" | "02" | "03"),
        "{}",
        at("known bits only")
    );
    let is_same = parent.trace_id().to_string() == TRACE;
    assert_ne!(
        parent.span_id().to_string(),
        SPAN,
        "{}",
        at("a span id of its own")
    );
    assert_eq!(parent.is_sampled(), sampled, "{}", at("sampled"));
    match row.trace {
        Trace::Kept { random, .. } => {
            assert!(is_same, "{}", at("the trace goes on"));
            assert_eq!(
                parent.is_random(),
                random,
                "{}",
                at("the random bit is the caller's")
            );
        }
        Trace::New => {
            assert!(!is_same, "{}", at("a new trace"));
            assert!(parent.is_random(), "{}", at("new roots are random"));
        }
    }
}

fn check_members(row: &Row, came: &Lines, name: &str, expected: &Members) {
    let lines = values(came, name);
    let found = members(&lines);
    let show = |all: &[Vec<u8>]| {
        all.iter()
            .map(|m| m.escape_ascii().to_string())
            .collect::<Vec<_>>()
    };
    let at = || format!("{}\n{name} went out: {:?}", row.describe(), show(&found));
    match expected {
        Members::None => assert!(lines.is_empty(), "no {name} at all\n{}", at()),
        Members::All(all) => {
            assert_eq!(lines.len(), 1, "one line\n{}", at());
            assert!(found == *all, "expected {:?}\n{}", show(all), at());
        }
        Members::Some(all) => {
            assert!(
                lines.len() <= 1 && !lines.contains(&&b""[..]),
                "one line\n{}",
                at()
            );
            let mut left = all.iter();
            let is_part = found.iter().all(|member| left.any(|sent| sent == member));
            assert!(is_part, "a part of {:?}\n{}", show(all), at());
        }
    }
}

async fn check(rows: Vec<Row>) {
    let callbacks = Callbacks::listen().await;
    for (name, decide) in SAMPLING {
        let pipeline = w3c::Pipeline::start(name).await.unwrap();
        let service = serve(w3c::app(&pipeline)).await;
        for row in &rows {
            println!("{name}: {}", row.describe());
            let came = hop(service, &callbacks, row).await;
            check_parent(row, &came, decide(row.trace));
            check_members(row, &came, "tracestate", &row.state);
            check_members(row, &came, "baggage", &row.baggage);
        }
    }
}

#[tokio::test]
async fn traceparent_is_judged_as_the_specification_asks() {
    check(rows::traceparent()).await;
}

#[tokio::test]
async fn tracestate_is_judged_as_the_specification_asks() {
    check(rows::tracestate()).await;
}

#[tokio::test]
async fn baggage_is_judged_as_the_specification_asks() {
    check(rows::baggage()).await;
}

#[tokio::test]
async fn every_outgoing_call_gets_a_span_id_of_its_own_sampled_or_not() {
    let callbacks = Callbacks::listen().await;
    for (name, _) in SAMPLING {
        let pipeline = w3c::Pipeline::start(name).await.unwrap();
        let service = serve(w3c::app(&pipeline)).await;
        for parent in [
            None,
            Some(row::good("01")),
            Some(row::good("02")),
            Some("00-0".to_owned()),
        ] {
            let parent: Vec<_> = parent
                .iter()
                .map(|text| ("traceparent", text.clone().into_bytes()))
                .collect();
            let errand = json!({ "url": callbacks.url(), "arguments": [] });
            post(
                service,
                &parent,
                &json!([errand, errand, errand]).to_string(),
            )
            .await;
            let came = callbacks.take();
            let sent = came
                .iter()
                .map(|lines| Parent::parse(values(lines, "traceparent")[0]).unwrap());
            let sent: Vec<_> = sent.collect();
            let spans: BTreeSet<_> = sent.iter().map(|sent| sent.span_id().to_string()).collect();
            let traces: BTreeSet<_> = sent
                .iter()
                .map(|sent| sent.trace_id().to_string())
                .collect();
            assert_eq!(
                (spans.len(), traces.len()),
                (3, 1),
                "{name} below {parent:?}"
            );
        }
    }
}

/// Reads every value of the baggage and writes it again, as an application does that changes it.
async fn rewrite(request: Request, next: Next) -> Response {
    let here = Context::current();
    let mut baggage = Baggage::of(&here);
    let read: Vec<_> = baggage
        .members()
        .map(|member| (member.key.to_owned(), member.value.into_owned()))
        .collect();
    for (key, value) in read {
        baggage = baggage.with(&key, &value).unwrap();
    }
    next.run(request)
        .with_context(baggage.into_context(&here))
        .await
}

#[tokio::test]
async fn values_are_decoded_on_read_and_encoded_on_write_and_never_create_a_member() {
    let line = "Values are percent-decoded on read only (invalid UTF-8 to U+FFFD) and re-encoded on write, `%` itself included";
    let callbacks = Callbacks::listen().await;
    let pipeline = w3c::Pipeline::start("always_on").await.unwrap();
    let app = w3c::bare(&pipeline).layer(from_fn(rewrite));
    let service = serve(app.layer(ServerLayer::new(&pipeline))).await;
    for (sent, expected) in [
        ("a=%25", "a=%25"),
        ("a=%2541", "a=%2541"),
        ("a=%5C", "a=%5C"),
        ("a=%20x%20", "a=%20x%20"),
        ("a=%2Cb%3D1", "a=%2Cb=1"),
        ("a=%41", "a=A"),
        ("a=%ff", "a=%EF%BF%BD"),
        ("a=100%", "a=100%25"),
        ("a=b=c", "a=b=c"),
        ("a=", "a="),
    ] {
        let row = Row::baggage(line, &[sent.as_bytes()]);
        let came = hop(service, &callbacks, &row).await;
        let expected = Members::All(vec![expected.into()]);
        check_members(&row, &came, "baggage", &expected);
    }
}

#[tokio::test]
async fn the_program_serves_the_harness_on_the_port_it_is_told() {
    use tokio::io::AsyncBufReadExt;

    let callbacks = Callbacks::listen().await;
    for (flag, sampled) in [(None, true), (Some("--unsampled"), false)] {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_w3c-service"));
        program.args(["--port", "0"]).args(flag).kill_on_drop(true);
        let mut child = program
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        let address = line.trim().trim_start_matches("w3c-service http://");
        let service = address.trim_end_matches('/').parse().unwrap();
        let row = Row::parent("with sampling on and off", row::good("02")).kept("02");
        let came = hop(service, &callbacks, &row).await;
        check_parent(&row, &came, sampled);
    }
}
