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
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = date(since.as_secs() / 86_400);
    let second = since.as_secs() % 86_400;
    digits(out, year, 4);
    for (separator, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', second / 3600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        out.push(separator);
        digits(out, value, 2);
    }
    out.push(b'.');
    digits(out, u64::from(since.subsec_micros()), 6);
    out.push(b'Z');
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
    fn a_leap_day_is_the_29th_of_february() {
        let mut out = Vec::new();
        write(&mut out, UNIX_EPOCH + Duration::from_secs(1_709_164_800));
        assert_eq!(out, b"2024-02-29T00:00:00.000000Z");
    }
}
