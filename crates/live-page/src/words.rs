//! Numbers and sentences in the page's words.
//!
//! A sentence is a list of parts, each with a kind the page knows how to draw. Text from telemetry is a part like any
//! other: it never becomes markup.

use serde::Serialize;

const NO_BREAK: char = '\u{a0}';
const NARROW: char = '\u{202f}';

/// One piece of a [`Sentence`]: kind, text, and where it leads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Part(&'static str, String, Option<String>);

/// Parts in reading order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Sentence(Vec<Part>);

impl Sentence {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::default().then(text)
    }

    /// Begins with what went wrong.
    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self::default().part("em", text, None)
    }

    pub(crate) fn then(self, text: impl Into<String>) -> Self {
        self.part("", text, None)
    }

    pub(crate) fn em(self, text: impl Into<String>) -> Self {
        self.part("em", text, None)
    }

    pub(crate) fn link(self, text: impl Into<String>, href: impl Into<String>) -> Self {
        self.part("a", text, Some(href.into()))
    }

    pub(crate) fn failed(self, text: impl Into<String>) -> Self {
        self.part("err", text, None)
    }

    pub(crate) fn warning(self, text: impl Into<String>) -> Self {
        self.part("warn", text, None)
    }

    /// A moment in milliseconds since 1970; the page shows it in local time.
    pub(crate) fn time(self, unix_ms: f64) -> Self {
        self.part("time", format!("{unix_ms:.0}"), None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn part(mut self, kind: &'static str, text: impl Into<String>, href: Option<String>) -> Self {
        self.0.push(Part(kind, text.into(), href));
        self
    }
}

/// What a view opens with: one sentence, and the numbers that prove it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// The rule that spoke.
    pub(crate) rule: &'static str,
    pub(crate) one: Sentence,
    pub(crate) two: Sentence,
}

/// Writes a whole number with narrow spaces between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * NARROW.len_utf8());
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(NARROW);
        }
        text.push(digit);
    }
    text
}

/// Writes a count with its noun.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!(
        "{}{NO_BREAK}{}",
        count(number),
        if number == 1 { one } else { many }
    )
}

/// Writes a duration from milliseconds.
pub(crate) fn duration(ms: f64) -> String {
    if ms < 0.9995 {
        format!("{:.0}{NO_BREAK}µs", ms * 1000.0)
    } else if ms < 9.95 {
        format!("{ms:.1}{NO_BREAK}ms")
    } else if ms < 999.5 {
        format!("{ms:.0}{NO_BREAK}ms")
    } else if ms < 59_995.0 {
        format!("{:.2}{NO_BREAK}s", ms / 1000.0)
    } else {
        let seconds = (ms / 1000.0).round() as u64;
        format!(
            "{}{NO_BREAK}min{NO_BREAK}{}{NO_BREAK}s",
            count(seconds / 60),
            seconds % 60
        )
    }
}

/// Writes a share of one as a percentage.
pub(crate) fn percent(share: f64, digits: usize) -> String {
    let shown = format!("{:.digits$}", share * 100.0);
    let shown = if digits > 0 {
        shown.trim_end_matches('0').trim_end_matches('.')
    } else {
        &shown
    };
    match shown {
        "0" if share > 0.0 => format!("<{NO_BREAK}{}{NO_BREAK}%", 10f64.powi(-(digits as i32))),
        _ => format!("{shown}{NO_BREAK}%"),
    }
}

/// Writes a factor over a target: digits, and no more of them than one reads.
pub(crate) fn times(factor: f64) -> String {
    if factor < 1.95 {
        "above its target".to_owned()
    } else {
        format!("{factor:.0}{NO_BREAK}times its target")
    }
}

/// Begins with a capital letter.
pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

/// Cuts a text from telemetry to `most` characters, with an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Rounds for the wire: three decimals are below what a page can draw.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_page_writes_them() {
        let shown = [0.842, 9.4, 96.0, 1840.0, 125_000.0].map(duration);
        assert_eq!(
            shown,
            [
                "842\u{a0}µs",
                "9.4\u{a0}ms",
                "96\u{a0}ms",
                "1.84\u{a0}s",
                "2\u{a0}min\u{a0}5\u{a0}s"
            ]
        );
    }

    #[test]
    fn a_share_too_small_to_write_is_not_zero() {
        assert_eq!(percent(0.0341, 2), "3.41\u{a0}%");
        assert_eq!(percent(0.002, 0), "<\u{a0}1\u{a0}%");
        assert_eq!(percent(0.0, 0), "0\u{a0}%");
        assert_eq!(percent(1.0, 0), "100\u{a0}%");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204_318), "1\u{202f}204\u{202f}318");
    }

    #[test]
    fn a_cut_keeps_whole_characters() {
        assert_eq!(cut("größe", 3), "grö…");
        assert_eq!(cut("größe", 5), "größe");
    }
}
