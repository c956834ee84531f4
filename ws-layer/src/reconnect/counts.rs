//! What a client counts of its own session (`websocket.role=client`).
//!
//! As on the server, detachments are returns, ends of sessions that had lost their connection, and
//! those that still wait; only that a session taken over from a socket that the server still
//! thought open (`conflict`) has returned, too, as seen from here.

use std::sync::Arc;

use super::Ended;
use crate::Cause;
use crate::endpoint::Series;
use crate::resume::{Rung, SessionEnd};

pub(super) struct Counts {
    series: Arc<Series>,
    /// Where the session is.
    place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// There is none.
    Nowhere,
    Attached,
    Detached,
}

impl Counts {
    pub(super) fn new(series: Arc<Series>) -> Self {
        let place = Place::Nowhere;
        Self { series, place }
    }

    /// A connection brought a token.
    pub(super) fn attempted(&self, rung: Rung, before: Option<Cause>) {
        self.series.resume_attempt(rung, before);
    }

    /// There is a connection, and its session goes on or is a new one.
    pub(super) fn attached(&mut self, rung: Option<Rung>, gap: Option<f64>, replayed: u32) {
        let goes_on = rung.filter(|rung| rung.goes_on());
        if self.place == Place::Detached {
            self.series.detached(-1);
            if goes_on.is_none() {
                self.series.session_ended(match rung {
                    Some(Rung::TokenReplayed) => SessionEnd::Superseded,
                    Some(Rung::Unauthorized) => SessionEnd::Revoked,
                    _ => SessionEnd::Abandoned,
                });
            }
        }
        if let (Some(rung), Some(gap)) = (goes_on, gap) {
            self.series.resume_gap(rung, gap);
            self.series.resume_replayed(rung, replayed);
        }
        self.place = Place::Attached;
    }

    /// A server that does not resume sessions has none.
    pub(super) fn plain(&mut self) {
        self.ended(SessionEnd::Abandoned);
    }

    /// The connection was lost.
    pub(super) fn lost(&mut self) {
        if self.place == Place::Attached {
            self.series.detachment();
            self.series.detached(1);
            self.place = Place::Detached;
        }
    }

    /// The client does not come back.
    pub(super) fn stopped(&mut self, ended: &Ended) {
        let end = match ended {
            Ended::ByServer { .. } if self.place == Place::Attached => SessionEnd::Client,
            Ended::Superseded => SessionEnd::Superseded,
            Ended::ByServer { .. } | Ended::Revoked | Ended::Refused { .. } => SessionEnd::Revoked,
            Ended::GaveUp => SessionEnd::Abandoned,
        };
        self.ended(end);
    }

    /// The application closed it.
    pub(super) fn closed(&mut self) {
        self.ended(match self.place {
            Place::Attached => SessionEnd::Client,
            _ => SessionEnd::Abandoned,
        });
    }

    fn ended(&mut self, end: SessionEnd) {
        if end != SessionEnd::Client {
            self.lost();
        }
        if self.place == Place::Nowhere {
            return;
        }
        if self.place == Place::Detached {
            self.series.detached(-1);
        }
        self.series.session_ended(end);
        self.place = Place::Nowhere;
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.ended(SessionEnd::Abandoned);
    }
}
