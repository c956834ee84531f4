//! Takes secrets out of what is about to be encoded, on the export thread: whoever set it, by
//! whatever way, it passes here.
//!
//! Before values are cut, as half a secret does not look like one.

use campanile_redaction::Redactor;
use campanile_semconv::attribute;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

/// Whole numbers below this are no card's; they are looked at only when their name says so.
const SMALLEST_CARD: u64 = 1_000_000_000_000;

/// Redacts names, statuses and attributes of spans, their events and links.
pub(super) fn spans(resources: &mut [ResourceSpans], redactor: &Redactor) {
    if redactor.is_off() {
        return;
    }
    let scopes = resources
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        one_span(span, redactor);
    }
}

fn one_span(span: &mut Span, redactor: &Redactor) {
    text(&mut span.name, redactor);
    if let Some(status) = &mut span.status {
        text(&mut status.message, redactor);
    }
    attributes(&mut span.attributes, redactor);
    for event in &mut span.events {
        text(&mut event.name, redactor);
        attributes(&mut event.attributes, redactor);
    }
    for link in &mut span.links {
        attributes(&mut link.attributes, redactor);
    }
}

/// Redacts bodies and attributes of log records; in a domain with a list, other attributes go.
pub(super) fn logs(resources: &mut [ResourceLogs], redactor: &Redactor) {
    if redactor.is_off() {
        return;
    }
    let scopes = resources
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_logs);
    for record in scopes.flat_map(|scope| &mut scope.log_records) {
        keep_allowed(record, redactor);
        if let Some(body) = &mut record.body {
            any("", body, redactor);
        }
        attributes(&mut record.attributes, redactor);
    }
}

fn keep_allowed(record: &mut LogRecord, redactor: &Redactor) {
    let domain = record.attributes.iter().find_map(|attribute| {
        let is_domain = matches!(&*attribute.key, attribute::CAMPANILE_DOMAIN | "domain");
        let text = match attribute.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => text,
            _ => return None,
        };
        (is_domain && redactor.limits(text)).then(|| text.clone())
    });
    if let Some(domain) = domain {
        record
            .attributes
            .retain(|attribute| redactor.allows(Some(&domain), &attribute.key));
    }
}

fn text(text: &mut String, redactor: &Redactor) {
    if let std::borrow::Cow::Owned(clean) = redactor.text(text) {
        *text = clean;
    }
}

fn attributes(attributes: &mut [KeyValue], redactor: &Redactor) {
    for attribute in attributes {
        if let Some(value) = &mut attribute.value {
            any(&attribute.key, value, redactor);
        }
    }
}

fn any(key: &str, value: &mut AnyValue, redactor: &Redactor) {
    let replacement = match &mut value.value {
        Some(Value::StringValue(text)) => changed(redactor, key, text),
        Some(Value::IntValue(number)) => {
            let may_be_secret = number.unsigned_abs() >= SMALLEST_CARD || redactor.is_secret(key);
            match may_be_secret {
                true => changed(redactor, key, &number.to_string()),
                false => None,
            }
        }
        Some(Value::BytesValue(bytes)) => {
            let text = String::from_utf8_lossy(bytes);
            changed(redactor, key, &text)
        }
        Some(Value::ArrayValue(array)) => {
            for value in &mut array.values {
                any(key, value, redactor);
            }
            None
        }
        Some(Value::KvlistValue(list)) => {
            // a secret's name counts for everything below it
            for inner in &mut list.values {
                let Some(value) = &mut inner.value else {
                    continue;
                };
                let key = match redactor.is_secret(key) {
                    true => key,
                    false => inner.key.as_str(),
                };
                any(key, value, redactor);
            }
            None
        }
        // only the name can give these away
        Some(Value::DoubleValue(_) | Value::BoolValue(_)) if redactor.is_secret(key) => {
            changed(redactor, key, "0")
        }
        _ => None,
    };
    if let Some(text) = replacement {
        value.value = Some(Value::StringValue(text));
    }
}

/// The text that takes the value's place; none when it may stay.
fn changed(redactor: &Redactor, key: &str, value: &str) -> Option<String> {
    match redactor.field(key, value) {
        std::borrow::Cow::Owned(text) => Some(text),
        std::borrow::Cow::Borrowed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    fn redacted(key: &str, value: Value) -> Value {
        let mut value = AnyValue { value: Some(value) };
        any(key, &mut value, &Redactor::standard());
        value.value.expect("a value stays a value")
    }

    fn string(text: &str) -> Value {
        Value::StringValue(text.into())
    }

    fn holding(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn every_type_of_value_is_looked_at() {
        assert_eq!(
            redacted("note", string("Bearer abc123")),
            string("Bearer REDACTED")
        );
        assert_eq!(
            redacted("otp", Value::IntValue(123_456)),
            string("REDACTED")
        );
        for value in [Value::DoubleValue(123_456.0), Value::BoolValue(true)] {
            assert_eq!(redacted("otp", value.clone()), string("REDACTED"));
            assert_eq!(redacted("n", value.clone()), value);
        }
        assert_eq!(
            redacted("n", Value::IntValue(4_111_111_111_111_111)),
            string("REDACTED")
        );
        assert_eq!(redacted("n", Value::IntValue(7)), Value::IntValue(7));
        assert_eq!(
            redacted("blob", Value::BytesValue(b"password=hunter2".to_vec())),
            string("password=REDACTED")
        );
        let array = |texts: &[&str]| {
            let values = texts.iter().map(|text| holding(string(text))).collect();
            Value::ArrayValue(ArrayValue { values })
        };
        assert_eq!(
            redacted("http.request.header.cookie", array(&["a=b", "c"])),
            array(&["REDACTED", "REDACTED"])
        );
        let list = |key: &str, text: &str| {
            Value::KvlistValue(KeyValueList {
                values: vec![KeyValue {
                    key: key.into(),
                    value: Some(holding(string(text))),
                    ..KeyValue::default()
                }],
            })
        };
        assert_eq!(
            redacted("form", list("password", "x")),
            list("password", "REDACTED")
        );
        assert_eq!(redacted("secrets", list("a", "x")), list("a", "REDACTED"));
        assert_eq!(redacted("form", list("a", "x")), list("a", "x"));
    }
}
