//! The live page: telemetry as a person reads it, over an OTLP receiver, while it arrives.
//!
//! The page asks nothing of the outside: its files are compiled in, it draws without a framework, and every value that
//! arrived is text to it. It shows an overview of routes (rate, errors, percentiles, a latency map), traces as waterfalls,
//! log lines with their traces, WebSocket sessions, any metric, and what the pipeline accepted and refused.
//!
//! It is meant for loopback: the `Host` of every request is checked, there is no CORS, and nothing can be changed.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use campanile_live_page::LivePage;
//! use campanile_otlp_receiver::Receiver;
//!
//! let receiver = Receiver::start().await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! println!("live page on http://{}", listener.local_addr()?);
//! axum::serve(listener, LivePage::new(receiver).router()).await
//! # }
//! ```

mod address;
mod app;
mod assets;
mod complete;
mod critical;
mod facts;
mod filter;
mod guard;
mod question;
mod sample;
mod stats;
mod stream;
#[cfg(test)]
mod testing;
mod tree;
mod views;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use campanile_otlp_receiver::Receiver;
use serde_json::{Value, json};

use self::app::{App, Provider, Targets};
use self::guard::{Hosts, refuse};
use self::question::Question;

/// Sets up a live page over a receiver.
#[derive(Clone)]
pub struct LivePage {
    receiver: Receiver,
    hosts: Vec<String>,
    targets: Targets,
    onward: Option<(String, Provider)>,
}

impl std::fmt::Debug for LivePage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LivePage")
            .field("receiver", &self.receiver)
            .field("hosts", &self.hosts)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// One line about where telemetry goes after this process, as [`LivePage::onward`] shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Onward {
    /// What it is about: `Spans dropped`.
    pub name: String,
    /// What there is to say: `312 since 10:38, unauthenticated`.
    pub value: String,
    /// Whether somebody should look.
    pub warning: bool,
}

impl Onward {
    /// Creates a line that needs nobody's attention.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            warning: false,
        }
    }

    /// Marks it as one that somebody should look at.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.warning = true;
        self
    }
}

impl LivePage {
    /// Creates a page that shows what `receiver` holds. Requests are expected to take at most 500 ms.
    pub fn new(receiver: Receiver) -> Self {
        let targets = Targets {
            default: Duration::from_millis(500),
            routes: HashMap::new(),
        };
        Self {
            receiver,
            hosts: Vec::new(),
            targets,
            onward: None,
        }
    }

    /// Answers requests for this host too, given as a name (any port) or as `name:port`.
    ///
    /// `localhost`, `127.0.0.1` and `[::1]` are always answered, anything else is refused with 421.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Sets how long a request may take at p99. Default: 500 ms.
    #[must_use]
    pub fn target(mut self, target: Duration) -> Self {
        self.targets.default = target;
        self
    }

    /// Sets how long requests of one route may take: `GET /rooms` or, for every method, `/rooms`.
    #[must_use]
    pub fn route_target(mut self, route: impl Into<String>, target: Duration) -> Self {
        self.targets.routes.insert(route.into(), target);
        self
    }

    /// Shows on the Pipeline view what `status` says about the way onward, as to the collector called `name`.
    ///
    /// It is asked about once a second while somebody looks, and must not block.
    #[must_use]
    pub fn onward(
        mut self,
        name: impl Into<String>,
        status: impl Fn() -> Vec<Onward> + Send + Sync + 'static,
    ) -> Self {
        self.onward = Some((name.into(), Arc::new(status)));
        self
    }

