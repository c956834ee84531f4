//! Limits of attributes, events and links.

use opentelemetry_sdk::trace::SpanLimits;

use super::variables::Variables;

/// What is cut before it leaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ValueLimits {
    /// Characters of a text value of a span.
    pub(crate) span_value_length: Option<usize>,
    /// Characters of a text value of a log record.
    pub(crate) log_value_length: Option<usize>,
    /// Attributes of a log record.
    pub(crate) log_attributes: Option<usize>,
}

/// The limits that the SDK enforces while a span is recorded.
pub(crate) fn span_limits(variables: &Variables<'_>) -> SpanLimits {
    let mut limits = SpanLimits::default();
    let count = |name, fallback| variables.number(name).unwrap_or(fallback);
    let general = count("OTEL_ATTRIBUTE_COUNT_LIMIT", limits.max_attributes_per_span);
    limits.max_attributes_per_span = count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", general);
    limits.max_events_per_span = count("OTEL_SPAN_EVENT_COUNT_LIMIT", limits.max_events_per_span);
    limits.max_links_per_span = count("OTEL_SPAN_LINK_COUNT_LIMIT", limits.max_links_per_span);
    limits.max_attributes_per_event = count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", general);
    limits.max_attributes_per_link = count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", general);
    limits
}

/// The limits that are enforced when a batch is encoded.
pub(crate) fn value_limits(variables: &Variables<'_>) -> ValueLimits {
    let general = variables.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT");
    let count = variables.number("OTEL_ATTRIBUTE_COUNT_LIMIT");
    let or = |name, fallback: Option<usize>| variables.number(name).or(fallback);
    ValueLimits {
        span_value_length: or("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", general),
        log_value_length: or("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", general),
        log_attributes: or("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", count).or(Some(128)),
    }
}
