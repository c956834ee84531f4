//! The live connection: what happens in every room, as it happens.
//!
//! A client connects to `/live?author=Ines` and reads one JSON object a message: `welcome`,
//! `message`, `room`, `here`, `typing`, `pong`, `missed` (it was too slow for so many events, or
//! away for too long; the API has them) and `problem`. A client that speaks the wire contract may
//! lose its connection and come back: its session goes on. It may send `{"type":"look","room":"general"}` to say which room is
//! in front of it, `{"type":"typing"}`, and `{"type":"ping","at":1}` to measure the way and back.
//! Messages themselves are sent over HTTP.

use axum::extract::ws::Message;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use campanile::audit::{Entry, Outcome};
use campanile::ws::resume::Rung;
use campanile::ws::{OutboxLimits, OutboxSession, Session, Upgrade, WhenFull};
use serde::{Deserialize, Serialize};

use crate::api::Problem;
use crate::app::App;
use crate::events::{Arrival, LiveArrival};
use crate::hub::{Event, Hub, Presence};
use crate::words::PersonName;

/// How many events a slow socket may fall behind before it misses some.
const BACKLOG: OutboxLimits = OutboxLimits {
    messages: 1024,
    bytes: 1 << 20,
    when_full: WhenFull::DropNewest,
};

/// How much a client may say at once: 4 KiB.
const MAX_SAID: usize = 4 << 10;

/// How much is written at once; several events leave together.
const WRITE_BUFFER: usize = 16 << 10;

/// What a client may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Look { room: String },
    Typing,
    Ping { at: f64 },
}

/// What is told to one client only.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    Welcome { author: &'a str },
    Pong { at: f64 },
    Problem { detail: &'a str },
}

/// Who connects.
#[derive(Debug)]
pub(crate) struct Guest(PersonName);

#[derive(Deserialize)]
struct Introduction {
    author: Option<String>,
}

impl FromRequestParts<App> for Guest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let query = Query::<Introduction>::from_request_parts(parts, app).await;
        let author = query.ok().and_then(|Query(query)| query.author);
        if let Err(problem) = same_origin(&parts.headers) {
            refuse(app, parts, author.as_deref());
            return Err(problem);
        }
        Ok(Self(PersonName::new(author.as_deref().unwrap_or(""))?))
    }
}

/// Opens a live connection. The name is checked before the upgrade, so a refusal is a problem.
pub(crate) async fn connect(
    Guest(author): Guest,
    State(app): State<App>,
    upgrade: Result<Upgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
    let response = upgrade
        .endpoint("live")
        .principal(author.as_str())
        .max_message_size(MAX_SAID)
        .read_buffer_size(MAX_SAID)
        .write_buffer_size(WRITE_BUFFER)
        .on_session(async move |session: Session| {
            let outcome = Arrival::Admitted;
            LiveArrival { outcome }.emit("someone came");
            talk(session, app.hub, author).await;
        });
    Ok(response)
}

/// Records that a page of another site was refused, and which one it was.
fn refuse(app: &App, parts: &Parts, author: Option<&str>) {
    let outcome = Arrival::Refused;
    LiveArrival { outcome }.emit("a page of another site was refused");
    let origin = parts.headers.get(header::ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let mut entry = Entry::new("live.connect", Outcome::Denied)
        .target("live connections")
        .policy("same origin")
        .reason(format!(
            "asked by a page of {}",
            origin.unwrap_or("an unreadable origin")
        ));
    if let Some(author) = author {
        entry = entry.actor(app.answerable.person(author));
    }
    app.answerable.record(entry);
}

/// A page of another site may open a socket to this server; a browser says so, and is refused.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let site = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match site {
        Some((_, site)) if Some(site) == host => Ok(()),
        _ => {
            let detail = "live connections from pages of another site are refused: open this server's own page";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}

async fn talk(session: Session, hub: Hub, author: PersonName) {
    let resumption = session.resumption();
    let goes_on = resumption.is_some_and(|it| it.rung.is_some_and(Rung::goes_on));
    let mut session = session.with_outbox(BACKLOG);
    if !goes_on {
        let author = author.as_str();
        tell(&session, &Told::Welcome { author });
    }
    hub.listen(session.id(), session.outbox().clone());
    let mut presence = hub.enter();
    while let Some(Ok(received)) = session.recv().await {
        if let Message::Text(text) = received
            && let Some(told) = answer(&text, &mut presence, &hub, &author)
        {
            tell(&session, &told);
        }
    }
}

fn answer(
    text: &str,
    presence: &mut Presence,
    hub: &Hub,
    author: &PersonName,
) -> Option<Told<'static>> {
    let problem = |detail| Some(Told::Problem { detail });
    match serde_json::from_str(text) {
        Ok(Said::Look { room }) if presence.look_at(&room) => None,
        Ok(Said::Look { .. }) => problem("there is no such room: GET /rooms lists them"),
        Ok(Said::Typing) => match presence.room() {
            Some(room) => {
                let author = author.as_str();
                hub.tell(&Event::Typing { room, author });
                None
            }
            None => problem("look at a room before typing"),
        },
        Ok(Said::Ping { at }) => Some(Told::Pong { at }),
        Err(_) => problem(
            "this was not understood: send look, typing or ping; messages go to POST /rooms/{id}/messages",
        ),
    }
}

/// Tells this client alone, behind whatever waits for it.
fn tell(session: &OutboxSession<Message>, told: &Told<'_>) {
    if let Ok(text) = serde_json::to_string(told) {
        session.outbox().push(Message::Text(text.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &'static str) -> HeaderMap {
        let pairs = [(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)];
        let pairs = pairs.map(|(name, value)| (name, header::HeaderValue::from_static(value)));
        HeaderMap::from_iter(pairs)
    }

    #[test]
    fn only_this_servers_own_page_may_connect_from_a_browser() {
        assert!(same_origin(&headers("http://127.0.0.1:8080")).is_ok());
        assert!(same_origin(&HeaderMap::new()).is_ok());
        for other in ["http://127.0.0.1:8081", "https://example.com", "null", ""] {
            assert!(same_origin(&headers(other)).is_err(), "{other}");
        }
    }
}
