//! The rules by name.

/// What a contract checks, one rule each.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Rule {
    /// Registry: an attribute's key is declared.
    UndeclaredAttribute,
    /// Registry: an attribute has the declared type.
    AttributeType,
    /// Registry: the value of an attribute that is one of a closed set (`allow_custom_values: false`) is in it.
    AttributeValue,
    /// Registry: a name is not marked as deprecated.
    Deprecated,
    /// Registry: a metric's name is declared.
    UndeclaredMetric,
    /// Registry: a metric has the declared instrument.
    MetricInstrument,
    /// Registry: a metric has the declared unit.
    MetricUnit,
    /// Registry: a metric's points have the attributes that it requires.
    MetricRequires,
    /// Registry: a metric's points have only attributes that it declares.
    MetricAllows,
    /// Registry: an event's name is declared, be it of a log record or of a span.
    UndeclaredEvent,
    /// Registry: an event has the attributes that it requires.
    EventRequires,
    /// A span with `http.request.method` is of kind server or client.
    HttpSpanKind,
    /// An HTTP span has the attributes that its kind requires.
    HttpSpanRequires,
    /// An HTTP span's name is the method, then a template if there is one; never a raw path.
    HttpSpanName,
    /// An HTTP span's status follows its status code: Error from 500 on, for clients from 400 on, else unset.
    HttpSpanStatus,
    /// `error.type` is there on a failure and on nothing else, on spans and on duration metrics.
    ErrorType,
    /// Nothing that an instrumentation made has status Ok, nor a description that repeats the status code.
    SpanStatus,
    /// A database span is of kind client (internal for one in memory) and names its system.
    DatabaseSpan,
    /// Exceptions are log records, not span events.
    ExceptionEvent,
    /// A histogram in seconds does not have the buckets of milliseconds, and a standard one has its standard buckets.
    Buckets,
    /// A metric's name has no unit, no `_total`, and its unit is a base unit.
    MetricName,
    /// No name of older conventions is used.
    OldName,
    /// A name is of lower-case words, joined by `.` and `_`.
    NameFormat,
    /// A resource says `service.name` and which SDK made its telemetry.
    Resource,
    /// `server.address` has no port in it, a route no query, a status code is an integer, a version of HTTP is `1.1`
    /// or `2`, not `HTTP/1.1`.
    AttributeForm,
}

impl Rule {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::UndeclaredAttribute,
        Self::AttributeType,
        Self::AttributeValue,
        Self::Deprecated,
        Self::UndeclaredMetric,
        Self::MetricInstrument,
        Self::MetricUnit,
        Self::MetricRequires,
        Self::MetricAllows,
        Self::UndeclaredEvent,
        Self::EventRequires,
        Self::HttpSpanKind,
        Self::HttpSpanRequires,
        Self::HttpSpanName,
        Self::HttpSpanStatus,
        Self::ErrorType,
        Self::SpanStatus,
        Self::DatabaseSpan,
        Self::ExceptionEvent,
        Self::Buckets,
        Self::MetricName,
        Self::OldName,
        Self::NameFormat,
        Self::Resource,
        Self::AttributeForm,
    ];
}
