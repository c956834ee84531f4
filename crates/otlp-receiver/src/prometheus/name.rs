//! OTLP names to Prometheus names, with the rules that Prometheus and the Collector apply by default.

use crate::model::MetricKind;

/// UCUM units that have a word in Prometheus names.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// Units after a slash.
const PER_UNITS: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// Translates a metric's name.
///
/// The unit's word is added unless the name has it already; units in braces are ignored. A counter ends in `_total`, a
/// gauge of unit `1` in `_ratio`. What Prometheus does not allow separates words, which are joined by one `_`.
///
/// ```
/// use campanile_otlp_receiver::model::{MetricKind, Temporality};
/// use campanile_otlp_receiver::prometheus::metric_name;
///
/// let temporality = Temporality::Cumulative;
/// let histogram = MetricKind::Histogram { temporality };
/// let name = metric_name("http.server.request.duration", "s", histogram);
/// assert_eq!(name, "http_server_request_duration_seconds");
/// ```
pub fn metric_name(name: &str, unit: &str, kind: MetricKind) -> String {
    let mut words = words(name);
    let (unit, per) = unit_words(unit, kind);
    let has = |words: &[String], word: &str| words.iter().any(|known| known == word);
    if !unit.is_empty() && !has(&words, &unit) {
        words.push(unit);
    }
    if !per.is_empty() && !has(&words, &per) {
        words.extend(["per".to_owned(), per]);
    }
    if let MetricKind::Sum {
        monotonic: true, ..
    } = kind
    {
        words.retain(|word| word != "total");
        words.push("total".to_owned());
    }
    let name = words.join("_");
    match name.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

fn words(name: &str) -> Vec<String> {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':');
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Translates a unit into the word for what stands before the slash, and the one for what stands after.
fn unit_words(unit: &str, kind: MetricKind) -> (String, String) {
    let (main, per) = unit.trim().split_once('/').unwrap_or((unit.trim(), ""));
    let main = main.trim();
    if main == "1" && per.is_empty() && kind == MetricKind::Gauge {
        return ("ratio".to_owned(), String::new());
    }
    (word(main, UNITS), word(per.trim(), PER_UNITS))
}

fn word(unit: &str, table: &[(&str, &str)]) -> String {
    if unit.contains(['{', '}']) {
        return String::new();
    }
    let known = table.iter().find(|(symbol, _)| *symbol == unit);
    known.map_or_else(|| words(unit).join("_"), |(_, word)| (*word).to_owned())
}

/// Translates an attribute key into a label name.
///
/// What Prometheus does not allow becomes `_`. A leading digit gets `key_` before it, a single leading `_` gets `key`.
///
/// ```
/// use campanile_otlp_receiver::prometheus::label_name;
///
/// assert_eq!(label_name("http.route"), "http_route");
/// assert_eq!(label_name("2nd.hop"), "key_2nd_hop");
/// ```
pub fn label_name(key: &str) -> String {
    let allowed = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter,
        false => '_',
    };
    let name: String = key.chars().map(allowed).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("key_{name}")
    } else if name.starts_with('_') && !name.starts_with("__") {
        format!("key{name}")
    } else {
        name
    }
}
