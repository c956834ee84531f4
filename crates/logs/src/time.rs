//! RFC 3339 in UTC with microseconds, written without a library or an allocation.

use std::time::{SystemTime, UNIX_EPOCH};

/// `at` as our log lines write times: RFC 3339, UTC, microseconds.
///
/// ```
/// use std::time::UNIX_EPOCH;
///
/// assert_eq!(campanile_logs::rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
/// ```
pub fn rfc3339(at: SystemTime) -> String {
    let mut out = Vec::with_capacity(27);
    write(&mut out, at);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends `at` as `2026-11-22T12:00:00.000001Z`. Times before 1970 are written as 1970.
pub(crate) fn write(out: &mut Vec<u8>, at: SystemTime) {
    Clock::default().write(out, at);
}

/// Writes times, and remembers the second: most lines are written in the second of the one before.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: u64,
    /// `2026-11-22T12:00:00.`, empty at first.
    text: Vec<u8>,
}

impl Clock {
    /// Appends `at` as [`write`] does.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() || self.text.is_empty() {
            self.second = since.as_secs();
            self.text.clear();
            write_second(&mut self.text, self.second);
        }
        out.extend_from_slice(&self.text);
        let mut rest = since.subsec_micros();
        let mut micros = *b"000000Z";
        for digit in micros[..6].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&micros);
    }
}

fn write_second(out: &mut Vec<u8>, second: u64) {
    let (year, month, day) = date(second / 86_400);
    let of_day = second % 86_400;
    digits(out, year, 4);
    for (separator, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', of_day / 3600),
        (b':', of_day / 60 % 60),
        (b':', of_day % 60),
    ] {
        out.push(separator);
        digits(out, value, 2);
    }
    out.push(b'.');
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level
/// date algorithms": eras of 400 years that begin on the first of March).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn digits(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_moment_reads_back_as_itself(micros in 0u64..253_402_300_800_000_000) {
            let mut out = Vec::new();
            write(&mut out, UNIX_EPOCH + Duration::from_micros(micros));
            let text = String::from_utf8(out).expect("ASCII");
            let parsed: jiff::Timestamp = text.parse().expect("RFC 3339");
            prop_assert_eq!(parsed.as_microsecond(), micros as i64);
            prop_assert_eq!(text.len(), "2026-11-22T12:00:00.000001Z".len());
        }
    }

    #[test]
    fn a_clock_follows_when_the_second_changes_in_either_direction() {
        let mut clock = Clock::default();
        for micros in [0, 1, 999_999, 1_000_000, 61_000_002, 3] {
            let at = UNIX_EPOCH + Duration::from_micros(micros);
            let mut out = Vec::new();
            clock.write(&mut out, at);
            assert_eq!(out, rfc3339(at).into_bytes());
        }
    }

    #[test]
    fn a_leap_day_is_the_29th_of_february() {
        let mut out = Vec::new();
        write(&mut out, UNIX_EPOCH + Duration::from_secs(1_709_164_800));
        assert_eq!(out, b"2024-02-29T00:00:00.000000Z");
    }
}
