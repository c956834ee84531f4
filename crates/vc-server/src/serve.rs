//! Starting everything in order, and stopping it in the opposite one.

mod own_export;

use std::fmt::Display;
use std::future::IntoFuture;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use campanile::{Telemetry, telemetry::Builder};
use campanile_live_page::LivePage;
use campanile_otlp_receiver::Receiver;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::events::{RequestsCut, ServerStarted, ServerStopped};
use crate::store::Store;
use crate::{App, Failure, Options, demo, resume};

/// How long requests under way, then open sockets, then telemetry may take to end.
const REQUESTS_END: Duration = Duration::from_secs(3);
const SESSIONS_END: Duration = Duration::from_secs(3);
const TELEMETRY_ENDS: Duration = Duration::from_secs(5);

/// Where telemetry goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Destination {
    /// To the receiver inside this process, which the live page shows.
    Embedded,
    /// To where `OTEL_EXPORTER_OTLP_ENDPOINT` says.
    Elsewhere,
}

impl Destination {
    pub(crate) fn from_environment() -> Self {
        match std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT") {
            Some(endpoint) if !endpoint.is_empty() => Self::Elsewhere,
            _ => Self::Embedded,
        }
    }
}

/// The receiver and the live page over it.
pub(crate) struct Embedded {
    pub(crate) receiver: Receiver,
    page: TcpListener,
    page_url: String,
}

/// Runs the server until it is asked to stop, or its duration is over.
///
/// # Errors
/// When it cannot start. Once it has, it ends well.
pub async fn serve(options: Options) -> Result<(), Failure> {
    let listener = listen(options.listen, "--listen").await?;
    let url = url_of(&listener, options.listen);
    let embedded = match Destination::from_environment() {
        Destination::Embedded => Some(embed(&options).await?),
        Destination::Elsewhere => None,
    };
    let resume = resume::of(&options)?;
    let store = open(&options).await?;

    let mut telemetry = self::telemetry();
    if let Some(embedded) = &embedded {
        telemetry = telemetry.default_endpoint(embedded.receiver.grpc_endpoint());
    }
    let telemetry = telemetry
        .install()
        .map_err(|error| Failure::new(error.to_string()))?;
    let live_page = embedded.as_ref().map(|embedded| embedded.page_url.as_str());
    let app = App::resumable(store.clone(), &telemetry, live_page, resume).await;
    let app = app.map_err(|error| database_failure(store.path(), &error))?;
    let app = app
        .with_hosts(options.allow_host)
        .with_fault_routes(options.fault_routes);
    // Whoever reads an address may already ask for the end.
    let asked_to_stop = asked_to_stop(&telemetry, options.duration);
    announce(&url, &store, embedded.as_ref());

    let (stop, stopping) = watch::channel(false);
    let page = embedded
        .as_ref()
        .map(|embedded| live_page_of(embedded, telemetry.clone()));
    let (receiver, page) = match (embedded, page) {
        (Some(embedded), Some(router)) => {
            let served = tokio::spawn(axum::serve(embedded.page, router).into_future());
            (Some(embedded.receiver), Some(served))
        }
        _ => (None, None),
    };
    let sessions = app.sessions.clone();
    let server = tokio::spawn(run(listener, app.router(&telemetry), stopping.clone()));
    let people = options
        .demo
        .then(|| demo::start(&url, store.path(), stopping));
    ServerStarted {}.emit("listening");

    asked_to_stop.await;
    ServerStopped {}.emit("stopping");
    stop.send_replace(true);
    if let Some(people) = people {
        people.leave(REQUESTS_END).await;
    }
    let (requests, _) = tokio::join!(timeout(REQUESTS_END, server), sessions.drain(SESSIONS_END));
    if requests.is_err() {
        RequestsCut {}.emit("requests were still under way; they were ended");
    }
    telemetry.shutdown(TELEMETRY_ENDS).await.log();
    store.close().await;
    if let Some(page) = page {
        page.abort();
    }
    if let Some(receiver) = receiver {
        receiver.shutdown().await;
    }
    Ok(())
}

