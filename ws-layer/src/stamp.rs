//! When a message was made.

use std::time::SystemTime;

use tokio::time::Instant;

/// The moment from which a message's age counts, on this node's monotonic clock.
///
/// Take it when the application accepts the message, before any queue, and hand the same stamp to
/// every recipient.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    instant: Instant,
    origin: Option<(Origin, SystemTime)>,
}

/// Whose wall clock it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Node,
    Client,
}

impl Stamp {
    /// Now.
    pub fn now() -> Self {
        Self::at(Instant::now())
    }

    /// An earlier moment.
    pub fn at(instant: Instant) -> Self {
        Self {
            instant,
            origin: None,
        }
    }

    /// Adds when another node made the message, by its wall clock.
    ///
    /// The way from there to here is a series of its own (stage `origin`), because it compares two
    /// clocks: a negative age counts as zero and as a clock anomaly, and no other age contains it.
    pub fn from_node(mut self, made: SystemTime) -> Self {
        self.origin = Some((Origin::Node, made));
        self
    }

    /// Adds when a client says that it made the message.
    ///
    /// A client's clock enters no age. It is compared with ours: a message from the future is a
    /// clock anomaly of source `client`, and otherwise nothing is recorded.
    pub fn from_client(mut self, made: SystemTime) -> Self {
        self.origin = Some((Origin::Client, made));
        self
    }

    pub(crate) fn instant(self) -> Instant {
        self.instant
    }

    pub(crate) fn origin(self) -> Option<(Origin, SystemTime)> {
        self.origin
    }
}
