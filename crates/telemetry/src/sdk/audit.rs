//! Audit records as log records of OTLP, in a lane of their own.
//!
//! They do not pass the log bridge, so no filter sees them, and no other record takes their room.
//! One stays in the books of the lane until the collector has it, however long that takes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use campanile_logs::audit::{Record, Refusal, TARGET, Way};
use campanile_semconv::{SCHEMA_URL, attribute as a, event};
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};

use crate::pipeline::{Lane, Loss};

/// The way of audit records into OTLP.
#[derive(Debug)]
pub(crate) struct Audit {
    lane: Arc<Lane>,
    /// Makes records; nothing is emitted through it.
    logger: SdkLogger,
    scope: InstrumentationScope,
}

impl Audit {
    pub(crate) fn new(lane: Arc<Lane>, loggers: &SdkLoggerProvider) -> Self {
        let scope = InstrumentationScope::builder(TARGET)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        Self {
            lane,
            logger: loggers.logger_with_scope(scope.clone()),
            scope,
        }
    }

    fn log_record(&self, record: &Record) -> SdkLogRecord {
        let mut log = self.logger.create_log_record();
        log.set_event_name(event::CAMPANILE_AUDIT);
        log.set_timestamp(record.at());
        log.set_observed_timestamp(SystemTime::now());
        log.set_severity_number(Severity::Info);
        log.set_severity_text("INFO");
        log.set_body(AnyValue::from(record.message()));
        let span = record.span();
        if span.is_valid() {
            log.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
        }
        log.add_attribute(a::CAMPANILE_AUDIT_OUTCOME, record.outcome().as_str());
        if let Some(domain) = record.domain() {
            log.add_attribute(a::CAMPANILE_DOMAIN, domain);
        }
        if let Some(id) = record.request_id() {
            log.add_attribute(a::CAMPANILE_REQUEST_ID, id.to_owned());
        }
        for (key, value) in record.attributes() {
            log.add_attribute(key, value.to_owned());
        }
        log
    }
}

impl Way for Audit {
    fn name(&self) -> &'static str {
        "OTLP"
    }

    fn offer(&self, record: &Record) -> Result<(), Refusal> {
        self.lane
            .try_push_log(self.log_record(record), &self.scope)
            .map_err(|loss| match loss {
                Loss::Shutdown => Refusal::Ended,
                Loss::TooLarge => Refusal::TooLarge,
                _ => Refusal::Full,
            })
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.lane.room())
    }

    fn lose(&self, why: Refusal) {
        let loss = match why {
            Refusal::Ended => Loss::Shutdown,
            Refusal::TooLarge => Loss::TooLarge,
            _ => Loss::QueueFull,
        };
        self.lane.ledger(|ledger| ledger.turn_away(1, loss));
    }
}
