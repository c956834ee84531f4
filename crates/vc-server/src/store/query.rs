//! One span around each query and one duration for it, named by what it does and not by its text.
//!
//! The names follow the database conventions: the summary is written by hand beside the query, so
//! it is of low cardinality and holds no value. A statement's text never leaves.

use std::future::Future;
use std::time::Instant;

use campanile::semconv::{attribute, metric, span, value};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use tracing::field::Empty;
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Span};

use super::error::{StoreError, class};
use crate::events::StoreFailed;

/// What a query does, in the words of the conventions.
pub(super) struct Query {
    /// `db.query.summary`: the operation and what it works on.
    pub(super) summary: &'static str,
    /// `db.operation.name`.
    pub(super) operation: &'static str,
    /// `db.collection.name`: the main table.
    pub(super) collection: &'static str,
}

/// How long queries take; nothing until a meter is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations(Option<Histogram<f64>>);

impl Durations {
    pub(super) fn of(meter: &Meter) -> Self {
        let metric = &metric::DB_CLIENT_OPERATION_DURATION;
        let histogram = meter
            .f64_histogram(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.brief)
            .with_boundaries(metric.buckets.to_vec());
        Self(Some(histogram.build()))
    }

    fn record(&self, query: &Query, began: Instant, error: Option<&'static str>) {
        let Some(histogram) = &self.0 else { return };
        let mut attributes = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, value::DB_SYSTEM_SQLITE),
            KeyValue::new(attribute::DB_QUERY_SUMMARY, query.summary),
            KeyValue::new(attribute::DB_OPERATION_NAME, query.operation),
            KeyValue::new(attribute::DB_COLLECTION_NAME, query.collection),
        ];
        attributes.extend(error.map(|class| KeyValue::new(attribute::ERROR_TYPE, class)));
        histogram.record(began.elapsed().as_secs_f64(), &attributes);
    }
}

impl Query {
    /// Runs `work`, which is this query, inside its span.
    pub(super) async fn run<T>(
        &self,
        durations: &Durations,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        let span = tracing::info_span!(
            "db.query",
            otel.name = self.summary,
            otel.kind = "client",
            otel.status_code = Empty,
            { attribute::DB_SYSTEM_NAME } = value::DB_SYSTEM_SQLITE,
            { attribute::DB_QUERY_SUMMARY } = self.summary,
            { attribute::DB_OPERATION_NAME } = self.operation,
            { attribute::DB_COLLECTION_NAME } = self.collection,
            { attribute::ERROR_TYPE } = Empty,
        );
        let began = Instant::now();
        let result = observed(&span, work).await;
        let error = result.as_ref().err().map(StoreError::class);
        span.in_scope(|| durations.record(self, began, error));
        result
    }
}

/// Waits for a connection inside a span of its own: waiting is not querying.
pub(super) async fn wait_for<T>(
    acquire: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    let span = tracing::info_span!(
        span::CHAT_POOL_ACQUIRE,
        otel.status_code = Empty,
        { attribute::DB_SYSTEM_NAME } = value::DB_SYSTEM_SQLITE,
        { attribute::ERROR_TYPE } = Empty,
    );
    observed(&span, acquire).await
}

async fn observed<T>(
    span: &Span,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    // The driver would hand the current span to its own thread, and keep it open until that thread
    // comes to let go of it: the span would end late. So inside it there is none.
    let result = work.with_subscriber(Dispatch::none()).await;
    if let Err(error) = &result {
        let class = class(error);
        span.record("otel.status_code", "ERROR");
        span.record(attribute::ERROR_TYPE, class);
        span.in_scope(|| {
            StoreFailed { class }.emit("the database did not do what was asked");
        });
    }
    Ok(result?)
}