    /// Builds the page as a router of root paths, to be served on a listener of its own.
    pub fn router(self) -> Router {
        let hosts = Hosts::new(self.hosts);
        let app = Arc::new(App::new(self.receiver, self.targets, self.onward));
        let page = || async { assets::page() };
        Router::new()
            .route("/", get(page))
            .route("/traces", get(page))
            .route("/traces/{id}", get(page))
            .route("/logs", get(page))
            .route("/ws", get(page))
            .route("/metrics", get(page))
            .route("/metrics/{*name}", get(page))
            .route("/pipeline", get(page))
            .route("/assets/{file}", get(file))
            .route("/api/view", get(view))
            .route("/api/{view}", get(named_view))
            .route("/api/traces/{id}", get(trace))
            .route("/api/traces/{id}/spans/{span}", get(span))
            .route("/api/logs/{seq}", get(log))
            .route("/api/metrics/{*name}", get(metric))
            .route("/api/complete", get(complete))
            .route("/api/stream", get(live))
            .route("/api/sample", post(send_sample))
            .fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such view: begin at /\n") })
            .with_state(app)
            .layer(from_fn(move |request: Request<Body>, next: Next| {
                guard::check(hosts.clone(), request, next)
            }))
    }
}

type Shared = State<Arc<App>>;

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    assets::file(&name, &headers).unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "no such file\n"))
}

async fn view(State(app): Shared, Query(question): Query<Question>) -> Response<Body> {
    snapshot(app, question).await
}

async fn named_view(
    State(app): Shared,
    Path(view): Path<String>,
    Query(question): Query<Question>,
) -> Response<Body> {
    if !["overview", "traces", "logs", "ws", "metrics", "pipeline"].contains(&view.as_str()) {
        return refuse(
            StatusCode::NOT_FOUND,
            "no such view: /api/overview, traces, logs, ws, metrics or pipeline\n",
        );
    }
    snapshot(app, Question { view, ..question }).await
}

async fn trace(
    State(app): Shared,
    Path(id): Path<String>,
    Query(question): Query<Question>,
) -> Response<Body> {
    snapshot(
        app,
        Question {
            view: "trace".to_owned(),
            id,
            ..question
        },
    )
    .await
}

async fn metric(
    State(app): Shared,
    Path(id): Path<String>,
    Query(question): Query<Question>,
) -> Response<Body> {
    snapshot(
        app,
        Question {
            view: "metrics".to_owned(),
            id,
            ..question
        },
    )
    .await
}

async fn snapshot(app: Arc<App>, question: Question) -> Response<Body> {
    compute(move || Some(app.snapshot(&question))).await
}

async fn span(State(app): Shared, Path((id, span)): Path<(String, String)>) -> Response<Body> {
    compute(move || views::trace::span(&app, &id, &span)).await
}

async fn log(State(app): Shared, Path(seq): Path<u64>) -> Response<Body> {
    compute(move || {
        app.receiver
            .logs_since(seq.checked_sub(1)?)
            .first()
            .filter(|log| log.seq == seq)
            .map(|log| views::logs::full(log))
    })
    .await
}

async fn complete(State(app): Shared, Query(question): Query<Question>) -> Response<Body> {
    compute(move || {
        Some(complete::options(
            &app,
            &question.view,
            question.filter_text(),
        ))
    })
    .await
}

async fn live(
    State(app): Shared,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Response<Body> {
    stream::open(&app, question, &headers)
}

async fn send_sample(State(app): Shared, headers: HeaderMap) -> Response<Body> {
    if !guard::is_same_origin(&headers) {
        return refuse(
            StatusCode::FORBIDDEN,
            "the sample is sent from the page itself\n",
        );
    }
    match sample::send(app.receiver.http_endpoint()).await {
        Ok(()) => answer(StatusCode::OK, &json!({ "sent": true })),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{error}\n")),
    }
}

/// Computes an answer away from the threads that serve, as it may walk all that is held.
async fn compute(work: impl FnOnce() -> Option<Value> + Send + 'static) -> Response<Body> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Some(value)) => answer(StatusCode::OK, &value),
        Ok(None) => answer(
            StatusCode::NOT_FOUND,
            &json!({ "error": "this is no longer held, or never arrived" }),
        ),
        Err(_) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "error": "this view could not be computed: please report what it was asked" }),
        ),
    }
}

fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
