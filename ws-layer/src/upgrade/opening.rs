//! From the accepted upgrade to the session: hello, claim, connection, welcome.

use std::time::{Duration, SystemTime};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::http::Version;
use campanile_recorder::Handle;
use campanile_semconv::{attribute as key, event};
use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, KeyValue};

use super::hello;
use super::offered::Offered;
use crate::connection::{Beginning, Connection};
use crate::endpoint::Reject;
use crate::handshake::{Handshake, Refusal};
use crate::line::Signal;
use crate::resume::Rung;
use crate::resume::attempt::{Arrival, Ask, Attempt, Who, arrive};
use crate::resume::logical::Plan;
use crate::resume::replay::Seq;
use crate::resume::table::{Hub, seconds};
use crate::resume::wire::{Reason, Retry, Welcome};
use crate::session::contract::{float, seal};
use crate::{Cause, Failure, Role, Sessions};

/// Messages that a client may receive without acknowledging.
const ACK_EVERY: u32 = 64;

/// What is known of an upgrade when its socket is there.
pub(super) struct Opening {
    pub(super) sessions: Sessions,
    pub(super) handshake: Handshake,
    pub(super) seen: SystemTime,
    pub(super) version: Version,
    pub(super) context: Context,
    pub(super) recorder: Handle,
    pub(super) offered: Offered,
    pub(super) hello: bool,
    pub(super) is_parent: bool,
    /// Whose session it is, where it may be resumed.
    pub(super) principal: Option<Box<[u8]>>,
    /// What the client asked for in a header.
    pub(super) ask: Option<Ask>,
    pub(super) attempt: Option<Attempt>,
    /// Whether the client is let in only once it has said its hello.
    pub(super) is_told_later: bool,
}

impl Opening {
    /// Makes the connection of a session, unless the client does not do its part.
    pub(super) async fn open(mut self, socket: &mut WebSocket) -> Option<Connection> {
        let mut id = fastrand::u128(1..);
        let mut also: Vec<SpanContext> = self.offered.context.take().into_iter().collect();
        if self.hello {
            let hello = match hello::receive(socket).await {
                Ok(hello) => hello,
                Err(refusal) => {
                    self.fail(refusal);
                    return None;
                }
            };
            let context = hello.context();
            also.extend(context.filter(|context| !also.contains(context)));
            let asks = self.asks(&hello);
            if self.is_told_later && self.turn_away(socket).await {
                return None;
            }
            if !asks && !hello::welcome(socket, id).await {
                self.handshake.expect(Refusal::UpgradeFailed);
                return None;
            }
        }
        let arrival = match self.arrive().await {
            Ok(arrival) => arrival,
            Err(()) => {
                close(socket, 1002, "seq ahead").await;
                self.handshake.expect(Refusal::BadRequest);
                return None;
            }
        };
        if let Some(arrival) = &arrival {
            id = arrival.identity.sid;
        }
        // What was said last is nearest to the session.
        let parent = if self.is_parent { also.pop() } else { None };
        let endpoint = self.handshake.endpoint();
        let beginning = Beginning {
            seen: self.seen,
            context: self.context.clone(),
            parent,
            also,
            recorder: self.recorder.clone(),
            series: self.sessions.series(endpoint, Role::Server),
            attributes: version_attribute(self.version).into_iter().collect(),
            id,
            pings: true,
            arrival: arrival.as_ref(),
        };
        let mut connection = Connection::begin(&self.sessions, beginning);
        if let Some(arrival) = arrival {
            self.greet(socket, &mut connection, arrival).await?;
        }
        self.handshake.succeed();
        Some(connection)
    }

    fn fail(&mut self, refusal: Refusal) {
        self.handshake.expect(refusal);
        if let Some(attempt) = self.attempt.as_mut()
            && refusal == Refusal::HelloTimeout
        {
            attempt.expect(Some(Rung::HelloTimeout));
        }
    }

    /// Whether a hello asks for a session that may be resumed, and may have it.
    fn asks(&mut self, hello: &hello::Hello) -> bool {
        // A token that came in a header asks for it, too.
        let asked = self.ask.as_ref().map(|_| 0);
        let (Some(hub), Some(seq)) = (self.sessions.hub(), hello.seq().or(asked)) else {
            return false;
        };
        if self.principal.is_none() {
            return false;
        }
        let before = self.ask.take().unwrap_or_default();
        let token = before.token.or_else(|| hello.token());
        if token.is_some() && self.attempt.is_none() {
            let endpoint = self.handshake.endpoint();
            self.attempt = Some(Attempt::begin(&self.sessions, endpoint));
        }
        self.ask = Some(Ask {
            token,
            seq: Seq(seq),
            awaits_seq: false,
            t0: hello.t0(),
            t1: hub.now(),
        });
        true
    }

    /// Sends the client away, if there is no room.
    async fn turn_away(&mut self, socket: &mut WebSocket) -> bool {
        let parts = (self.sessions.hub(), &self.ask, &self.principal);
        let returns = match parts {
            (Some(hub), Some(ask), Some(principal)) => {
                let endpoint = self.handshake.endpoint();
                ask.returns(
                    hub,
                    Who {
                        principal,
                        endpoint,
                    },
                )
            }
            _ => false,
        };
        let Some(turned) = self.sessions.turn_away(returns) else {
            return false;
        };
        self.handshake.reject(turned.reason);
        self.handshake.expect(Refusal::Limit);
        if let Some(attempt) = &mut self.attempt {
            attempt.expect(Some(Rung::Overloaded));
        }
        let (code, kind) = match turned.reason {
            Reject::Drain => (1012, Reason::DRAIN),
            Reject::Rate | Reject::Limit => (1013, Reason::OVERLOAD),
        };
        let (kind, after) = (Some(kind), Some(turned.after));
        close(socket, code, &Reason { kind, after }.to_string()).await;
        true
    }

