use super::*;
use crate::decode::{self, Keys};
use crate::model::Signal;
use crate::shared::{Items, Shared};
use crate::stats::Transport;

const COUNTER: MetricKind = MetricKind::Sum {
    temporality: Temporality::Cumulative,
    monotonic: true,
};
const UP_DOWN: MetricKind = MetricKind::Sum {
    temporality: Temporality::Cumulative,
    monotonic: false,
};
const HISTOGRAM: MetricKind = MetricKind::Histogram {
    temporality: Temporality::Cumulative,
};

#[test]
fn metric_names_are_those_of_the_translation() {
    let table = [
        (
            "http.server.request.duration",
            "s",
            HISTOGRAM,
            "http_server_request_duration_seconds",
        ),
        (
            "http.server.active_requests",
            "{request}",
            UP_DOWN,
            "http_server_active_requests",
        ),
        ("x.messages", "{message}", COUNTER, "x_messages_total"),
        ("x.size", "By", HISTOGRAM, "x_size_bytes"),
        (
            "x.utilization",
            "1",
            MetricKind::Gauge,
            "x_utilization_ratio",
        ),
        ("x.utilization", "1", UP_DOWN, "x_utilization"),
        (
            "x.rate",
            "By/s",
            MetricKind::Gauge,
            "x_rate_bytes_per_second",
        ),
        (
            "x.rate",
            "{message}/s",
            MetricKind::Gauge,
            "x_rate_per_second",
        ),
        (
            "process.cpu.time",
            "s",
            COUNTER,
            "process_cpu_time_seconds_total",
        ),
        ("x.total.bytes", "By", COUNTER, "x_bytes_total"),
        ("wait_seconds", "s", HISTOGRAM, "wait_seconds"),
        ("a..b--c", "", MetricKind::Gauge, "a_b_c"),
        ("2xx", "", MetricKind::Gauge, "_2xx"),
        ("odd", "furlong", MetricKind::Gauge, "odd_furlong"),
    ];
    for (name, unit, kind, expected) in table {
        assert_eq!(metric_name(name, unit, kind), expected, "{name} {unit}");
    }
}

#[test]
fn label_names_are_those_of_the_translation() {
    let table = [
        ("http.route", "http_route"),
        ("a..b", "a__b"),
        ("1st", "key_1st"),
        ("_hidden", "key_hidden"),
        ("__name", "__name"),
    ];
    for (key, expected) in table {
        assert_eq!(label_name(key), expected);
    }
}

#[cfg(feature = "json")]
#[test]
fn every_kind_is_written_and_delta_is_left_out() {
    let json = r#"{"resourceMetrics":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"shop"}},
        {"key":"service.instance.id","value":{"stringValue":"i-1"}},
        {"key":"host.name","value":{"stringValue":"h\"1"}}]},
      "scopeMetrics":[{"scope":{"name":"lib"},"metrics":[
        {"name":"orders","unit":"{order}","description":"Orders.\nAll.","sum":{"aggregationTemporality":2,"isMonotonic":true,
          "dataPoints":[{"asInt":"3","attributes":[{"key":"a.b","value":{"stringValue":"x"}},{"key":"a_b","value":{"stringValue":"y"}}]}]}},
        {"name":"wait","unit":"s","histogram":{"aggregationTemporality":2,
          "dataPoints":[{"count":"4","sum":2.5,"explicitBounds":[0.25,1],"bucketCounts":["1","2","1"]}]}},
        {"name":"exp","exponentialHistogram":{"aggregationTemporality":2,
          "dataPoints":[{"count":"6","sum":1,"scale":0,"zeroCount":"1","positive":{"offset":0,"bucketCounts":["2","1"]},
            "negative":{"offset":0,"bucketCounts":["2"]}}]}},
        {"name":"quant","summary":{"dataPoints":[{"count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1.5}]}]}},
        {"name":"temp","gauge":{"dataPoints":[{"asDouble":"NaN"}]}},
        {"name":"gone","gauge":{"dataPoints":[{"flags":1}]}},
        {"name":"steps","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asInt":"3"}]}}
      ]}]}]}"#;
    let shared = Shared::new(1 << 20, 10);
    let items: Items = match decode::json(Signal::Metrics, json.as_bytes(), &mut Keys::default()) {
        Ok(decoded) => decoded.items,
        Err(error) => panic!("{error}"),
    };
    shared.accept(Transport::HttpJson, items);
    let text = exposition(&shared.store().metrics_since(0));
    let target = r#"job="shop",instance="i-1",otel_scope_name="lib""#;
    let expected = format!(
        r#"# TYPE exp histogram
exp_bucket{{{target},le="-1"}} 2
exp_bucket{{{target},le="0"}} 3
exp_bucket{{{target},le="2"}} 5
exp_bucket{{{target},le="4"}} 6
exp_bucket{{{target},le="+Inf"}} 6
exp_sum{{{target}}} 1
exp_count{{{target}}} 6
# HELP orders_total Orders.\nAll.
# TYPE orders_total counter
orders_total{{{target},a_b="x;y"}} 3
# TYPE quant summary
quant{{{target},quantile="0.5"}} 1.5
quant_sum{{{target}}} 3
quant_count{{{target}}} 2
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{{job="shop",instance="i-1",host_name="h\"1"}} 1
# TYPE temp gauge
temp{{{target}}} NaN
# TYPE wait_seconds histogram
wait_seconds_bucket{{{target},le="0.25"}} 1
wait_seconds_bucket{{{target},le="1"}} 3
wait_seconds_bucket{{{target},le="+Inf"}} 4
wait_seconds_sum{{{target}}} 2.5
wait_seconds_count{{{target}}} 4
# left out: steps_total: delta temporality
"#
    )
    .replace("h\"1", "h\\\"1");
    assert_eq!(text, expected);
}

#[cfg(feature = "json")]
#[test]
fn names_that_no_scraper_would_take_do_not_spoil_the_rest() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"...","gauge":{"dataPoints":[{"asInt":"1"}]}},
        {"name":"wait","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1","sum":1,
          "attributes":[{"key":"le","value":{"stringValue":"x"}},{"key":"","value":{"stringValue":"y"}},
            {"key":"__name__","value":{"stringValue":"z"}},{"key":"ok","value":{"stringValue":"1"}}]}]}}
      ]}]}]}"#;
    let shared = Shared::new(1 << 20, 10);
    let items: Items = match decode::json(Signal::Metrics, json.as_bytes(), &mut Keys::default()) {
        Ok(decoded) => decoded.items,
        Err(error) => panic!("{error}"),
    };
    shared.accept(Transport::HttpJson, items);
    let expected = r#"# TYPE wait histogram
wait_bucket{ok="1",le="+Inf"} 1
wait_sum{ok="1"} 1
wait_count{ok="1"} 1
# left out: a metric without a name
"#;
    // An attribute called as a bucket's bound is one on the other lines only.
    let expected = expected.replace(r#"{ok="1"}"#, r#"{le="x",ok="1"}"#);
    assert_eq!(exposition(&shared.store().metrics_since(0)), expected);
}
