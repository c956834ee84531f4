//! Telemetry about telemetry: `otel.sdk.*` and the sampler's decisions.
//!
//! Everything is read from the books when metrics are collected; nothing is counted twice.

use std::sync::Arc;

use campanile_logs::Sink;
use campanile_redaction::Redactor;
use campanile_semconv::metric::Metric;
use campanile_semconv::{attribute as a, metric as m};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::Signal;
use crate::pipeline::{Lane, Ledger, Loss};
use crate::sampling::Sampler;
use crate::transport::{Outlet, Protocol};

/// Declares the metrics of one lane: its number tells it from others of its kind.
pub(crate) fn observe(meter: &Meter, lane: &Arc<Lane>, outlet: &Outlet, number: u8) {
    let processor = component(processor_type(lane.signal), number);
    let mut exporter = component(exporter_type(lane.signal, outlet), number);
    if let Outlet::Otlp(destination) = outlet {
        let endpoint = &destination.endpoint;
        exporter.push(KeyValue::new(a::SERVER_ADDRESS, endpoint.host().to_owned()));
        exporter.push(KeyValue::new(a::SERVER_PORT, i64::from(endpoint.port())));
    }
    let (exported, inflight) = match lane.signal {
        Signal::Traces => (
            &m::OTEL_SDK_EXPORTER_SPAN_EXPORTED,
            &m::OTEL_SDK_EXPORTER_SPAN_INFLIGHT,
        ),
        Signal::Logs => (
            &m::OTEL_SDK_EXPORTER_LOG_EXPORTED,
            &m::OTEL_SDK_EXPORTER_LOG_INFLIGHT,
        ),
        Signal::Metrics => (
            &m::OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED,
            &m::OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT,
        ),
    };
    counter(meter, exported, lane, exporter.clone(), |ledger| {
        // What found no room never reached the exporter.
        let mut ends = vec![
            (None, ledger.delivered),
            (Some("rejected"), ledger.rejected),
        ];
        for loss in [Loss::Expired, Loss::Refused, Loss::TooLarge, Loss::Internal] {
            ends.push((Some(loss.as_str()), ledger.dropped[loss as usize]));
        }
        ends
    });
    level(meter, inflight, lane, exporter, |ledger| ledger.in_flight);
    let (processed, size, capacity) = match lane.signal {
        Signal::Traces => (
            &m::OTEL_SDK_PROCESSOR_SPAN_PROCESSED,
            &m::OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE,
            &m::OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY,
        ),
        Signal::Logs => (
            &m::OTEL_SDK_PROCESSOR_LOG_PROCESSED,
            &m::OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE,
            &m::OTEL_SDK_PROCESSOR_LOG_QUEUE_CAPACITY,
        ),
        // Metrics come from a reader: the conventions know no queue for them.
        Signal::Metrics => return,
    };
    counter(meter, processed, lane, processor.clone(), processed_items);
    level(meter, size, lane, processor.clone(), |ledger| ledger.queued);
    let items = lane.bounds.items;
    level(meter, capacity, lane, processor, move |_| items);
}

/// What the processor is done with, by `error.type`.
///
/// What is under way is not: an attempt that failed goes back to the queue, and a counter never
/// falls.
fn processed_items(ledger: &Ledger) -> Vec<(Option<&'static str>, u64)> {
    let turned_away = [Loss::QueueFull, Loss::Shutdown]
        .map(|loss| (Some(loss.as_str()), ledger.dropped[loss as usize]));
    let away: u64 = turned_away.iter().map(|(_, count)| count).sum();
    let handed_over = ledger.offered - ledger.held() - away;
    turned_away
        .into_iter()
        .chain([(None, handed_over)])
        .collect()
}

/// Declares how many log lines were lost.
pub(crate) fn observe_lines(meter: &Meter, lines: &Sink) {
    let lines = lines.clone();
    let metric = &m::CAMPANILE_LOG_DROPS;
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| observer.observe(lines.dropped(), &[]))
        .build();
}

