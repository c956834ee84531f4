//! Counts of messages and bytes, in plain integers of the connection.
//!
//! A message costs two additions here. The shared instruments hear of it in batches: at the latest
//! when [`BATCH`] messages have gathered, when the connection falls idle after a second of traffic,
//! and at its end.

use crate::Kind;
use crate::endpoint::Series;

/// How many messages gather before the instruments are told.
const BATCH: u8 = 250;

/// How many bytes gather at most.
const BYTES: u32 = 1 << 31;

/// The direction of a message, as this process sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Receive,
    Transmit,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [[u8; 5]; 2],
    gathered: u8,
    bytes: [u32; 2],
    /// Told so far, for the disconnect span: stops at four thousand million.
    told: [u32; 2],
}

impl Tally {
    /// Counts a message; tells the instruments when enough have gathered.
    pub(crate) fn add(&mut self, direction: Direction, kind: Kind, size: usize, series: &Series) {
        let i = direction as usize;
        self.counts[i][kind as usize] += 1;
        self.gathered += 1;
        let room = BYTES - self.bytes[i];
        match u32::try_from(size) {
            Ok(size) if size < room => self.bytes[i] += size,
            // Such a message goes past the sum.
            _ => series.bytes[i].add(size as u64),
        }
        if self.gathered >= BATCH {
            self.tell(series);
        }
    }

    /// Whether something has not been told yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.gathered > 0
    }

    /// Tells the instruments what has gathered.
    #[cold]
    pub(crate) fn tell(&mut self, series: &Series) {
        for direction in [Direction::Receive as usize, Direction::Transmit as usize] {
            for (count, counter) in self.counts[direction]
                .iter_mut()
                .zip(&series.messages[direction])
            {
                let count = u64::from(std::mem::take(count));
                if count > 0 {
                    counter.add(count);
                    let count = u32::try_from(count).unwrap_or(u32::MAX);
                    self.told[direction] = self.told[direction].saturating_add(count);
                }
            }
            let bytes = std::mem::take(&mut self.bytes[direction]);
            if bytes > 0 {
                series.bytes[direction].add(u64::from(bytes));
            }
        }
        self.gathered = 0;
    }

    /// All messages of the connection's life: received, transmitted. Complete after a `tell`.
    pub(crate) fn totals(&self) -> [u32; 2] {
        self.told
    }
}
