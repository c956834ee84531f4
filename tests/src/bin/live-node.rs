//! One node of a live service whose sessions can be resumed on any other: for the suites that kill,
//! drain and cut off nodes.
//!
//! ```sh
//! redis-server --port 6399 --save "" &
//! cargo run -p campanile-tests --bin live-node -- --redis redis://127.0.0.1:6399
//! ```
//!
//! `/live?user=NAME` is the socket, `POST /push/NAME` puts each line of its body into the user's
//! outbox and answers once the store has them, `POST /tell` says one line to everyone, `/asked`
//! tells when upgrades were asked for. SIGTERM drains.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::ws::Message;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, post};
use axum::{Json, Router};
use campanile::Telemetry;
use campanile::ws::resume::store::RedisStore;
use campanile::ws::resume::{Admission, Keep, Key, Keys, Resume};
use campanile::ws::{Outbox, OutboxLimits, Outgoing, Pushed, Sessions, Upgrade, fan_out};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    /// The Redis that the nodes share.
    #[arg(long)]
    redis: String,
    /// Connections a second that are let in, and at once.
    #[arg(long, default_value_t = 10_000)]
    admit: u32,
    /// Connections a second that the other nodes take while this one drains.
    #[arg(long, default_value_t = 1_000)]
    peers_admit: u32,
    /// Seconds in which a drain has to be over.
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// Seconds that a session waits for its client.
    #[arg(long, default_value_t = 120)]
    window: u64,
    /// Hands messages over when a session loses its connection, instead of each at once.
    #[arg(long)]
    on_detach: bool,
}

/// The queues of this node, by user.
#[derive(Clone)]
struct Live {
    sessions: Sessions,
    outboxes: Arc<Mutex<HashMap<String, Outbox<Message>>>>,
    /// When each upgrade was asked for, in milliseconds since the Unix epoch.
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Live {
    fn outboxes(&self) -> MutexGuard<'_, HashMap<String, Outbox<Message>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody asks to be let in.
    fn asks(&self) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        self.asked().push(u64::try_from(millis).unwrap_or_default());
    }
}

impl axum::extract::FromRef<Live> for Sessions {
    fn from_ref(live: &Live) -> Self {
        live.sessions.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let telemetry = Telemetry::from_env("live-node").install()?;
    let keys = Keys::new(Key::new(
        1,
        b"a key for tests, and nothing else".as_slice(),
    )?);
    let keep = match arguments.on_detach {
        true => Keep::OnDetach,
        false => Keep::Always,
    };
    let resume = Resume::new(keys)
        .window(Duration::from_secs(arguments.window))
        .keep(keep)
        .store(RedisStore::connect(&arguments.redis)?);
    let sessions = Sessions::builder(&telemetry)
        .resume(resume)
        .admission(Admission::new(arguments.admit))
        .peers_admit(arguments.peers_admit)
        .build();
    let live = Live {
        sessions: sessions.clone(),
        outboxes: Arc::default(),
        asked: Arc::default(),
    };
    let app = Router::new()
        .route("/live", any(socket))
        .route("/push/{user}", post(push))
        .route("/tell", post(tell))
        .route("/state", any(state))
        .route("/asked", any(asked))
        .with_state(live);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening {}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    telemetry.stop_requested().await;
    let drained = sessions
        .drain(Duration::from_secs(arguments.deadline))
        .await;
    server.abort();
    let report = telemetry.shutdown(Duration::from_secs(10)).await;
    println!(
        "drained {} {} {} {}",
        drained.closed,
        drained.remaining,
        drained.lost,
        report.is_complete()
    );
    Ok(())
}

async fn socket(
    State(live): State<Live>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: Upgrade,
) -> Response {
    live.asks();
    let Some(user) = query.get("user").cloned() else {
        return upgrade.refuse(StatusCode::UNAUTHORIZED);
    };
    // Thousands of sockets in one process: small buffers.
    let upgrade = upgrade.read_buffer_size(1024).write_buffer_size(0);
    let upgrade = upgrade.endpoint("live").principal(&user);
    upgrade.on_session(async move |session| {
        let mut session = session.with_outbox::<Message>(OutboxLimits::default());
        let outbox = session.outbox().clone();
        live.outboxes().insert(user, outbox);
        while let Some(Ok(_)) = session.recv().await {}
    })
}

/// Answers how many messages are in the store, so that they outlive this process.
async fn push(
    State(live): State<Live>,
    Path(user): Path<String>,
    lines: String,
) -> Result<String, StatusCode> {
    let outbox = live.outboxes().get(&user).cloned();
    let outbox = outbox.ok_or(StatusCode::NOT_FOUND)?;
    let mut queued = 0;
    for line in lines.lines() {
        match outbox.push(Message::text(line)) {
            Pushed::Queued => queued += 1,
            Pushed::Ended => return Err(StatusCode::GONE),
            _ => return Err(StatusCode::INSUFFICIENT_STORAGE),
        }
    }
    match outbox.committed().await {
        true => Ok(queued.to_string()),
        false => Err(StatusCode::ACCEPTED),
    }
}

async fn tell(State(live): State<Live>, line: String) -> String {
    let all: Vec<_> = live.outboxes().values().cloned().collect();
    fan_out(&all, &Outgoing::new(Message::text(line))).to_string()
}

async fn state(State(live): State<Live>) -> Json<Value> {
    let sessions = &live.sessions;
    Json(json!({ "open": sessions.open(), "detached": sessions.detached() }))
}

async fn asked(State(live): State<Live>) -> Json<Vec<u64>> {
    Json(live.asked().clone())
}
