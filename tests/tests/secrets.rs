//! Secrets of every kind, planted wherever a service could leak one: none leaves, neither in a
//! line nor in a byte of OTLP, at any level. And without the redactor all of them do, so the search
//! would have found them.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile::logs::Sink;
use campanile::redaction::Redactor;
use campanile_otlp_receiver::Receiver;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

/// What must not be found, each as a part that no frame around it spells. Every one is made up.
struct Planted {
    bearer: String,
    jwt: String,
    basic: String,
    url_password: String,
    query: String,
    private_key: String,
    aws_id: String,
    aws_secret: String,
    google: String,
    github: String,
    slack: String,
    stripe: String,
    open_ai: String,
    azure: String,
    card: String,
    password: String,
    cookie: String,
    otp: i64,
    email: String,
}

impl Planted {
    fn new() -> Self {
        // Put together here, so that nobody's scanner takes this file for a leak.
        let glue = |parts: &[&str]| parts.concat();
        Self {
            bearer: glue(&["mF_9.B5f-", "4.1JqM"]),
            jwt: glue(&[
                "eyJhbGciOiJIUzI1NiJ9",
                ".eyJzdWIiOiIxMjM0NSJ9",
                ".dozjgNryP4J3jVmNHl0w5N",
            ]),
            basic: glue(&["YWxhZGRpbjpv", "cGVuc2VzYW1l"]),
            url_password: glue(&["corr3ct", "horse"]),
            query: glue(&["q7w3rt", "yu10p"]),
            private_key: glue(&["MIIEowIBAAKCAQEA", "x0vQ"]),
            aws_id: glue(&["AKIA", "IOSFODNN7EXAMPLE"]),
            aws_secret: glue(&["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"]),
            google: glue(&["AIza", "SyA1234567890abcdefghijklmnopqrstuv"]),
            github: glue(&["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"]),
            slack: glue(&["xoxb-", "123456789012-abcdefghijklmnop"]),
            stripe: glue(&["sk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc"]),
            open_ai: glue(&["sk-", "proj-abcdefgh12345678ijkl"]),
            azure: glue(&["Zm9vYmFy", "YmF6cXV4=="]),
            card: "4111 1111 1111 1111".into(),
            password: glue(&["hunter2", "hunter3"]),
            cookie: glue(&["s1d", "c0ff33"]),
            otp: 987_654,
            email: "ada@example.test".into(),
        }
    }

    /// What to look for.
    fn needles(&self) -> Vec<(&'static str, String)> {
        let mut needles: Vec<(&str, String)> = [
            ("bearer", &self.bearer),
            ("jwt", &self.jwt),
            ("basic", &self.basic),
            ("url password", &self.url_password),
            ("query", &self.query),
            ("private key", &self.private_key),
            ("aws id", &self.aws_id),
            ("aws secret", &self.aws_secret),
            ("google", &self.google),
            ("github", &self.github),
            ("slack", &self.slack),
            ("stripe", &self.stripe),
            ("open ai", &self.open_ai),
            ("azure", &self.azure),
            ("card", &self.card),
            ("password", &self.password),
            ("cookie", &self.cookie),
            ("email", &self.email),
        ]
        .map(|(name, secret)| (name, secret.clone()))
        .into();
        needles.push(("otp", self.otp.to_string()));
        needles
    }

    /// A text with each secret that has a shape, in a frame as a developer would write it.
    fn texts(&self) -> Vec<String> {
        vec![
            format!("upstream said 401 to Bearer {}", self.bearer),
            format!("token {} has expired", self.jwt),
            format!("sent Basic {}", self.basic),
            format!(
                "cannot reach postgres://app:{}@db:5432/chat",
                self.url_password
            ),
            format!(
                "GET https://api.example/v1?page=2&access_token={}",
                self.query
            ),
            format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
                self.private_key
            ),
            format!("key {} with {}", self.aws_id, self.aws_secret),
            format!("maps key {}", self.google),
            format!("clone with {}", self.github),
            format!("post with {}", self.slack),
            format!("charge with {}", self.stripe),
            format!("ask with {}", self.open_ai),
            format!("AccountName=a;AccountKey={};EndpointSuffix=b", self.azure),
            format!("paid with {}", self.card),
            format!(
                "body was {{\"user\":\"me\",\"password\":\"{}\"}}",
                self.password
            ),
            format!(
                "headers: {{\"cookie\": \"sid={}; theme=dark\"}}",
                self.cookie
            ),
        ]
    }
}

