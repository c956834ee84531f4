#![allow(clippy::unwrap_used)]
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::*;
use crate::lean::proto::tag;

fn written(length: Option<usize>, attribute: KeyValue) -> Wire {
    let values = Values {
        redactor: Redactor::standard(),
        length,
    };
    let mut out = Vec::new();
    values.attribute(&mut out, tag::SPAN_ATTRIBUTE, &attribute);
    let mut span = Span::decode(&out[..]).unwrap();
    let written = span.attributes.remove(0);
    assert_eq!(written.key, attribute.key.as_str());
    written.value.unwrap().value.unwrap()
}

fn text(text: &str) -> Wire {
    Wire::StringValue(text.into())
}

#[test]
fn secrets_of_every_type_stay_here() {
    let note = |value: &'static str| KeyValue::new("note", value);
    assert_eq!(
        written(None, note("Bearer abc123")),
        text("Bearer REDACTED")
    );
    assert_eq!(written(None, note("all is well")), text("all is well"));
    assert_eq!(
        written(None, KeyValue::new("otp", 123_456)),
        text("REDACTED")
    );
    let redacted = || text("REDACTED");
    assert_eq!(written(None, KeyValue::new("otp", 123_456.0)), redacted());
    assert_eq!(written(None, KeyValue::new("otp", true)), redacted());
    assert_eq!(
        written(None, KeyValue::new("n", 0.5)),
        Wire::DoubleValue(0.5)
    );
    assert_eq!(
        written(None, KeyValue::new("n", true)),
        Wire::BoolValue(true)
    );
    for array in [
        Array::F64(vec![123_456.0]),
        Array::Bool(vec![true]),
        Array::I64(vec![123_456]),
    ] {
        let Wire::ArrayValue(array) = written(None, KeyValue::new("otp", Value::Array(array)))
        else {
            panic!("an array stays an array");
        };
        assert_eq!(array.values[0].value, Some(redacted()));
    }
    let card = KeyValue::new("n", 4_111_111_111_111_111_i64);
    assert_eq!(written(None, card), text("REDACTED"));
    assert_eq!(written(None, KeyValue::new("n", 7)), Wire::IntValue(7));
}

#[test]
fn texts_are_cut_between_characters_and_after_they_were_redacted() {
    let note = |value: &'static str| KeyValue::new("note", value);
    assert_eq!(written(Some(3), note("grün")), text("grü"));
    assert_eq!(written(Some(4), note("grün")), text("grün"));
    assert_eq!(written(Some(0), note("grün")), text(""));
    assert_eq!(written(Some(10), note("Bearer abc123")), text("Bearer RED"));
}
