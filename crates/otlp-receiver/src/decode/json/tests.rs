#![allow(clippy::unwrap_used)]

use crate::decode::{Decoded, Keys, json};
use crate::model::{LogRecord, Number, PointValue, Signal, Span, Value};
use crate::shared::Items;
use crate::store::Sample;

fn spans(span: &str) -> Result<Vec<Span>, String> {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    match decode(Signal::Traces, &json)?.items {
        Items::Spans(spans) => Ok(spans),
        other => panic!("{other:?}"),
    }
}

fn samples(metric: &str) -> Result<Vec<Sample>, String> {
    let json = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#);
    match decode(Signal::Metrics, &json)?.items {
        Items::Samples(samples) => Ok(samples),
        other => panic!("{other:?}"),
    }
}

fn log(record: &str) -> Result<LogRecord, String> {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    match decode(Signal::Logs, &json)?.items {
        Items::Logs(mut logs) => Ok(logs.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn decode(signal: Signal, text: &str) -> Result<Decoded, String> {
    json(signal, text.as_bytes(), &mut Keys::default()).map_err(|error| error.to_string())
}

fn body(value: &str) -> Result<Value, String> {
    log(&format!(r#"{{"body":{value}}}"#)).map(|log| log.body)
}

const IDS: &str = r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174""#;

#[test]
fn ids_are_hex_of_either_case_and_times_are_text_or_numbers() {
    let span = format!(
        r#"{{{IDS},"parentSpanId":"","startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
           "flags":"257","kind":2,"status":{{"code":2,"message":"no"}},"unknown":{{"a":[1]}}}}"#
    );
    let span = spans(&span).unwrap().remove(0);
    assert_eq!(
        span.trace_id.to_string(),
        "5b8efff798038103d269b633813fc60c"
    );
    assert_eq!((span.parent_span_id, span.flags), (None, 257));
    assert_eq!(span.duration().as_secs(), 1);
    assert!(span.is_error());
}

#[test]
fn values_come_in_every_shape_of_the_mapping() {
    let table = [
        (
            r#"{"intValue":"9223372036854775807"}"#,
            Value::Int(i64::MAX),
        ),
        (r#"{"intValue":5.0}"#, Value::Int(5)),
        (r#"{"intValue":-3}"#, Value::Int(-3)),
        (r#"{"doubleValue":"NaN"}"#, Value::Double(f64::NAN)),
        (
            r#"{"doubleValue":"-Infinity"}"#,
            Value::Double(f64::NEG_INFINITY),
        ),
        (r#"{"doubleValue":1}"#, Value::Double(1.0)),
        (r#"{"bytesValue":"-_8"}"#, Value::Bytes(vec![0xfb, 0xff])),
        (r#"{"arrayValue":{}}"#, Value::Array(Vec::new())),
        (
            r#"{"arrayValue":{"values":[{"boolValue":true},null,{}]}}"#,
            Value::Array(vec![Value::Bool(true), Value::Empty, Value::Empty]),
        ),
        (r#"{"kvlistValue":{}}"#, Value::Map(Vec::new())),
        (
            r#"{"kvlistValue":{"values":[{"key":"a"}]}}"#,
            Value::Map(vec![("a".to_owned(), Value::Empty)]),
        ),
        (r#"{"stringValue":null,"intValue":"7"}"#, Value::Int(7)),
        (r#"{"futureValue":1}"#, Value::Empty),
        ("null", Value::Empty),
    ];
    for (json, expected) in table {
        assert_eq!(body(json), Ok(expected), "{json}");
    }
}

#[test]
fn null_means_absent_everywhere() {
    let span = format!(
        r#"{{{IDS},"attributes":null,"events":null,"name":null,"kind":null,"status":null}}"#
    );
    assert_eq!(spans(&span).unwrap().len(), 1);
    assert!(decode(Signal::Traces, r#"{"resourceSpans":null}"#).is_ok());
    assert!(decode(Signal::Traces, "{}").is_ok());
    assert_eq!(
        log(r#"{"traceId":null,"spanId":""}"#).unwrap().trace_id,
        None
    );
}

#[test]
fn numbers_of_points_survive_as_text_and_as_not_a_number() {
    let points = |point: &str| {
        samples(&format!(
            r#"{{"name":"a","gauge":{{"dataPoints":[{point}]}}}}"#
        ))
    };
    let value = |point| points(point).map(|points| points[0].point.value.clone());
    let number = |number| Ok(PointValue::Number(Some(number)));
    assert_eq!(value(r#"{"asInt":"12"}"#), number(Number::Int(12)));
    assert_eq!(
        value(r#"{"asDouble":"Infinity"}"#),
        number(Number::Double(f64::INFINITY))
    );
    assert_eq!(value(r#"{"asDouble":2}"#), number(Number::Double(2.0)));
}

#[test]
fn exponential_histograms_summaries_and_exemplars_are_read() {
    let samples = samples(
        r#"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","scale":-1,
           "positive":{"offset":-2,"bucketCounts":["1",2]},"exemplars":[{"asDouble":0.5,"timeUnixNano":"9",
           "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}}"#,
    );
    let point = samples.unwrap().remove(0).point;
    let PointValue::ExponentialHistogram(histogram) = point.value else {
        panic!("{:?}", point.value);
    };
    assert_eq!((histogram.scale, histogram.positive.offset), (-1, -2));
    assert_eq!(histogram.positive.counts, [1, 2]);
    assert_eq!(point.exemplars[0].value, Some(Number::Double(0.5)));
    assert!(point.exemplars[0].trace_id.is_some());
}

#[test]
fn what_otlp_forbids_is_refused_and_its_path_named() {
    let table = [
        (
            spans(&format!(r#"{{{IDS},"kind":"SPAN_KIND_SERVER"}}"#)).map(drop),
            "resourceSpans[0].scopeSpans[0].spans[0].kind",
        ),
        (
            spans(r#"{"traceId":"abcd","spanId":"eee19b7ec3c1b174"}"#).map(drop),
            "spans[0].traceId: expected 16 bytes, got 2",
        ),
        (
            spans(r#"{"traceId":"W47/95gDgQPSabYzgT/GDA=="}"#).map(drop),
            "spans[0].traceId",
        ),
        (
            spans(&format!(r#"{{{IDS},"attributes":[{{"key":1}}]}}"#)).map(drop),
            "attributes[0].key",
        ),
        (
            samples(r#"{"name":"a","sum":{"aggregationTemporality":"CUMULATIVE"}}"#).map(drop),
            "sum.aggregationTemporality",
        ),
        (
            samples(r#"{"name":"a","gauge":{"dataPoints":[{"asInt":"1.5"}]}}"#).map(drop),
            "dataPoints[0].asInt",
        ),
        (
            log(r#"{"timeUnixNano":"-1"}"#).map(drop),
            "logRecords[0].timeUnixNano",
        ),
        (
            log(r#"{"timeUnixNano":1e300}"#).map(drop),
            "logRecords[0].timeUnixNano",
        ),
        (body(r#"{"bytesValue":"?"}"#).map(drop), "bytesValue"),
        (decode(Signal::Logs, "{} x").map(drop), "after its end"),
        (decode(Signal::Logs, "").map(drop), "malformed JSON"),
        (decode(Signal::Logs, "[]").map(drop), "malformed JSON"),
        (
            decode(Signal::Logs, "{\"resourceLogs\":[").map(drop),
            "malformed JSON",
        ),
    ];
    for (result, expected) in table {
        let error = result.expect_err(expected);
        assert!(error.contains(expected), "{error} does not name {expected}");
    }
}

#[test]
fn deep_nesting_is_refused_rather_than_followed() {
    let value = r#"{"arrayValue":{"values":["#.repeat(5000);
    assert!(body(&value).is_err());
}
