//! What a page asks: which view, through which filter, over which time.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// The parameters that snapshot and stream share.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(default)]
pub(crate) struct Question {
    pub(crate) view: String,
    /// The trace or metric of the view.
    pub(crate) id: String,
    pub(crate) q: String,
    pub(crate) t: String,
    pub(crate) sort: String,
    pub(crate) span: String,
    pub(crate) find: String,
    pub(crate) line: String,
    pub(crate) by: String,
    pub(crate) route: String,
    /// A region of the latency map: from, to, shortest, longest; all in milliseconds.
    #[serde(rename = "box")]
    pub(crate) region: String,
    /// Where an older page of a list begins.
    pub(crate) before: String,
    /// Where a stream goes on.
    pub(crate) cursor: String,
}

impl Question {
    /// Longer than any filter a person types; what is beyond is not read.
    pub(crate) const MOST: usize = 1000;

    /// The filter, within its limit.
    pub(crate) fn filter_text(&self) -> &str {
        within(&self.q, Self::MOST)
    }

    /// What is looked for in a trace, within its limit.
    pub(crate) fn find_text(&self) -> &str {
        within(&self.find, Self::MOST / 2)
    }

    /// The time asked for.
    pub(crate) fn range(&self) -> Range {
        Range::parse(&self.t, now_ms())
    }
}

/// The beginning of a text: at most so many bytes, and whole characters.
fn within(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// A stretch of time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Whether it ends now, and so moves.
    pub(crate) moves: bool,
}

impl Range {
    const DEFAULT_MINUTES: f64 = 15.0;

    /// Reads `15m`, `2h`, or `from..to` in UTC. What cannot be read is the last 15 minutes.
    pub(crate) fn parse(text: &str, now: f64) -> Self {
        if let Some((from, to)) = text.split_once("..")
            && let (Some(from), Some(to)) = (moment(from, now), moment(to, now))
        {
            return Self {
                from: from.min(to),
                to: to.max(from),
                moves: false,
            };
        }
        let minutes = last_minutes(text).unwrap_or(Self::DEFAULT_MINUTES);
        Self {
            from: now - minutes * 60_000.0,
            to: now,
            moves: true,
        }
    }

    pub(crate) fn has(&self, moment: f64) -> bool {
        (self.from..=self.to).contains(&moment)
    }

    /// Begins with the oldest thing there is to see, so that a young page is not an empty chart. At least a minute stays.
    pub(crate) fn shrunk_to(self, oldest: Option<f64>) -> Self {
        let Some(oldest) = oldest.filter(|_| self.moves) else {
            return self;
        };
        let step = 10_000.0;
        let from = (oldest / step).floor() * step;
        Self {
            from: from.clamp(self.from, (self.to - 60_000.0).max(self.from)),
            ..self
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        ((self.to - self.from) / 1000.0).max(0.001)
    }

    /// Which of `bins` equal parts a moment falls into.
    pub(crate) fn bin(&self, moment: f64, bins: usize) -> Option<usize> {
        let share = (moment - self.from) / (self.to - self.from).max(1.0);
        (0.0..=1.0)
            .contains(&share)
            .then(|| ((share * bins as f64) as usize).min(bins - 1))
    }
}

pub(crate) fn now_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

fn last_minutes(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: f64 = number.parse::<u32>().ok()?.into();
    let minutes = match unit {
        "s" => number / 60.0,
        "m" => number,
        "h" => number * 60.0,
        "d" => number * 1440.0,
        _ => return None,
    };
    (minutes > 0.0).then_some(minutes.min(43_200.0))
}

/// Reads `2026-11-22T10:36:00Z`, `10:36` (today, UTC) or milliseconds since 1970.
fn moment(text: &str, now: f64) -> Option<f64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    if let Ok(ms) = text.parse::<u64>() {
        return Some(ms as f64);
    }
    let (day, clock) = match text.split_once('T') {
        Some((date, clock)) => (days(date)? as f64 * 86_400_000.0, clock),
        None => ((now / 86_400_000.0).floor() * 86_400_000.0, text),
    };
    let mut parts = clock.splitn(3, ':').map(|part| {
        part.parse::<f64>()
            .ok()
            .filter(|part| part.is_finite() && (0.0..61.0).contains(part))
    });
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0.0))?;
    Some(day + ((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

/// Days from 1970 to a date of the civil calendar.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year is taken to begin in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let century = year / 400;
    let of_century = year - century * 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(
        century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + of_year
            - 719_468,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-11-22 12:00:00 UTC
    const NOON: f64 = 1_795_348_800_000.0;

    #[test]
    fn ranges_end_now_or_where_they_say() {
        assert_eq!(
            Range::parse("5m", NOON),
            Range {
                from: NOON - 300_000.0,
                to: NOON,
                moves: true
            }
        );
        let fixed = Range {
            from: NOON - 3_600_000.0,
            to: NOON,
            moves: false,
        };
        assert_eq!(
            Range::parse("2026-11-22T11:00:00Z..2026-11-22T12:00Z", 0.0),
            fixed
        );
        assert_eq!(Range::parse("11:00..12:00", NOON), fixed);
        assert_eq!(
            Range::parse(&format!("{}..{NOON}", NOON - 3_600_000.0), 0.0),
            fixed
        );
    }

    #[test]
    fn what_cannot_be_read_is_the_last_quarter_of_an_hour() {
        for text in [
            "",
            "m",
            "0m",
            "-5m",
            "soon",
            "..",
            "1..x",
            "ä",
            "99999999999h",
            "nan:1..2:2",
        ] {
            let range = Range::parse(text, NOON);
            assert_eq!(
                (range.to - range.from, range.moves),
                (900_000.0, true),
                "{text}"
            );
        }
    }

    #[test]
    fn a_young_page_begins_with_its_oldest_span() {
        let range = Range::parse("15m", NOON);
        assert_eq!(
            range.shrunk_to(Some(NOON - 123_456.0)).from,
            NOON - 130_000.0
        );
        assert_eq!(range.shrunk_to(Some(NOON - 1000.0)).from, NOON - 60_000.0);
        assert_eq!(range.shrunk_to(Some(0.0)), range);
        assert_eq!(range.shrunk_to(None), range);
    }

    #[test]
    fn what_is_typed_is_cut_at_a_whole_character() {
        let long = Question {
            q: "a".to_owned() + &"é".repeat(2000),
            find: "a".to_owned() + &"é".repeat(2000),
            ..Question::default()
        };
        assert_eq!(long.filter_text().len(), 999);
        assert_eq!(long.find_text().len(), 499);
    }

    #[test]
    fn bins_cover_the_range_to_its_end() {
        let range = Range {
            from: 0.0,
            to: 100.0,
            moves: false,
        };
        assert_eq!(
            [0.0, 49.9, 50.0, 100.0].map(|at| range.bin(at, 2)),
            [Some(0), Some(0), Some(1), Some(1)]
        );
        assert_eq!((range.bin(-1.0, 2), range.bin(101.0, 2)), (None, None));
    }
}
