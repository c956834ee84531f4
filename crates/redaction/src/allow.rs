//! Which fields may leave in which domain.
//!
//! In a domain with a list only named fields leave: those of the log contract and of the semantic
//! conventions' public namespaces always do, the rest must be on the list.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use campanile_semconv::attribute;

/// Fields of the log contract: every line has them, in every domain.
const CONTRACT: &[&str] = &[
    "timestamp",
    "level",
    "service",
    "domain",
    "trace_id",
    "span_id",
    "trace_sampled",
    "request_id",
    "event",
    "outcome",
    "message",
    "target",
];

/// Attributes that say what happened to a request or a connection, never who it was about.
const PUBLIC: &[&str] = &[
    attribute::ERROR_TYPE,
    attribute::EXCEPTION_TYPE,
    attribute::SESSION_ID,
    attribute::CLIENT_ADDRESS,
    "campanile.*",
    "code.*",
    "http.*",
    "network.*",
    "otel.*",
    "rpc.*",
    "server.*",
    "service.*",
    "thread.*",
    "url.*",
    "user_agent.*",
    "websocket.*",
    attribute::DB_SYSTEM_NAME,
    attribute::DB_QUERY_SUMMARY,
    attribute::DB_COLLECTION_NAME,
    attribute::DB_OPERATION_NAME,
];

/// What `auth` and `moderation` may say beside that: how it went, and why; not who.
pub(crate) const BY_DEFAULT: &[&str] = &[
    "action",
    "attempt",
    "attempts",
    "count",
    "duration",
    "duration_ms",
    "error_type",
    "factor",
    "kind",
    "method",
    "policy",
    "provider",
    "reason",
    "result",
    "status",
];

/// Names of which one line each was said; later ones are counted only.
const MOST_SAID: usize = 64;

/// The list of one domain.
#[derive(Clone, Debug)]
struct List {
    domain: String,
    fields: BTreeSet<String>,
    prefixes: Vec<String>,
}

/// The lists of all domains that have one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists(Vec<List>);

impl Lists {
    /// Gives `domain` this list instead of the one it had.
    pub(crate) fn set<'a>(&mut self, domain: &str, fields: impl IntoIterator<Item = &'a str>) {
        self.remove(domain);
        let (prefixes, fields): (Vec<&str>, Vec<&str>) =
            fields.into_iter().partition(|field| field.ends_with(".*"));
        self.0.push(List {
            domain: domain.to_owned(),
            fields: fields.into_iter().map(str::to_owned).collect(),
            prefixes: prefixes
                .iter()
                .map(|field| prefix(field).to_owned())
                .collect(),
        });
    }

    /// Lets everything leave in `domain` again.
    pub(crate) fn remove(&mut self, domain: &str) {
        self.0.retain(|list| list.domain != domain);
    }

    /// Whether `domain` has a list.
    pub(crate) fn limits(&self, domain: &str) -> bool {
        self.0.iter().any(|list| list.domain == domain)
    }

    /// Whether a field of this name may leave in `domain`.
    pub(crate) fn allows(&self, domain: &str, name: &str) -> bool {
        let Some(list) = self.0.iter().find(|list| list.domain == domain) else {
            return true;
        };
        CONTRACT.contains(&name)
            || list.fields.contains(name)
            || list.prefixes.iter().any(|prefix| name.starts_with(prefix))
            || PUBLIC.iter().any(|public| match public.ends_with(".*") {
                true => name.starts_with(prefix(public)),
                false => name == *public,
            })
    }
}

/// `http.*` without its star.
fn prefix(pattern: &str) -> &str {
    pattern.trim_end_matches('*')
}

/// What was dropped and has not been told yet, each name once; bounded, as names may come from
/// outside.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    known: BTreeSet<(String, String)>,
    untold: Vec<(String, String)>,
}

impl News {
    /// Remembers a dropped field.
    pub(crate) fn dropped(&self, domain: &str, name: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (domain.to_owned(), name.to_owned());
        if told.known.len() < MOST_SAID && told.known.insert(pair.clone()) {
            told.untold.push(pair);
        }
    }

    /// What was not told yet.
    pub(crate) fn take(&self) -> Vec<(String, String)> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut told.untold)
    }
}
