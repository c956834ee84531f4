//! The state of this server's own export, as the live page shows it.
//!
//! It is read from the pipeline itself, so it is true even while nothing arrives at the page.

use campanile::Telemetry;
use campanile::telemetry::SignalStatus;
use campanile_live_page::Onward;

/// One line for each signal, and one when telemetry is off.
pub(super) fn lines(telemetry: &Telemetry) -> Vec<Onward> {
    let status = telemetry.status();
    let off = status
        .off
        .map(|why| Onward::new("Telemetry", format!("off: {why}")).warning());
    off.into_iter()
        .chain(status.signals.iter().map(line))
        .collect()
}

fn line(status: &SignalStatus) -> Onward {
    let mut value = format!("{} of {} delivered", status.delivered, status.offered);
    for (count, what) in [
        (status.pending(), "waiting"),
        (status.rejected, "rejected"),
        (status.lost(), "dropped"),
    ] {
        if count > 0 {
            value.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(error) = &status.error {
        value.push_str(": ");
        value.push_str(error);
    }
    let line = Onward::new(name(status), value);
    if status.error.is_some() || status.rejected + status.lost() > 0 {
        line.warning()
    } else {
        line
    }
}

/// The signal's name as a heading.
fn name(status: &SignalStatus) -> String {
    let items = status.signal.items();
    let mut letters = items.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