#[derive(Debug)]
struct Broken(String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// Everything that a handler could do wrong.
fn leak(planted: &Planted, telemetry: &Telemetry) {
    tracing::trace!(password = %planted.password, otp = planted.otp, "fields by name");
    tracing::debug!(session_token = planted.query, headers = ?[("x", 1)], "more of them");
    let tracer = telemetry.tracer("leaky");
    for text in planted.texts() {
        tracing::trace!("{text}");
        tracing::info!(note = %text, "in a field");
        tracing::warn!(note = ?text, "in a field, escaped");
        tracing::error!(
            error = &Broken(text.clone()) as &dyn std::error::Error,
            "in an error"
        );
        let _in_span = tracing::info_span!("leaky", note = %text).entered();

        let mut span = tracer.build(SpanBuilder {
            span_kind: Some(SpanKind::Internal),
            attributes: Some(vec![
                KeyValue::new("note", text.clone()),
                KeyValue::new(
                    "notes",
                    Value::Array(Array::String(vec![StringValue::from(text.clone())])),
                ),
                KeyValue::new("db.password", planted.password.clone()),
            ]),
            ..SpanBuilder::from_name("leaky.api")
        });
        span.add_event(
            text.clone(),
            vec![KeyValue::new("exception.message", text.clone())],
        );
        span.record_error(&Broken(text.clone()));
        span.set_status(Status::error(text.clone()));
        let elsewhere = span.span_context().clone();
        span.add_link(elsewhere, vec![KeyValue::new("note", text)]);
        span.end();
    }
    // A fault further in, and what the client sent, as `baggage` is passed on.
    let context = opentelemetry::Context::current();
    context
        .span()
        .set_attribute(KeyValue::new("enduser.note", planted.texts().join(" | ")));
}

/// Whose list lets no address leave.
fn login(planted: &Planted) {
    tracing::info!(
        email = planted.email,
        reason = "wrong_password",
        "login failed"
    );
    let _span = tracing::info_span!("auth.check", email = planted.email).entered();
}

/// What one run gave away.
struct Leaks {
    found: Vec<String>,
    counted: Vec<String>,
}

thread_local! {
    /// By which rules this thread's next panic is told: there is one hook for both tests.
    static RULES: std::cell::RefCell<Option<Redactor>> = const { std::cell::RefCell::new(None) };
}

/// As `install` does it.
fn tell_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match RULES.take() {
            Some(rules) => campanile::logs::tell_panic(panic, &rules),
            None => others(panic),
        }));
    });
}

async fn run(redactor: Redactor) -> Leaks {
    tell_panics();
    let receiver = Receiver::start().await.unwrap();
    let wire = Wire::tap(receiver.grpc_endpoint()).await;
    let (sink, lines) = Sink::captured();
    let telemetry = Telemetry::from_env("leaky")
        .environment(only_the_pipeline)
        .default_endpoint(&wire.endpoint)
        .setting(
            "RUST_LOG",
            "trace,h2=info,hyper=info,hyper_util=info,tower=info",
        )
        .lines(sink)
        .redactor(redactor)
        .build();
    let planted = Arc::new(Planted::new());
    for request in requests(&planted) {
        let router = service(&telemetry, &planted);
        let sent = async {
            let answer = router.oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
            drop(body);
        };
        let _ = tokio::spawn(sent.with_subscriber(telemetry.subscriber())).await;
    }
    // Twice, as the first collection is where the counts of everything else are complete.
    for _ in 0..2 {
        let report = telemetry.flush(Duration::from_secs(20)).await;
        assert!(report.is_complete(), "{report:?}");
    }
    let seen = receiver.seen();
    assert!(seen.spans().named("leaky.api").len() >= 16, "{seen}");
    assert!(seen.logs().saying("in a field").len() >= 16, "{seen}");
    assert!(lines.text().contains("panicked"), "{}", lines.text());

    let counted = seen
        .metric("campanile.redactions")
        .series()
        .map(|series| {
            series
                .attributes
                .get("campanile.redaction.kind")
                .unwrap()
                .to_string()
        })
        .collect();
    let places = [
        ("a line", lines.text().into_bytes()),
        ("the wire", wire.bytes()),
        ("the receiver", format!("{seen:?}").into_bytes()),
    ];
    let mut found = Vec::new();
    for (secret, needle) in planted.needles() {
        for (place, text) in &places {
            if text
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
            {
                found.push(format!("{secret} in {place}"));
            }
        }
    }
    let _ = telemetry.shutdown(Duration::from_secs(20)).await;
    Leaks { found, counted }
}

