#![allow(clippy::unwrap_used)]

use super::*;
use crate::decode::{self, Keys};
use crate::model::Signal;
use crate::seen::tests::seen;

const REGISTRY: &str = r#"
groups:
  - id: registry.shop
    type: attribute_group
    brief: What a shop has.
    attributes:
      - id: shop.name
        type: string
        brief: Its name.
        stability: stable
        examples: ["corner"]
      - id: shop.size
        type: int
        brief: Its size.
        stability: stable
      - id: shop.tags
        type: string[]
        brief: Tags.
        stability: stable
      - id: shop.mood
        type:
          allow_custom_values: false
          members:
            - id: good
              value: good
              brief: Good.
              stability: stable
            - id: bad
              value: bad
              stability: stable
        brief: Its mood.
        stability: stable
      - id: shop.door
        type:
          members:
            - {id: front, value: "front", brief: "", stability: stable}
        brief: Which door.
        stability: stable
      - id: shop.header
        type: template[string[]]
        brief: Any header.
        stability: stable
      - id: shop.old
        type: string
        deprecated:
          reason: renamed
          renamed_to: shop.name
        brief: Old.
        stability: stable
  - id: shop.common
    type: attribute_group
    brief: Common.
    attributes:
      - ref: shop.name
        requirement_level: required
  - id: metric.shop.orders
    type: metric
    metric_name: shop.orders
    extends: shop.common
    brief: Orders.
    instrument: counter
    unit: "{order}"
    stability: stable
    attributes:
      - ref: shop.size
        requirement_level:
          conditionally_required: when known
  - id: event.shop.closed
    type: event
    name: shop.closed
    brief: Closed.
    stability: stable
    attributes:
      - ref: shop.name
        requirement_level: required
"#;

/// Says which rules the JSON of one item breaks, against the registry.
fn broken(contract: &Contract, signal: Signal, item: &str) -> Vec<Rule> {
    let [resources, scopes, items] = match signal {
        Signal::Traces => ["resourceSpans", "scopeSpans", "spans"],
        Signal::Metrics => ["resourceMetrics", "scopeMetrics", "metrics"],
        Signal::Logs => ["resourceLogs", "scopeLogs", "logRecords"],
    };
    let json = format!(r#"{{"{resources}":[{{"{scopes}":[{{"{items}":[{item}]}}]}}]}}"#);
    let decoded = decode::json(signal, json.as_bytes(), &mut Keys::default());
    let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decoded.rejected.count, 0, "{:?}", decoded.rejected);
    let violations = contract.check(&seen(vec![decoded.items]));
    violations.into_iter().map(|found| found.rule).collect()
}

/// Writes attributes in OTLP's JSON: numbers become integers.
fn attributes(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| {
        let kind = if value.parse::<i64>().is_ok() {
            "intValue"
        } else {
            "stringValue"
        };
        format!(r#"{{"key":"{key}","value":{{"{kind}":"{value}"}}}}"#)
    });
    format!("[{}]", pairs.collect::<Vec<_>>().join(","))
}

fn span(kind: u8, name: &str, status: u8, pairs: &[(&str, &str)]) -> String {
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let attributes = attributes(pairs);
    format!(
        r#"{{{ids},"name":"{name}","kind":{kind},"status":{{"code":{status}}},"attributes":{attributes}}}"#
    )
}

fn registry() -> Contract {
    Contract::new(Registry::from_yaml(REGISTRY).unwrap()).without(Rule::Resource)
}

fn conventions() -> Contract {
    Contract::conventions().without(Rule::Resource)
}