/// Declares the metrics of the sampler.
pub(crate) fn observe_sampler(meter: &Meter, sampler: &Sampler) {
    let decisions = sampler.decisions().clone();
    let metric = &m::CAMPANILE_SAMPLING_DECISIONS;
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            for (reason, result, count) in decisions.all().filter(|(.., count)| *count > 0) {
                let attributes = [
                    KeyValue::new(a::CAMPANILE_SAMPLING_REASON, reason),
                    KeyValue::new(a::CAMPANILE_SAMPLING_RESULT, result),
                ];
                observer.observe(count, &attributes);
            }
        })
        .build();
    let ratio = sampler.ratio();
    let metric = &m::CAMPANILE_SAMPLING_PROBABILITY;
    meter
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| observer.observe(ratio, &[]))
        .build();
}

/// Declares the count of what was redacted.
pub(crate) fn observe_redactor(meter: &Meter, redactor: &Redactor) {
    let redactor = redactor.clone();
    let metric = &m::CAMPANILE_REDACTIONS;
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            for (kind, count) in redactor.counts().filter(|(_, count)| *count > 0) {
                let kind = KeyValue::new(a::CAMPANILE_REDACTION_KIND, kind.as_str());
                observer.observe(count, &[kind]);
            }
        })
        .build();
}

fn counter(
    meter: &Meter,
    metric: &'static Metric,
    lane: &Arc<Lane>,
    component: Vec<KeyValue>,
    read: impl Fn(&Ledger) -> Vec<(Option<&'static str>, u64)> + Send + Sync + 'static,
) {
    let lane = lane.clone();
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            for (error, count) in lane.books(|ledger| read(ledger)) {
                // A series begins with its first error, the good one at once.
                if error.is_some() && count == 0 {
                    continue;
                }
                let mut attributes = component.clone();
                attributes.extend(error.map(|error| KeyValue::new(a::ERROR_TYPE, error)));
                observer.observe(count, &attributes);
            }
        })
        .build();
}

fn level(
    meter: &Meter,
    metric: &'static Metric,
    lane: &Arc<Lane>,
    component: Vec<KeyValue>,
    read: impl Fn(&Ledger) -> u64 + Send + Sync + 'static,
) {
    let lane = lane.clone();
    meter
        .i64_observable_up_down_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            let value = lane.books(|ledger| read(ledger));
            observer.observe(i64::try_from(value).unwrap_or(i64::MAX), &component);
        })
        .build();
}

/// The first of a kind is number zero; audit records have number one of the logs' parts.
fn component(kind: &'static str, number: u8) -> Vec<KeyValue> {
    vec![
        KeyValue::new(a::OTEL_COMPONENT_TYPE, kind),
        KeyValue::new(a::OTEL_COMPONENT_NAME, format!("{kind}/{number}")),
    ]
}

fn processor_type(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "batching_span_processor",
        Signal::Logs => "batching_log_processor",
        Signal::Metrics => "periodic_metric_reader",
    }
}

fn exporter_type(signal: Signal, outlet: &Outlet) -> &'static str {
    let Outlet::Otlp(destination) = outlet else {
        return "console_exporter";
    };
    match (destination.protocol, signal) {
        (Protocol::Grpc, Signal::Traces) => "otlp_grpc_span_exporter",
        (Protocol::Grpc, Signal::Metrics) => "otlp_grpc_metric_exporter",
        (Protocol::Grpc, Signal::Logs) => "otlp_grpc_log_exporter",
        (Protocol::Http, Signal::Traces) => "otlp_http_span_exporter",
        (Protocol::Http, Signal::Metrics) => "otlp_http_metric_exporter",
        (Protocol::Http, Signal::Logs) => "otlp_http_log_exporter",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_failed_takes_nothing_off_a_counter() {
        let mut ledger = Ledger::default();
        ledger.admit(10, 0);
        ledger.launch(10);
        let under_way = processed_items(&ledger);
        ledger.take_back(10);
        assert_eq!(processed_items(&ledger), under_way);
        ledger.launch(10);
        ledger.deliver(10, 0, 0);
        assert!(processed_items(&ledger).contains(&(None, 10)));
    }
}