fn service(telemetry: &Telemetry, planted: &Arc<Planted>) -> Router {
    let (leaky, auth, panicking) = (planted.clone(), planted.clone(), planted.clone());
    let own = telemetry.clone();
    let rules = telemetry.redactor().clone();
    Router::new()
        .route(
            "/leak/{*rest}",
            post(move |request: Request| async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                tracing::trace!(?parts.headers, uri = %parts.uri, body = %String::from_utf8_lossy(&body), "got");
                leak(&leaky, &own);
                StatusCode::INTERNAL_SERVER_ERROR
            }),
        )
        .route(
            "/login",
            get(move || async move { login(&auth) }).layer(RouteLayer::new().domain("auth")),
        )
        .route(
            "/panic",
            get(move || async move {
                RULES.set(Some(rules));
                if !panicking.texts().is_empty() {
                    std::panic::panic_any(panicking.texts().join(" | "));
                }
            }),
        )
        .layer(
            ServerLayer::new(telemetry)
                .request_header(HeaderName::from_static("referer"))
                .request_header(HeaderName::from_static("x-note"))
                .baggage_attributes(["tenant", "note"]),
        )
}

fn requests(planted: &Planted) -> Vec<Request> {
    let plain = |uri: String| Request::builder().method("POST").uri(uri);
    let body = |text: &str| Body::from(text.to_owned());
    let in_path = |secret: &str| plain(format!("/leak/{}", secret.replace([' ', '/'], "-")));
    let mut requests = vec![
        plain(format!(
            "/leak/x?page=1&access_token={}&sig={}",
            planted.query, planted.query
        ))
        .header("authorization", format!("Bearer {}", planted.bearer))
        .header("cookie", format!("sid={}", planted.cookie))
        .header(
            "referer",
            format!(
                "https://me:{}@host/a?token={}",
                planted.url_password, planted.query
            ),
        )
        .header(
            "user-agent",
            format!("bot (auth Bearer {})", planted.bearer),
        )
        .header("x-note", format!("Basic {}", planted.basic))
        .header(
            "baggage",
            format!(
                "tenant=7,note=Bearer%20{},token={}",
                planted.bearer, planted.query
            ),
        )
        .body(body(&format!("user=me&password={}", planted.password)))
        .unwrap(),
        Request::builder()
            .uri("/login")
            .body(Body::empty())
            .unwrap(),
        Request::builder()
            .uri("/panic")
            .body(Body::empty())
            .unwrap(),
    ];
    for secret in [
        &planted.jwt,
        &planted.aws_id,
        &planted.github,
        &planted.stripe,
        &planted.card,
    ] {
        requests.push(in_path(secret).body(Body::empty()).unwrap());
    }
    requests
}

/// Stands between exporter and receiver, and keeps every byte that the exporter sends.
struct Wire {
    endpoint: String,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    async fn tap(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = kept.clone();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let to = TcpStream::connect(&target).await.unwrap();
                let (mut requests, mut answers_out) = from.into_split();
                let (mut answers, mut requests_out) = to.into_split();
                tokio::spawn(async move {
                    tokio::io::copy(&mut answers, &mut answers_out).await.ok();
                });
                let keep = keep.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = requests.read(&mut buffer).await {
                        keep.lock().unwrap().extend_from_slice(&buffer[..length]);
                        if requests_out.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { endpoint, kept }
    }

    fn bytes(&self) -> Vec<u8> {
        self.kept.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_planted_secret_leaves_and_each_kind_is_counted() {
    let leaks = run(Redactor::standard()).await;
    assert_eq!(leaks.found, Vec::<String>::new());
    let mut counted = leaks.counted;
    counted.sort();
    counted.dedup();
    let mut expected: Vec<String> = campanile::semconv::value::REDACTION_KINDS
        .iter()
        .map(ToString::to_string)
        .collect();
    expected.sort();
    assert_eq!(counted, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_redactor_every_one_of_them_is_found_everywhere() {
    let leaks = run(Redactor::off()).await;
    let mut expected = Vec::new();
    for (secret, _) in Planted::new().needles() {
        for place in ["a line", "the wire", "the receiver"] {
            // A number is no text in protobuf.
            if (secret, place) == ("otp", "the wire") {
                continue;
            }
            expected.push(format!("{secret} in {place}"));
        }
    }
    assert_eq!(leaks.found, expected);
    assert_eq!(leaks.counted, Vec::<String>::new());
}

/// Of the environment, only what decides over which pipeline and which bridge a suite runs.
fn only_the_pipeline(name: &str) -> Option<String> {
    match name {
        "CAMPANILE_PIPELINE" | "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
        _ => None,
    }
}
