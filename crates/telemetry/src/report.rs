//! What a flush or a shutdown achieved.

use std::fmt;

use serde::Serialize;

use crate::status::SignalStatus;

/// What a flush or a shutdown achieved: the books of each signal at its end.
#[derive(Clone, Debug, Default, Serialize)]
#[must_use = "it says what was lost"]
#[non_exhaustive]
pub struct Report {
    /// The state of each signal. Counts are since the start of the process.
    pub signals: Vec<SignalStatus>,
    /// The state of audit records, which have a queue of their own; none when logs are not exported.
    pub audit: Option<SignalStatus>,
    /// Why nothing is known: telemetry had already ended.
    pub ended: bool,
}

impl Report {
    /// Whether everything that was ever offered was delivered.
    pub fn is_complete(&self) -> bool {
        !self.ended
            && self
                .signals
                .iter()
                .chain(&self.audit)
                .all(|signal| signal.delivered == signal.offered)
    }

    /// Says in one line on standard error what was lost; nothing when nothing was.
    pub fn log(&self) {
        if !self.is_complete() {
            tracing::warn!(
                target: "campanile",
                report = %self,
                "telemetry did not deliver everything"
            );
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ended {
            return f.write_str("telemetry had already ended");
        }
        if self.signals.is_empty() {
            return f.write_str("nothing is exported");
        }
        let audit = self.audit.iter().filter(|audit| audit.offered > 0);
        let named = self
            .signals
            .iter()
            .map(|signal| (signal.signal.items(), signal));
        let all = named.chain(audit.map(|audit| ("audit records", audit)));
        for (index, (name, signal)) in all.enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{name}: {} of {} delivered",
                signal.delivered, signal.offered
            )?;
            if signal.rejected > 0 {
                write!(f, ", {} rejected by the collector", signal.rejected)?;
            }
            for (reason, count) in &signal.dropped {
                write!(f, ", {count} lost ({reason})")?;
            }
            if signal.pending() > 0 {
                write!(f, ", {} still waiting", signal.pending())?;
            }
            if let Some(error) = &signal.error {
                write!(f, ", {error}")?;
            }
        }
        Ok(())
    }
}
