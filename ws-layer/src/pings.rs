//! Our own pings: heartbeat and barrier in one.
//!
//! Frames are ordered and a peer's stack answers a ping by itself, so the pong of a ping that was
//! queued behind data proves that the stack has read the data. One ping is outstanding at a time.

use crate::clock::age;

/// The first byte of the payload, so that a pong of ours is told from the application's.
const MARK: u8 = 0x57;

/// A payload: the mark, the ping's number, a nonce that a peer cannot guess.
pub(crate) type Payload = [u8; 9];

/// The state of one connection's pings.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    number: u32,
    /// When the last ping left.
    last: u32,
    /// Of the outstanding ping: what a peer cannot guess, and the position in the flow that it
    /// stands behind.
    nonce: u32,
    covers: u32,
    /// Intervals without a data message in either direction.
    idle: u16,
    found: Beat,
    flags: u8,
}

/// A ping is outstanding, and it is a heartbeat.
const OUTSTANDING: u8 = 1;
const HEARTBEAT: u8 = 2;
/// The peer was heard in this interval, and was asked to be.
const HEARD: u8 = 4;
const PINGED: u8 = 8;

/// What a pong of ours proves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) round_trip: u32,
    pub(crate) covers: u32,
    /// Whether the ping was a heartbeat: one behind data measures the data's way, too.
    pub(crate) heartbeat: bool,
}

/// What a heartbeat found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Beat {
    /// The peer was heard, or there was nothing to be heard.
    #[default]
    Alive,
    /// A ping was not answered in a whole interval.
    Missed,
    /// Two were not.
    Dead,
}

impl Pings {
    /// Something came from the peer, whatever it was.
    pub(crate) fn heard(&mut self) {
        self.flags |= HEARD;
    }

    /// A data message went one way or the other.
    pub(crate) fn busy(&mut self) {
        self.idle = 0;
    }

    /// Whole intervals without a data message.
    pub(crate) fn idle_beats(&self) -> u32 {
        u32::from(self.idle.saturating_sub(1))
    }

    /// Judges the interval that has just ended, and begins the next.
    pub(crate) fn beat(&mut self) -> Beat {
        let silent = self.flags & (PINGED | HEARD) == PINGED;
        self.found = match self.found {
            _ if !silent => Beat::Alive,
            Beat::Alive => Beat::Missed,
            Beat::Missed | Beat::Dead => Beat::Dead,
        };
        self.flags = self.flags & !HEARD | PINGED;
        self.idle = self.idle.saturating_add(1);
        self.found
    }

    /// Whether a barrier may leave: none is outstanding, and the last left long enough ago.
    pub(crate) fn may_send(&self, now: u32, spacing: u32) -> bool {
        self.flags & OUTSTANDING == 0 && (self.number == 0 || age(now, self.last) >= spacing)
    }

    /// Makes the next ping. One that is still outstanding is given up.
    pub(crate) fn next(&mut self, now: u32, covers: u32, heartbeat: bool) -> Payload {
        self.number = self.number.wrapping_add(1).max(1);
        self.last = now;
        let nonce = fastrand::u32(..);
        (self.nonce, self.covers) = (nonce, covers);
        self.flags |= OUTSTANDING | HEARTBEAT;
        if !heartbeat {
            self.flags &= !HEARTBEAT;
        }
        let mut payload = [MARK; 9];
        payload[1..5].copy_from_slice(&self.number.to_be_bytes());
        payload[5..].copy_from_slice(&nonce.to_be_bytes());
        payload
    }

    /// Reads a pong: `Some` when it is the answer to the outstanding ping of ours.
    pub(crate) fn answer(&mut self, pong: &[u8], now: u32) -> Option<Answer> {
        if self.flags & OUTSTANDING == 0 {
            return None;
        }
        let [MARK, rest @ ..] = pong else { return None };
        let (number, cookie) = rest.split_first_chunk::<4>()?;
        if *number != self.number.to_be_bytes() || cookie != self.nonce.to_be_bytes() {
            return None;
        }
        self.flags &= !OUTSTANDING;
        Some(Answer {
            round_trip: age(now, self.last),
            covers: self.covers,
            heartbeat: self.flags & HEARTBEAT != 0,
        })
    }

    /// Whether a pong is an answer to one of our pings, be it too late.
    pub(crate) fn is_ours(&self, pong: &[u8]) -> bool {
        let Some((mark, rest)) = pong.split_first() else {
            return false;
        };
        let number = rest
            .first_chunk::<4>()
            .map(|bytes| u32::from_be_bytes(*bytes));
        *mark == MARK && pong.len() == 9 && number.is_some_and(|n| n != 0 && n <= self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_answer_counts() {
        let mut pings = Pings::default();
        let first = pings.next(10, 3, true);
        assert_eq!(pings.answer(b"", 20), None);
        assert_eq!(pings.answer(&[MARK; 9], 20), None);
        assert!(!pings.may_send(1_000_000, 1));
        let answer = Answer {
            round_trip: 10,
            covers: 3,
            heartbeat: true,
        };
        assert_eq!(pings.answer(&first, 20), Some(answer));
        assert_eq!(pings.answer(&first, 20), None, "no answer counts twice");
        assert!(pings.is_ours(&first) && !pings.is_ours(b"W") && !pings.is_ours(b"application"));
    }

    #[test]
    fn the_next_ping_keeps_its_distance() {
        let mut pings = Pings::default();
        assert!(pings.may_send(0, 100));
        let ping = pings.next(0, 0, false);
        pings.answer(&ping, 1);
        assert!(!pings.may_send(99, 100));
        assert!(pings.may_send(100, 100));
    }

    #[test]
    fn two_silent_intervals_after_a_ping_are_death_and_any_sound_is_life() {
        let mut pings = Pings::default();
        assert_eq!(pings.beat(), Beat::Alive, "nothing had been asked yet");
        assert_eq!(pings.beat(), Beat::Missed);
        pings.heard();
        assert_eq!(pings.beat(), Beat::Alive);
        assert_eq!(pings.beat(), Beat::Missed);
        assert_eq!(pings.beat(), Beat::Dead);
    }
}
