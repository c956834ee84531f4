//! Sending a message, and reading those that were sent.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use campanile::semconv::{attribute, span};
use opentelemetry::trace::TraceContextExt;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use super::Problem;
use super::body::{Asked, Body, Named};
use crate::app::SeenAt;
use crate::events::MessageStored;
use crate::hub::{Event, Hub};
use crate::store::{Message, Store, Window};
use crate::words::{PersonName, Text};

const MAX_LIMIT: u32 = 200;
const DEFAULT_LIMIT: u32 = 50;
const MAX_REFERENCE: usize = 64;

/// A message to send.
#[derive(Debug, Deserialize)]
pub(crate) struct Draft {
    author: String,
    text: String,
    /// What the sender calls it. It comes back in the live event and is kept nowhere.
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// A message that was sent.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    #[serde(flatten)]
    message: Message,
    /// The trace of its sending, for callers who can see the live page.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

/// Which messages are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    before: Option<i64>,
    after: Option<i64>,
    limit: Option<u32>,
}

/// Messages of a room, the oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct Messages {
    messages: Vec<Message>,
}

/// Stores a message, and tells everyone who is connected.
///
/// That is a task of its own: a sender who goes away in the middle leaves no message that is stored
/// and that nobody was told of.
pub(crate) async fn send(
    State(store): State<Store>,
    State(hub): State<Hub>,
    SeenAt(live_page): SeenAt,
    Named(room): Named<String>,
    Body(draft): Body<Draft>,
) -> Result<impl IntoResponse, Problem> {
    let sending = campanile::spawn(async move {
        let message = store_message(&store, &room, &draft).await?;
        let reference = draft
            .reference
            .as_deref()
            .filter(|text| text.len() <= MAX_REFERENCE);
        fan_out(&hub, &message, reference);
        Ok::<_, Problem>(message)
    });
    let message = sending.await.map_err(|_| Problem::unfinished())??;
    let address = format!("/rooms/{}/messages/{}", message.room, message.id);
    let sent = Sent {
        message,
        trace_id: live_page.and_then(|_| trace_id()),
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, address)],
        Json(sent),
    ))
}

async fn store_message(store: &Store, room: &str, draft: &Draft) -> Result<Message, Problem> {
    let author = PersonName::new(&draft.author)?;
    let text = Text::new(&draft.text)?;
    let span = tracing::info_span!(span::CHAT_STORE_MESSAGE, { attribute::CHAT_ROOM_ID } = room);
    let stored = store.add_message(room, &author, &text).instrument(span);
    stored.await?.ok_or_else(|| Problem::not_found("room"))
}

fn fan_out(hub: &Hub, message: &Message, reference: Option<&str>) {
    let span = tracing::info_span!(
        span::CHAT_FAN_OUT,
        { attribute::CHAT_ROOM_ID } = message.room,
        { attribute::CHAT_RECIPIENT_COUNT } = tracing::field::Empty,
    );
    let _entered = span.enter();
    let told = hub.tell(&Event::Message { message, reference });
    // signed, as the tracing bridge writes unsigned numbers as text
    let count = i64::try_from(told).unwrap_or(i64::MAX);
    span.record(attribute::CHAT_RECIPIENT_COUNT, count);
    let stored = MessageStored {
        room: &message.room,
        recipients: count,
    };
    stored.emit("message stored and handed on");
}

/// The id of the trace this request belongs to, when it has one.
fn trace_id() -> Option<String> {
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Lists messages of a room.
pub(crate) async fn list(
    State(store): State<Store>,
    Named(room): Named<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Messages>, Problem> {
    let window = match (wanted.before, wanted.after) {
        (None, None) => Window::Newest,
        (Some(id), None) => Window::Before(id),
        (None, Some(id)) => Window::After(id),
        (Some(_), Some(_)) => {
            let detail = "before and after do not go together: send one of them";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    if store.room(&room).await?.is_none() {
        return Err(Problem::not_found("room"));
    }
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let messages = store.messages(&room, window, limit).await?;
    Ok(Json(Messages { messages }))
}

/// Returns one message.
pub(crate) async fn one(
    State(store): State<Store>,
    Named((room, id)): Named<(String, String)>,
) -> Result<Json<Message>, Problem> {
    let message = match id.parse() {
        Ok(id) => store.message(&room, id).await?,
        Err(_) => None,
    };
    message
        .map(Json)
        .ok_or_else(|| Problem::not_found("message"))
}
