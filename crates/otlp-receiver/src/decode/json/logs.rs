//! Log records.

use serde::Deserialize;

use super::common::{AnyValue, KeyValue, Resource, Scope};
use super::scalar::{Enum, Hex, Maybe, Num, Objects, Text};
use crate::proto::logs as proto;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceLogs {
    resource: Maybe<Resource>,
    scope_logs: Objects<ScopeLogs>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeLogs {
    scope: Maybe<Scope>,
    log_records: Objects<LogRecord>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LogRecord {
    time_unix_nano: Num<u64>,
    observed_time_unix_nano: Num<u64>,
    severity_number: Enum,
    severity_text: Text,
    body: Maybe<AnyValue>,
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
    flags: Num<u32>,
    trace_id: Hex,
    span_id: Hex,
    event_name: Text,
}

impl From<ResourceLogs> for proto::ResourceLogs {
    fn from(group: ResourceLogs) -> Self {
        Self {
            resource: group.resource.convert(),
            scope_logs: group.scope_logs.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<ScopeLogs> for proto::ScopeLogs {
    fn from(group: ScopeLogs) -> Self {
        Self {
            scope: group.scope.convert(),
            log_records: group.log_records.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<LogRecord> for proto::LogRecord {
    fn from(log: LogRecord) -> Self {
        Self {
            time_unix_nano: log.time_unix_nano.0,
            observed_time_unix_nano: log.observed_time_unix_nano.0,
            severity_number: log.severity_number.0,
            severity_text: log.severity_text.0.into(),
            body: log.body.convert(),
            attributes: log.attributes.convert(),
            dropped_attributes_count: log.dropped_attributes_count.0,
            flags: log.flags.0,
            trace_id: log.trace_id.0.into(),
            span_id: log.span_id.0.into(),
            event_name: log.event_name.0.into(),
        }
    }
}
