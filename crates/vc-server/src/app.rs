//! The application: its state, and the way from an address to a handler.
//!
//! Each group of routes declares its domain; the telemetry layer goes around all of them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef, FromRequestParts, Request};
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use campanile::http::{RouteLayer, ServerLayer, TimedOut};
use campanile::recorder::Source;
use campanile::ws::Sessions;
use campanile::ws::resume::Resume;
use campanile::{Telemetry, Trust};

use crate::answerable::Answerable;
use crate::api::{self, Problem};
use crate::hosts::Hosts;
use crate::hub::Hub;
use crate::store::{Store, StoreError};
use crate::{faults, live, page, resume};

/// How long a request may take, its body included: 10 s.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How large a request's body may be: 16 KiB, which is twice the longest message.
const MAX_BODY: usize = 16 << 10;

/// What every handler may use.
#[derive(Clone, Debug)]
pub struct App {
    /// Rooms and messages.
    pub(crate) store: Store,
    /// Everyone who is connected now.
    pub(crate) hub: Hub,
    /// The open sockets.
    pub(crate) sessions: Sessions,
    /// The audit trail.
    pub(crate) answerable: Answerable,
    /// Where this server's telemetry can be seen, if it can.
    pub(crate) live_page: LivePageUrl,
    /// The names it answers to.
    hosts: Hosts,
    /// Whether there are routes that go wrong.
    fault_routes: bool,
}

macro_rules! part {
    ($field:ident: $part:ty) => {
        impl FromRef<App> for $part {
            fn from_ref(app: &App) -> Self {
                app.$field.clone()
            }
        }
    };
}

part!(store: Store);
part!(hub: Hub);
part!(sessions: Sessions);
part!(answerable: Answerable);
part!(live_page: LivePageUrl);

/// The address of the live page, when there is one.
#[derive(Clone, Debug)]
pub(crate) struct LivePageUrl(Option<Arc<str>>);

/// The address of the live page as this caller may know it.
///
/// The page listens on loopback, so it is of use, and told, only to callers from there.
#[derive(Debug)]
pub(crate) struct SeenAt(pub(crate) Option<Arc<str>>);

impl<S: Sync> FromRequestParts<S> for SeenAt
where
    LivePageUrl: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let LivePageUrl(url) = LivePageUrl::from_ref(state);
        Ok(Self(url.filter(|_| is_local(head))))
    }
}

impl App {
    /// Creates the application over a database. A live connection that is lost may be taken up
    /// again in this process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(
        store: Store,
        telemetry: &Telemetry,
        live_page: Option<&str>,
    ) -> Result<Self, StoreError> {
        Self::resumable(store, telemetry, live_page, resume::alone()).await
    }

    /// As [`new`](Self::new), with live connections that are taken up again as `resume` says.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resumable(
        store: Store,
        telemetry: &Telemetry,
        live_page: Option<&str>,
        resume: Option<Resume>,
    ) -> Result<Self, StoreError> {
        let store = store.with_meter(&telemetry.meter("vc-server"));
        let mut sessions = Sessions::builder(telemetry);
        if let Some(resume) = resume {
            sessions = sessions.resume(resume);
        }
        Ok(Self {
            hub: Hub::new(&store.rooms().await?),
            store,
            sessions: sessions.build(),
            answerable: Answerable::new(telemetry),
            live_page: LivePageUrl(live_page.map(Arc::from)),
            hosts: Hosts::default(),
            fault_routes: false,
        })
    }

    /// Adds routes below `/faults` that panic, fail, dawdle or leave a failing task behind, to see
    /// what is told of that. Default: there are none.
    #[must_use]
    pub fn with_fault_routes(mut self, wanted: bool) -> Self {
        self.fault_routes = wanted;
        self
    }

    /// Answers requests for these hosts too, whatever the port. Default: for `localhost` and for
    /// addresses only; any other host is refused with 421.
    #[must_use]
    pub fn with_hosts(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.hosts = Hosts::new(names);
        self
    }

    /// Returns the router, with telemetry around it.
    ///
    /// Serve it with the peer's address (`into_make_service_with_connect_info`): by it a caller is
    /// trusted or not.
    pub fn router(self, telemetry: &impl Source) -> Router {
        let rooms = Router::new()
            .route("/rooms", get(api::list_rooms).post(api::open_room))
            .route("/rooms/{id}", get(api::room))
            .route(
                "/rooms/{id}/messages",
                get(api::list_messages).post(api::send_message),
            )
            .route("/rooms/{id}/messages/{message}", get(api::message))
            .route("/rooms/{id}/transcript", get(api::transcript))
            .layer(middleware::from_fn(in_time))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .route_layer(RouteLayer::new().domain("chat"));
        let sockets = Router::new()
            .route("/live", any(live::connect))
            .route_layer(RouteLayer::new().domain("ws"));
        let page = Router::new()
            .route("/", get(page::index))
            .route("/assets/{name}", get(page::asset))
            .route("/about", get(api::about))
            .route("/health", get(|| async { StatusCode::NO_CONTENT }))
            .route_layer(RouteLayer::new().domain("page"));
        let faults = if self.fault_routes {
            faults::router().route_layer(RouteLayer::new().domain("fault"))
        } else {
            Router::new()
        };
        let hosts = self.hosts.clone();
        Router::new()
            .merge(rooms)
            .merge(sockets)
            .merge(page)
            .merge(faults)
            .fallback(|| async { Problem::not_found("page") })
            .method_not_allowed_fallback(|| async { Problem::method() })
            .with_state(self)
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                hosts.clone().check(request, next)
            }))
            .layer(middleware::map_response(page::secure))
            .layer(ServerLayer::new(telemetry).trust(trust))
    }
}

/// Continues the trace of callers on this machine, and of nobody else.
fn trust(head: &Parts) -> Trust {
    if is_local(head) {
        Trust::Continue
    } else {
        Trust::PublicEdge
    }
}

/// Whether the caller is on this machine. A proxy here speaks for a stranger, so a forwarding
/// header says no.
fn is_local(head: &Parts) -> bool {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
    let forwarded = head.headers.contains_key(header::FORWARDED)
        || head.headers.contains_key("x-forwarded-for");
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !forwarded
}

/// Ends a request that takes too long. The database has limits of its own, so what is late then
/// is the caller's body.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (Extension(TimedOut), Problem::late()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(peer: &str, forwarded: bool) -> Parts {
        let mut request = Request::new(());
        if let Ok(peer) = peer.parse::<SocketAddr>() {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        if forwarded {
            let value = header::HeaderValue::from_static("203.0.113.7");
            request.headers_mut().insert("x-forwarded-for", value);
        }
        request.into_parts().0
    }

    #[test]
    fn only_an_unforwarded_loopback_peer_is_trusted() {
        assert_eq!(trust(&head("127.0.0.1:5", false)), Trust::Continue);
        assert_eq!(trust(&head("[::1]:5", false)), Trust::Continue);
        assert_eq!(trust(&head("[::ffff:127.0.0.1]:5", false)), Trust::Continue);
        for (peer, forwarded) in [("192.0.2.1:5", false), ("127.0.0.1:5", true), ("-", false)] {
            assert_eq!(trust(&head(peer, forwarded)), Trust::PublicEdge, "{peer}");
        }
    }
}