#[test]
fn attributes_are_held_against_their_declaration() {
    use Rule::*;
    let table: [(&str, &[Rule]); 11] = [
        (
            r#"{"key":"shop.name","value":{"stringValue":"corner"}}"#,
            &[],
        ),
        (
            r#"{"key":"shop.nmae","value":{"stringValue":"corner"}}"#,
            &[UndeclaredAttribute],
        ),
        (
            r#"{"key":"shop.name","value":{"intValue":"1"}}"#,
            &[AttributeType],
        ),
        (
            r#"{"key":"shop.size","value":{"stringValue":"1"}}"#,
            &[AttributeType],
        ),
        (
            r#"{"key":"shop.tags","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}}"#,
            &[],
        ),
        (
            r#"{"key":"shop.tags","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}"#,
            &[AttributeType],
        ),
        (r#"{"key":"shop.mood","value":{"stringValue":"good"}}"#, &[]),
        (
            r#"{"key":"shop.mood","value":{"stringValue":"grim"}}"#,
            &[AttributeValue],
        ),
        (r#"{"key":"shop.door","value":{"stringValue":"back"}}"#, &[]),
        (
            r#"{"key":"shop.header.accept","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}}"#,
            &[],
        ),
        (
            r#"{"key":"shop.old","value":{"stringValue":"a"}}"#,
            &[Deprecated],
        ),
    ];
    for (attribute, expected) in table {
        let log = format!(r#"{{"attributes":[{attribute}]}}"#);
        assert_eq!(
            broken(&registry(), Signal::Logs, &log),
            expected,
            "{attribute}"
        );
    }
    let log = r#"{"attributes":[{"key":"lib.x","value":{"intValue":"1"}}]}"#;
    assert_eq!(broken(&registry().allowing("lib.*"), Signal::Logs, log), []);
}

#[test]
fn metrics_are_held_against_their_declaration() {
    use Rule::*;
    let sum = |name: &str, unit: &str, monotonic: bool, pairs: &[(&str, &str)]| {
        let attributes = attributes(pairs);
        format!(
            r#"{{"name":"{name}","unit":"{unit}","sum":{{"aggregationTemporality":2,"isMonotonic":{monotonic},
               "dataPoints":[{{"asInt":"1","attributes":{attributes}}}]}}}}"#
        )
    };
    let named = [("shop.name", "corner")];
    let table: [(String, &[Rule]); 6] = [
        (sum("shop.orders", "{order}", true, &named), &[]),
        (
            sum("shop.order", "{order}", true, &named),
            &[UndeclaredMetric],
        ),
        (
            sum("shop.orders", "{order}", false, &named),
            &[MetricInstrument],
        ),
        (sum("shop.orders", "1", true, &named), &[MetricUnit]),
        (
            sum("shop.orders", "{order}", true, &[("shop.size", "3")]),
            &[MetricRequires],
        ),
        (
            sum(
                "shop.orders",
                "{order}",
                true,
                &[named[0], ("shop.mood", "bad")],
            ),
            &[MetricAllows],
        ),
    ];
    for (metric, expected) in table {
        assert_eq!(
            broken(&registry(), Signal::Metrics, &metric),
            expected,
            "{metric}"
        );
    }
}

#[test]
fn events_are_held_against_their_declaration() {
    let name = attributes(&[("shop.name", "corner")]);
    let closed = format!(r#"{{"eventName":"shop.closed","attributes":{name}}}"#);
    assert_eq!(broken(&registry(), Signal::Logs, &closed), []);
    let lacks = r#"{"eventName":"shop.closed"}"#;
    assert_eq!(
        broken(&registry(), Signal::Logs, lacks),
        [Rule::EventRequires]
    );
    let unknown = r#"{"eventName":"shop.burnt"}"#;
    assert_eq!(
        broken(&registry(), Signal::Logs, unknown),
        [Rule::UndeclaredEvent]
    );
}

#[test]
fn http_spans_follow_the_conventions() {
    use Rule::*;
    let server = [
        ("http.request.method", "GET"),
        ("url.path", "/orders/7"),
        ("url.scheme", "http"),
        ("http.route", "/orders/{id}"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&server[..], more].concat();
    let name = "GET /orders/{id}";
    let failed = with(&[("http.response.status_code", "500"), ("error.type", "500")]);
    let table: [(String, &[Rule]); 14] = [
        (span(2, name, 0, &server), &[]),
        (span(2, name, 2, &failed), &[]),
        (
            span(2, name, 0, &with(&[("http.response.status_code", "404")])),
            &[],
        ),
        (
            span(
                2,
                name,
                2,
                &with(&[
                    ("http.response.status_code", "201"),
                    ("error.type", "client_gone"),
                ]),
            ),
            &[],
        ),
        (span(1, name, 0, &server), &[HttpSpanKind]),
        (span(2, "GET", 0, &server[..2]), &[HttpSpanRequires]),
        (span(2, "GET /orders/7", 0, &server), &[HttpSpanName]),
        (span(2, "GET /orders/7", 0, &server[..3]), &[HttpSpanName]),
        (
            span(2, name, 0, &with(&[("http.response.status_code", "500")])),
            &[HttpSpanStatus],
        ),
        (
            span(2, name, 2, &with(&[("http.response.status_code", "500")])),
            &[ErrorType],
        ),
        (
            span(
                2,
                name,
                2,
                &with(&[("http.response.status_code", "404"), ("error.type", "404")]),
            ),
            &[HttpSpanStatus],
        ),
        (
            span(2, name, 0, &with(&[("error.type", "timeout")])),
            &[ErrorType],
        ),
        (span(2, name, 1, &server), &[SpanStatus]),
        (
            span(
                3,
                "GET",
                0,
                &[
                    ("http.request.method", "GET"),
                    ("server.address", "a"),
                    ("server.port", "80"),
                    ("url.full", "http://a/"),
                    ("http.response.status_code", "404"),
                ],
            ),
            &[HttpSpanStatus],
        ),
    ];
    for (span, expected) in table {
        assert_eq!(
            broken(&conventions(), Signal::Traces, &span),
            expected,
            "{span}"
        );
    }
}

#[test]
fn names_forms_and_databases_follow_the_conventions() {
    use Rule::*;
    let table: [(String, &[Rule]); 9] = [
        (
            span(3, "SELECT", 0, &[("db.system.name", "postgresql")]),
            &[],
        ),
        (span(1, "SELECT", 0, &[("db.system.name", "sqlite")]), &[]),
        (
            span(1, "SELECT", 0, &[("db.system.name", "postgresql")]),
            &[DatabaseSpan],
        ),
        (
            span(3, "SELECT", 0, &[("db.query.text", "SELECT ?")]),
            &[DatabaseSpan],
        ),
        (span(1, "a", 0, &[("http.status_code", "200")]), &[OldName]),
        (span(1, "a", 0, &[("camelCase", "x")]), &[NameFormat]),
        (span(1, "a", 0, &[("http.request.header.x-b3", "x")]), &[]),
        (
            span(1, "a", 0, &[("server.address", "host:80")]),
            &[AttributeForm],
        ),
        (
            span(1, "a", 0, &[("network.protocol.version", "HTTP/1.1")]),
            &[AttributeForm],
        ),
    ];
    for (span, expected) in table {
        assert_eq!(
            broken(&conventions(), Signal::Traces, &span),
            expected,
            "{span}"
        );
    }
}

#[test]
fn metrics_follow_the_conventions() {
    use Rule::*;
    let histogram = |name: &str, unit: &str, bounds: &str, pairs: &[(&str, &str)]| {
        let counts = vec!["0"; bounds.split(',').count() + 1].join(",");
        let attributes = attributes(pairs);
        format!(
            r#"{{"name":"{name}","unit":"{unit}","histogram":{{"aggregationTemporality":2,"dataPoints":[
               {{"explicitBounds":[{bounds}],"bucketCounts":[{counts}],"attributes":{attributes}}}]}}}}"#
        )
    };
    let sdk = "0,5,10,25,50,75,100,250,500,750,1000,2500,5000,7500,10000";
    let http = "0.005,0.01,0.025,0.05,0.075,0.1,0.25,0.5,0.75,1,2.5,5,7.5,10";
    let duration = "http.server.request.duration";
    let failed = ("http.response.status_code", "503");
    let table: [(String, &[Rule]); 7] = [
        (histogram(duration, "s", http, &[]), &[]),
        (histogram(duration, "s", sdk, &[]), &[Buckets]),
        (histogram(duration, "s", "1,2", &[]), &[Buckets]),
        (histogram("shop.wait", "ms", "1,2", &[]), &[MetricName]),
        (
            histogram("shop.wait_seconds", "s", "1,2", &[]),
            &[MetricName],
        ),
        (histogram(duration, "s", http, &[failed]), &[ErrorType]),
        (
            histogram(duration, "s", http, &[failed, ("error.type", "503")]),
            &[],
        ),
    ];
    for (metric, expected) in table {
        assert_eq!(
            broken(&conventions(), Signal::Metrics, &metric),
            expected,
            "{metric}"
        );
    }
}

