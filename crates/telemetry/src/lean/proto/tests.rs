#![allow(clippy::unwrap_used)]
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;

use super::*;

/// What a span with these bytes says.
fn span(write: impl FnOnce(&mut Vec<u8>)) -> Span {
    let mut out = Vec::new();
    write(&mut out);
    let span = Span::decode(&out[..]).unwrap();
    // prost writes canonically, and fields in rising order, as we do
    assert_eq!(span.encode_to_vec(), out);
    span
}

fn holding(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn numbers_are_canonical() {
    for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX >> 1, u64::MAX] {
        let mut out = Vec::new();
        varint(&mut out, value);
        let mut expected = Vec::new();
        prost::encoding::encode_varint(value, &mut expected);
        assert_eq!(out, expected);
        assert_eq!(out.len(), varint_len(value));
    }
}

#[test]
fn a_message_of_any_length_has_a_canonical_length() {
    for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        let text = vec![b'x'; length];
        let mut out = vec![7];
        message(&mut out, 0x0a, |out| out.extend_from_slice(&text));
        let mut expected = vec![7];
        bytes(&mut expected, 0x0a, &text);
        assert!(out == expected, "{length}");
        assert_eq!(out.len(), 1 + field_len(length));
    }
}

#[test]
fn attributes_of_every_type_are_read_back() {
    let long = "x".repeat(300);
    let read = span(|out| {
        let tag = tag::SPAN_ATTRIBUTE;
        string_attribute(out, tag, b"text", "grün".as_bytes());
        string_attribute(out, tag, b"empty", b"");
        string_attribute(out, tag, long.as_bytes(), long.as_bytes());
        int_attribute(out, tag, b"int", -1);
        int_attribute(out, tag, b"zero", 0);
        bool_attribute(out, tag, b"bool", false);
        double_attribute(out, tag, b"double", -0.5);
        array_attribute(out, tag, b"array", |out| {
            element(out, |out| string_value(out, long.as_bytes()));
            element(out, |out| int_value(out, 7));
            element(out, |out| bool_value(out, true));
            element(out, |out| double_value(out, 1.5));
        });
        array_attribute(out, tag, b"none", |_| {});
    });
    let values = vec![
        holding(Value::StringValue(long.clone())),
        holding(Value::IntValue(7)),
        holding(Value::BoolValue(true)),
        holding(Value::DoubleValue(1.5)),
    ];
    let expected = [
        ("text", Value::StringValue("grün".into())),
        ("empty", Value::StringValue(String::new())),
        (&long, Value::StringValue(long.clone())),
        ("int", Value::IntValue(-1)),
        ("zero", Value::IntValue(0)),
        ("bool", Value::BoolValue(false)),
        ("double", Value::DoubleValue(-0.5)),
        ("array", Value::ArrayValue(ArrayValue { values })),
        ("none", Value::ArrayValue(ArrayValue::default())),
    ]
    .map(|(key, value)| KeyValue {
        key: key.into(),
        value: Some(holding(value)),
        ..KeyValue::default()
    });
    assert_eq!(read.attributes, expected);
}

#[test]
fn a_span_of_any_length_is_read_as_it_was_meant_and_a_root_has_no_parent() {
    let mut fixed = Fixed {
        trace_id: [1; 16],
        span_id: [2; 8],
        parent_id: [3; 8],
        kind: 2,
        start_ns: 4,
        end_ns: u64::MAX,
        flags: 0x301,
    };
    for parent in [vec![3; 8], vec![]] {
        for length in [
            1, 50, 61, 62, 63, 64, 127, 128, 16_300, 16_317, 16_318, 16_319, 50_000,
        ] {
            let text = "x".repeat(length);
            let mut name = Vec::new();
            bytes(&mut name, tag::SPAN_NAME, text.as_bytes());
            for state in ["", "congo=1"] {
                let mut out = Vec::new();
                super::span(&mut out, &fixed, state.as_bytes(), [&name, &[]]);
                let read = ScopeSpans::decode(&out[..]).unwrap();
                let expected = Span {
                    trace_id: vec![1; 16],
                    span_id: vec![2; 8],
                    trace_state: state.to_owned(),
                    parent_span_id: parent.clone(),
                    name: text.clone(),
                    kind: 2,
                    start_time_unix_nano: 4,
                    end_time_unix_nano: u64::MAX,
                    flags: 0x301,
                    ..Span::default()
                };
                assert_eq!(read.spans, [expected]);
                assert_eq!(read.encoded_len(), out.len());
            }
        }
        fixed.parent_id = [0; 8];
    }
}
