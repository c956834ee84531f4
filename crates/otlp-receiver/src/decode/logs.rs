//! Log records.

use std::sync::Arc;
use std::time::SystemTime;

use super::common::{attributes, resource, scope, span_id, text, trace_id, value};
use super::keys::Keys;
use super::{DecodeError, Decoded, Rejected};
use crate::model::LogRecord;
use crate::proto::logs as proto;
use crate::shared::Items;

pub(super) fn convert(request: proto::Request, keys: &mut Keys) -> Result<Decoded, DecodeError> {
    let mut logs = Vec::new();
    for (r, group) in request.resource_logs.into_iter().enumerate() {
        let resource = resource(group.resource, &group.schema_url, keys)?;
        for (s, group) in group.scope_logs.into_iter().enumerate() {
            let scope = scope(group.scope, &group.schema_url, keys)?;
            for (i, log) in group.log_records.into_iter().enumerate() {
                let path =
                    |field| format!("resourceLogs[{r}].scopeLogs[{s}].logRecords[{i}].{field}");
                logs.push(LogRecord {
                    seq: 0,
                    received: SystemTime::UNIX_EPOCH,
                    time_unix_nano: log.time_unix_nano,
                    observed_time_unix_nano: log.observed_time_unix_nano,
                    severity_number: log.severity_number,
                    severity_text: text(&log.severity_text)?,
                    event_name: text(&log.event_name)?,
                    body: value(log.body)?,
                    attributes: attributes(log.attributes, keys)?,
                    dropped_attributes_count: log.dropped_attributes_count,
                    flags: log.flags,
                    trace_id: trace_id(&log.trace_id, || path("traceId"))?,
                    span_id: span_id(&log.span_id, || path("spanId"))?,
                    resource: Arc::clone(&resource),
                    scope: Arc::clone(&scope),
                });
            }
        }
    }
    let items = Items::Logs(logs);
    Ok(Decoded {
        items,
        rejected: Rejected::default(),
    })
}