    async fn arrive(&self) -> Result<Option<Arrival>, ()> {
        let (Some(hub), Some(ask), Some(principal)) =
            (self.sessions.hub(), &self.ask, &self.principal)
        else {
            return Ok(None);
        };
        hub.keep(&self.sessions);
        let endpoint = self.handshake.endpoint();
        let who = Who {
            principal,
            endpoint,
        };
        let arrival = arrive(hub, &self.sessions, ask, who).await;
        arrival.map(Some).map_err(|_| ())
    }

    /// Attaches the session and says the welcome.
    async fn greet(
        &mut self,
        socket: &mut WebSocket,
        connection: &mut Connection,
        mut arrival: Arrival,
    ) -> Option<()> {
        let hub = self.sessions.hub()?.clone();
        let signal = connection.line().signal().clone();
        let Some(plan) = hub.attach(&self.sessions, &signal, &mut arrival, signal.connect) else {
            connection.ending().order(Cause::Superseded);
            close(socket, 1000, "k=superseded").await;
            return None;
        };
        arrival.plan = plan;
        if let Some(attempt) = self.attempt.take() {
            attempt.end(&arrival);
        }
        tell(&signal, &arrival);
        connection.set_resumption(arrival.resumption());
        let welcome = self.welcome(&hub, &signal, &arrival, plan);
        if socket.send(Message::text(welcome.to_text())).await.is_err() {
            connection.ending().broke(Failure::Reset);
            self.handshake.expect(Refusal::UpgradeFailed);
            return None;
        }
        Some(())
    }

    fn welcome(&self, hub: &Hub, signal: &Signal, arrival: &Arrival, plan: Plan) -> Welcome {
        let identity = &arrival.identity;
        let rung = arrival.rung;
        let now = hub.now();
        let token = hub.token(
            identity.sid,
            arrival.generation,
            seconds(now),
            signal.connect,
        );
        let goes_on = rung.is_some_and(Rung::goes_on);
        let ask = self.ask.as_ref();
        let t0 = ask.and_then(|ask| ask.t0);
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let heartbeat = self.sessions.settings().heartbeat;
        let heartbeat = heartbeat.unwrap_or(Duration::from_secs(25));
        Welcome {
            state: Some(rung.map_or("new", Rung::as_str).to_owned()),
            rt: seal(&token, hub, &identity.principal, identity.endpoint),
            from: Some(plan.from.0),
            n: goes_on.then_some(plan.replayed),
            lost: goes_on.then_some(plan.lost),
            ttl: Some(seconds(hub.settings.window)),
            hb: Some(seconds(heartbeat).max(1)),
            ack: Some(ACK_EVERY),
            retry: Some(Retry {
                spread: hub.spread(&self.sessions),
                ..Retry::default()
            }),
            t0,
            t1: t0.and(ask).map(|ask| float(ask.t1)),
            t2: t0.map(|_| float(now)),
            ..Welcome::new(identity.sid)
        }
    }
}

/// Says in the log that a session began, and whether a token did not do; as many lines as spans.
fn tell(signal: &Signal, arrival: &Arrival) {
    let is_told = signal.connect.to_span_context().is_valid();
    if is_told && !arrival.rung.is_some_and(Rung::goes_on) {
        tracing::info!(
            target: "campanile",
            event = event::SESSION_START,
            { key::SESSION_ID } = format!("{:032x}", signal.id()),
            { key::WEBSOCKET_ENDPOINT } = signal.series.endpoint,
            "a websocket session began",
        );
    }
    let failed = arrival.rung.filter(|rung| !rung.goes_on());
    let Some(rung) = failed.filter(|_| is_told) else {
        return;
    };
    let event = match rung {
        Rung::TokenReplayed => event::WEBSOCKET_TOKEN_REPLAYED,
        _ => event::WEBSOCKET_RESUME_FAILED,
    };
    let previous = arrival.previous.map(|sid| format!("{sid:032x}"));
    tracing::warn!(
        target: "campanile",
        event,
        { key::SESSION_ID } = format!("{:032x}", signal.id()),
        { key::SESSION_PREVIOUS_ID } = previous,
        { key::WEBSOCKET_ENDPOINT } = signal.series.endpoint,
        { key::WEBSOCKET_RESUME_RESULT } = rung.as_str(),
        "a websocket session could not be taken up again: {}",
        rung.as_str(),
    );
}

/// Closes a socket that becomes no session. The peer may be gone or not reading: what it missed is
/// its own affair.
pub(super) async fn close(socket: &mut WebSocket, code: u16, reason: &str) {
    let reason = reason.into();
    let close = Message::Close(Some(CloseFrame { code, reason }));
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.send(close)).await;
}

fn version_attribute(version: Version) -> Option<KeyValue> {
    let text = match version {
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => return None,
    };
    Some(KeyValue::new(key::NETWORK_PROTOCOL_VERSION, text))
}