#[test]
fn resources_say_who_they_are() {
    let contract = Contract::conventions();
    let rules = broken(&contract, Signal::Traces, &span(1, "a", 0, &[]));
    assert_eq!(rules, [Rule::Resource; 3]);
}

#[test]
fn every_rule_can_be_switched_off_and_repetitions_are_counted() {
    let wrong = span(1, "a", 0, &[("camelCase", "x")]);
    assert_eq!(
        broken(
            &conventions().without(Rule::NameFormat),
            Signal::Traces,
            &wrong
        ),
        []
    );
    assert_eq!(
        broken(
            &conventions().only(&[Rule::OldName]),
            Signal::Traces,
            &wrong
        ),
        []
    );
    let twice = format!("{wrong},{wrong}");
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{twice}]}}]}}]}}"#);
    let decoded = decode::json(Signal::Traces, json.as_bytes(), &mut Keys::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let violations = conventions().check(&seen(vec![decoded.items]));
    let text =
        r#"NameFormat: span "a": attribute "camelCase" is not of lower-case words (2 times)"#;
    assert_eq!(violations[0].to_string(), text);
}

#[test]
fn a_registry_that_is_none_is_an_error_that_names_the_file() {
    let error = Registry::from_yaml("groups: 7").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("invalid registry the given text"),
        "{error}"
    );
    let error = Registry::from_dir("no/such/folder").unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[test]
fn a_manifest_brings_the_folders_it_depends_on() {
    let folder = std::env::temp_dir().join(format!("registry-{}", std::process::id()));
    let (own, other) = (folder.join("own"), folder.join("other"));
    std::fs::create_dir_all(&own).unwrap();
    std::fs::create_dir_all(&other).unwrap();
    let manifest = "name: own\ndependencies:\n  - name: other\n    registry_path: ../other\n";
    std::fs::write(own.join("registry_manifest.yaml"), manifest).unwrap();
    std::fs::write(own.join("own.yaml"), "groups: []").unwrap();
    std::fs::write(other.join("shop.yml"), REGISTRY).unwrap();
    let registry = Registry::from_dir(&own).unwrap();
    assert_eq!(registry.len(), (7, 1, 1));
    std::fs::remove_dir_all(folder).unwrap();
}
