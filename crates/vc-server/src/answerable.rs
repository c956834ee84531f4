//! Who has to answer for what: the audit trail of this server.

use campanile::Telemetry;
use campanile::audit::{Actor, Entry};

use crate::events::AuditLost;

/// Makes audit records, and stands in for people's names.
#[derive(Clone, Debug)]
pub(crate) struct Answerable(Telemetry);

impl Answerable {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        Self(telemetry.clone())
    }

    /// The name of a person, as it may stand in a record.
    pub(crate) fn person(&self, name: &str) -> Actor {
        Actor::pseudonym(self.0.pseudonyms(), name)
    }

    /// Records, or tells that the record is lost. What is recorded is done anyway.
    pub(crate) fn record(&self, entry: Entry) {
        if let Err(lost) = self.0.audit().record(entry) {
            let error = lost.to_string();
            AuditLost { error }.emit("an audit record is missing");
        }
    }
}
