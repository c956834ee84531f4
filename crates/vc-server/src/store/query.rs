//! One span around each query, named by what it does and not by its text.
//!
//! The names follow the database conventions: the summary is written by hand beside the query, so
//! it is of low cardinality and holds no value. A statement's text never leaves.

use std::future::Future;

use campanile::semconv::{attribute, span, value};
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

impl Query {
    /// Runs `work`, which is this query, inside its span.
    pub(super) async fn run<T>(
        &self,
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
        observed(span, work).await
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
    observed(span, acquire).await
}

async fn observed<T>(
    span: Span,
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
