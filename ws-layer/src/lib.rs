//! WebSocket sessions: what happens to a socket after its upgrade, observed.
//!
//! axum ends the request at the `101` and spawns a bare task; from there neither the trace context
//! nor any count follows the socket. Here [`Upgrade`] takes the place of axum's `WebSocketUpgrade`
//! and hands the handler a [`Session`]: the same stream and sink of messages, byte for byte, which
//! reports
//!
//! - two short root spans, `websocket.connect` and `websocket.disconnect`, linked to each other
//!   and to the upgrade request; no span stays open while the socket lives, none is made for a
//!   message;
//! - connections that are open, how long they lived, and why they ended ([`Class`], [`Cause`]);
//! - messages and bytes, counted in plain integers and told in batches.
//!
//! Every connection that began ends exactly once, whatever happens: peer close, local close, end
//! of file, reset, protocol error, a panic of the handler, or a socket that was simply dropped.
//!
//! ```
//! use axum::{Router, response::Response, routing::any};
//! use campanile_recorder::{Handle, Stock};
//! use campanile_ws::{Session, Sessions, Upgrade};
//!
//! async fn live(upgrade: Upgrade) -> Response {
//!     upgrade.endpoint("live").on_session(echo)
//! }
//!
//! async fn echo(mut session: Session) {
//!     while let Some(Ok(message)) = session.recv().await {
//!         if session.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! let sessions = Sessions::new(&Handle::new(Stock::from_global()));
//! let app: Router = Router::new().route("/live", any(live)).with_state(sessions);
//! # let _ = app;
//! ```

mod bucket;
#[cfg(feature = "tungstenite-030")]
mod client;
mod clock;
mod close;
mod connection;
mod ending;
mod endpoint;
mod flow;
mod handshake;
mod ledger;
mod line;
#[cfg(test)]
mod logged;
mod mark;
mod message;
mod observe;
mod outbox;
mod pings;
#[cfg(test)]
mod probe;
#[cfg(feature = "tungstenite-030")]
pub mod reconnect;
mod registry;
pub mod resume;
mod session;
mod sessions;
mod settings;
mod stamp;
mod tally;
mod ticker;
mod upgrade;

#[cfg(feature = "tungstenite-030")]
pub use client::{ClientSocket, Connector};
pub use close::{Cause, Class};
pub use endpoint::Role;
pub use message::{Failure, Fault, Kind, Message};
pub use observe::{Observe, observe};
pub use outbox::{Outbox, OutboxLimits, OutboxSession, Outgoing, Pushed, WhenFull, fan_out};
#[cfg(feature = "tungstenite-030")]
pub use reconnect::Reconnecting;
pub use session::Session;
pub use sessions::{Drained, Sessions};
pub use settings::{Builder, ClassId, MessageClass, Stage};
pub use stamp::Stamp;
pub use upgrade::Upgrade;

/// The chapters of the guide; their Rust blocks are tests.
#[cfg(doctest)]
mod guide {
    #[cfg(feature = "tungstenite-030")]
    #[doc = include_str!("../../docs/guide/websocket.md")]
    mod websocket {}

    #[doc = include_str!("../../docs/guide/freshness.md")]
    mod freshness {}

    #[doc = include_str!("../../docs/guide/ws-wire-contract.md")]
    mod wire_contract {}

    #[doc = include_str!("../../docs/guide/reconnect.md")]
    mod reconnect {}

    #[doc = include_str!("../../docs/guide/deploys.md")]
    mod deploys {}
}