fn live_page_of(embedded: &Embedded, telemetry: Telemetry) -> Router {
    LivePage::new(embedded.receiver.clone())
        .onward("this page, from the server itself", move || {
            own_export::lines(&telemetry)
        })
        .router()
}

/// The telemetry of this server, as the environment wants it.
pub(crate) fn telemetry() -> Builder {
    Telemetry::from_env(env!("CARGO_PKG_NAME")).version(env!("CARGO_PKG_VERSION"))
}

/// Listens at `address`, which `option` sets.
pub(crate) async fn listen(address: SocketAddr, option: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Failure::bind(address, option, &error))
}

/// Listens for the live page, which shows everything to everyone who reaches it.
async fn listen_for_page(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::new(format!(
            "the live page would be open to everyone at {address}: \
             keep --page-listen on 127.0.0.1 and reach it through a tunnel"
        )));
    }
    listen(address, "--page-listen").await
}

pub(crate) async fn embed(options: &Options) -> Result<Embedded, Failure> {
    let page = listen_for_page(options.page_listen).await?;
    let receiver = Receiver::builder()
        .grpc(options.otlp_listen)
        .http(options.otlp_http_listen)
        .start()
        .await
        .map_err(|error| {
            Failure::new(format!(
                "cannot receive OTLP: {error}; choose other addresses with --otlp-listen and \
                 --otlp-http-listen, port 0 takes a free one"
            ))
        })?;
    Ok(Embedded {
        page_url: url_of(&page, options.page_listen),
        receiver,
        page,
    })
}

async fn open(options: &Options) -> Result<Store, Failure> {
    match &options.database {
        Some(path) => Store::open(path)
            .await
            .map_err(|error| database_failure(path, &error)),
        None => Store::temporary().await.map_err(|error| {
            Failure::new(format!(
                "cannot keep a temporary database: {error}; name a writable file with --database"
            ))
        }),
    }
}

/// The database cannot be used.
pub(crate) fn database_failure(path: &Path, error: &impl Display) -> Failure {
    Failure::new(format!(
        "cannot use the database {}: {error}; name a writable file with --database",
        path.display()
    ))
}

/// Prints where everything is: one address a line, its name before it.
fn announce(url: &str, store: &Store, embedded: Option<&Embedded>) {
    say(&format!("chat       {url}"));
    match embedded {
        Some(embedded) => {
            say(&format!("live page  {}", embedded.page_url));
            say(&format!("otlp grpc  {}", embedded.receiver.grpc_endpoint()));
            say(&format!("otlp http  {}", embedded.receiver.http_endpoint()));
        }
        None => {
            say("live page  off, as OTEL_EXPORTER_OTLP_ENDPOINT is set and telemetry goes there");
        }
    }
    if store.is_temporary() {
        say("database   temporary, gone when the server stops; --database PATH keeps it");
    } else {
        say(&format!("database   {}", store.path().display()));
    }
}

/// Writes a line to standard output. A reader that went away is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The address to open in a browser.
fn url_of(listener: &TcpListener, asked: SocketAddr) -> String {
    let mut address = listener.local_addr().unwrap_or(asked);
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}/")
}

async fn run(listener: TcpListener, router: Router, stopping: watch::Receiver<bool>) {
    // Small answers leave at once instead of waiting for more.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // It never fails: what cannot be accepted is tried again.
    let _ = axum::serve(listener, service)
        .with_graceful_shutdown(stopped(stopping))
        .await;
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Listens for the wish to stop from now on.
fn asked_to_stop(telemetry: &Telemetry, duration: Option<Duration>) -> impl Future<Output = ()> {
    let asked = telemetry.stop_requested();
    let over = async move {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    async move {
        tokio::select! {
            () = asked => {}
            () = over => {}
        }
    }
}
