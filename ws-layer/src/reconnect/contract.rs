//! The client's side of the contract: numbers, acknowledgements, heartbeats. Knows no socket.

use std::time::Duration;

use tokio::time::Instant;

use super::{Attached, State};
use crate::resume::wire::{Control, Welcome};
use crate::resume::{Rung, Seq};

/// When the first message that is not acknowledged must be: 1 s.
const ACK_WITHIN: Duration = Duration::from_secs(1);

/// When a heartbeat must be answered: 10 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a client keeps of its session between connections.
#[derive(Clone, Debug)]
pub(super) struct Known {
    token: Option<String>,
    /// The last message that the application was handed.
    handed: Seq,
}

impl Known {
    /// What to resume with.
    pub(super) fn claim(&self) -> Option<(&str, u32)> {
        let token = self.token.as_deref()?;
        Some((token, self.handed.0))
    }

    /// Lets the token go: the next connection begins a session.
    pub(super) fn forget(&mut self) {
        self.token = None;
    }
}

/// What a client does on a connection that negotiated the contract.
#[derive(Debug)]
pub(super) struct Contract {
    pub(super) known: Known,
    /// The last message that was received: behind `handed` only while a server sends again what
    /// it has been told we have.
    received: Seq,
    acked: Seq,
    unacked_since: Option<Instant>,
    /// Whether the first frame has gone out, which confirms the token.
    is_confirmed: bool,
    beaten: Instant,
    heard: Instant,
    /// Since when an answer is awaited.
    asked: Option<Instant>,
    every: Duration,
    most: u32,
}

/// What is due.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    /// Send this.
    Say(Control),
    /// The server is dead.
    Dead,
    /// Nothing before then.
    At(Instant),
}

impl Contract {
    /// Reads a welcome; `before` is what was known when the connection was opened.
    pub(super) fn welcomed(
        before: Option<&Known>,
        welcome: Welcome,
        now: Instant,
    ) -> (Self, Attached) {
        let Welcome {
            sid,
            state,
            rt,
            from,
            n,
            lost,
            hb,
            ack,
            ..
        } = welcome;
        let claimed = before.filter(|known| known.token.is_some());
        let state = state.as_deref();
        let rung = claimed.and(
            Rung::ALL
                .into_iter()
                .find(|rung| state == Some(rung.as_str())),
        );
        let goes_on = claimed.filter(|_| rung.is_some_and(Rung::goes_on));
        let handed = goes_on.map_or(Seq::default(), |known| known.handed);
        let received = from.map_or(handed, Seq);
        // What is sent again although we have it is left out. A server that is further behind than
        // that has another stream.
        let is_known = handed.since(received) <= n.or(Some(0)) && received.since(handed).is_none();
        let has_gap = received != handed && !is_known;
        let lost = lost.unwrap_or(0);
        let state = match (goes_on, rung) {
            (None, _) => State::New,
            (_, Some(Rung::Resynced)) => State::Resynced { lost },
            _ if has_gap || lost > 0 => State::Resynced { lost },
            _ => match n {
                Some(messages @ 1..) => State::Replayed { messages },
                _ => State::Resumed,
            },
        };
        let handed = if is_known { handed } else { received };
        let attached = Attached {
            sid: Some(sid),
            state,
            rung,
        };
        let contract = Self {
            known: Known { token: rt, handed },
            received,
            acked: handed,
            unacked_since: None,
            is_confirmed: false,
            beaten: now,
            heard: now,
            asked: None,
            every: Duration::from_secs(hb.unwrap_or(25).clamp(1, 3600).into()),
            most: ack.unwrap_or(64).max(1),
        };
        (contract, attached)
    }

    /// Something came from the server.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A message of the application came: whether it is one to hand over. If so, it counts as
    /// handed over.
    pub(super) fn message(&mut self, now: Instant) -> bool {
        self.received = self.received.next();
        self.hand(now)
    }

    /// A frame of the contract came.
    pub(super) fn control(&mut self, control: Control, now: Instant) {
        match control {
            Control::Hb { t0, rt, .. } => {
                if t0.is_some() {
                    self.asked = None;
                }
                if rt.is_some() {
                    self.known.token = rt;
                }
            }
            Control::Skip { n } => {
                // More would not be a step ahead.
                let n = n.min(u32::MAX / 4);
                self.received = self.received.plus(n);
                self.hand(now);
            }
        }
    }

    fn hand(&mut self, now: Instant) -> bool {
        let is_news = matches!(self.received.since(self.known.handed), Some(1..));
        if is_news {
            self.known.handed = self.received;
            self.unacked_since.get_or_insert(now);
        }
        is_news
    }

    /// What the application has, to be said before the end.
    pub(super) fn last_word(&self) -> Control {
        Control::ack(self.known.handed.0)
    }

    /// What to do now, by this wall clock in milliseconds.
    pub(super) fn due(&mut self, now: Instant, wall: f64) -> Due {
        let silent = self.heard + self.every * 2;
        let answer = self.asked.map(|asked| asked + ANSWER_WITHIN);
        if silent <= now || answer.is_some_and(|answer| answer <= now) {
            return Due::Dead;
        }
        let handed = self.known.handed;
        let count = handed.since(self.acked).unwrap_or(0);
        let ack = match self.unacked_since {
            Some(_) if count >= self.most => Some(now),
            since => since.map(|since| since + ACK_WITHIN),
        };
        let beat = self.beaten + self.every;
        let is_beat = !self.is_confirmed || beat <= now;
        if is_beat || ack.is_some_and(|ack| ack <= now) {
            self.acked = handed;
            self.unacked_since = None;
            let t0 = (is_beat && self.asked.is_none()).then_some(wall);
            if is_beat {
                self.is_confirmed = true;
                self.beaten = now;
                self.asked.get_or_insert(now);
            }
            return Due::Say(Control::Hb {
                seq: Some(handed.0),
                t0,
                t1: None,
                t2: None,
                rt: None,
            });
        }
        let all = [Some(beat), Some(silent), ack, answer];
        Due::At(all.into_iter().flatten().min().unwrap_or(beat))
    }
}

#[cfg(test)]
mod tests;
