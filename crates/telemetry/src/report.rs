//! What a flush or a shutdown achieved.

use std::fmt;

/// What a flush or a shutdown achieved.
#[derive(Clone, Debug, Default)]
#[must_use = "it says what was lost"]
pub struct Report {
    pub(crate) timed_out: bool,
}

impl Report {
    /// Whether everything offered until then was delivered.
    pub fn is_complete(&self) -> bool {
        !self.timed_out
    }

    /// Says on standard error what was lost; nothing when nothing was.
    pub fn log(&self) {
        if !self.is_complete() {
            eprintln!("campanile: {self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.timed_out {
            "deadline passed"
        } else {
            "all delivered"
        })
    }
}
