//! The JSON API: rooms, and the messages in them.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /rooms` | every room, with how many look at it now |
//! | `POST /rooms` `{"name"}` | the new room, 201; 409 when the name is taken |
//! | `GET /rooms/{id}` | one room |
//! | `GET /rooms/{id}/messages?before=&after=&limit=` | the newest messages, or those before or after an id |
//! | `POST /rooms/{id}/messages` `{"author","text","ref"?}` | the stored message, 201 |
//! | `GET /rooms/{id}/messages/{message}` | one message |
//! | `GET /rooms/{id}/transcript` | the whole conversation as plain text, streamed |
//! | `GET /about` | name, version, and where the telemetry can be seen |
//! | `GET /health` | 204 |
//!
//! Every failure is `application/problem+json` (RFC 9457) and says what to do. Messages are sent
//! here and not over the socket: each then is a request, with a trace of its own.

mod body;
mod messages;
mod problem;
mod rooms;
mod transcript;

use axum::Json;
use serde_json::{Value, json};

pub(crate) use self::body::Named;
pub(crate) use self::messages::{list as list_messages, one as message, send as send_message};
pub(crate) use self::problem::Problem;
pub(crate) use self::rooms::{list as list_rooms, one as room, open as open_room};
pub(crate) use self::transcript::transcript;
use crate::app::SeenAt;

/// Says what this server is, and where its telemetry can be seen.
pub(crate) async fn about(SeenAt(live_page): SeenAt) -> Json<Value> {
    Json(json!({
        "service": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "live_page": live_page.as_deref(),
    }))
}
