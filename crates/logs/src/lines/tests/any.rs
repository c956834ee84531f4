//! Whatever a field is called and whatever is in it, a line is one object without duplicate keys.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use tracing::field::{FieldSet, Value};
use tracing::{Metadata, callsite, subscriber};

use super::*;

/// An object with its keys in order; a duplicate is an error.
struct Strict(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
                let (mut seen, mut entries) = (BTreeSet::new(), Vec::new());
                while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("{key:?} twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Strict(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[derive(Clone, Debug)]
enum Any {
    Text(String),
    Float(f64),
    Int(i64),
    Uint(u64),
    Large(i128),
    Bool(bool),
}

impl Any {
    fn value(&self) -> &dyn Value {
        match self {
            Self::Text(value) => value,
            Self::Float(value) => value,
            Self::Int(value) => value,
            Self::Uint(value) => value,
            Self::Large(value) => value,
            Self::Bool(value) => value,
        }
    }
}

struct Site;

impl callsite::Callsite for Site {
    fn set_interest(&self, _: subscriber::Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        unreachable!("it is never registered")
    }
}

/// Tells an event whose names were not known when this was compiled.
fn tell(fields: &[(String, Any)]) {
    static SITE: Site = Site;
    let names: Vec<&'static str> = fields
        .iter()
        .map(|(name, _)| &*name.clone().leak())
        .collect();
    let metadata = Box::leak(Box::new(Metadata::new(
        "event any.rs:1",
        "any \"target\"\u{1}",
        Level::INFO,
        None,
        None,
        None,
        FieldSet::new(names.leak(), callsite::Identifier(&SITE)),
        tracing::metadata::Kind::EVENT,
    )));
    let values: Vec<Option<&dyn Value>> = fields
        .iter()
        .map(|(_, value)| Some(value.value()))
        .collect();
    Event::dispatch(metadata, &metadata.fields().value_set_all(&values));
}

fn names() -> impl Strategy<Value = String> {
    const OWN: &[&str] = &[
        "timestamp",
        "level",
        "level_",
        "level__",
        "service",
        "domain",
        campanile_semconv::attribute::CAMPANILE_DOMAIN,
        "trace_id",
        "trace_id_",
        "span_id",
        "trace_sampled",
        "request_id",
        "event",
        "outcome",
        "message",
        "target",
        "target_",
        "password",
        "log.target",
        "a.b.c",
        "",
        "_",
    ];
    prop_oneof![
        proptest::sample::select(OWN).prop_map(str::to_owned),
        any::<String>(),
        "[a-c_]{1,3}",
        "[\u{0}-\u{20}\"\\\\]{1,4}",
    ]
}

fn values() -> impl Strategy<Value = Any> {
    const ODD: &[&str] = &[
        "\\ud800",
        "\u{ffff}",
        "\u{feff}",
        "auth",
        "\u{2028}",
        "null",
        "\u{0}\u{1b}[31m",
    ];
    prop_oneof![
        any::<String>().prop_map(Any::Text),
        proptest::sample::select(ODD).prop_map(|text| Any::Text(text.to_owned())),
        (1..20_000_usize).prop_map(|length| Any::Text("\"".repeat(length))),
        any::<f64>().prop_map(Any::Float),
        proptest::sample::select(&[f64::NAN, f64::INFINITY, f64::MIN, -0.0][..])
            .prop_map(Any::Float),
        any::<i64>().prop_map(Any::Int),
        any::<u64>().prop_map(Any::Uint),
        any::<i128>().prop_map(Any::Large),
        any::<bool>().prop_map(Any::Bool),
    ]
}

const CONTRACT: [&str; 12] = [
    "timestamp",
    "level",
    "service",
    "domain",
    "trace_id",
    "span_id",
    "trace_sampled",
    "request_id",
    "event",
    "outcome",
    "message",
    "target",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_name_and_value_make_one_object_with_the_contract_s_fields_first(
        fields in proptest::collection::vec((names(), values()), 0..8)
    ) {
        let text = text(|sink| Lines::new("shop", sink), || tell(&fields));
        // In debug builds a line about a dropped field may follow.
        for line in text.lines() {
            let Strict(entries) = serde_json::from_str(line).expect("one object, no key twice");
            let first: Vec<&str> = entries.iter().take(12).map(|(key, _)| key.as_str()).collect();
            prop_assert_eq!(first, CONTRACT);
        }
        prop_assert!(text.ends_with('\n'));
    }

    #[test]
    fn without_redaction_no_field_s_value_is_lost_or_changed(
        fields in proptest::collection::btree_map("[a-z]{1,2}_{0,2}|level_{0,2}|target", values(), 0..6)
    ) {
        let fields: Vec<_> = fields.into_iter().collect();
        let with = |sink| Lines::new("shop", sink).with_redactor(Redactor::off());
        let text = text(with, || tell(&fields));
        let Strict(entries) = serde_json::from_str(&text).expect("one object, no key twice");
        prop_assert_eq!(entries.len(), 12 + fields.len());
        for ((name, value), (written, found)) in fields.iter().zip(&entries[12..]) {
            prop_assert_eq!(written.trim_end_matches('_'), name.trim_end_matches('_'));
            match value {
                Any::Text(value) => prop_assert_eq!(found, value),
                Any::Float(value) if value.is_finite() => {
                    // The reader, not the writer, is off by a little in the last place at times.
                    let found = found.as_f64().expect("a number");
                    prop_assert!((found - value).abs() <= (value.abs() * 4.0 * f64::EPSILON).max(f64::MIN_POSITIVE));
                }
                Any::Float(value) => prop_assert_eq!(found, &value.to_string()),
                Any::Int(value) => prop_assert_eq!(found.as_i64(), Some(*value)),
                Any::Uint(value) => prop_assert_eq!(found.as_u64(), Some(*value)),
                Any::Large(value) => prop_assert_eq!(found, &value.to_string()),
                Any::Bool(value) => prop_assert_eq!(found, value),
            }
        }
    }

    #[test]
    fn a_readable_line_is_one_line_that_commands_no_terminal(
        fields in proptest::collection::vec((names(), values()), 0..8)
    ) {
        let with = |sink| Lines::new("shop", sink).with_format(Format::Pretty);
        let text = text(with, || tell(&fields));
        for line in text.split_terminator('\n') {
            prop_assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
        }
    }
}
