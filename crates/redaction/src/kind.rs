//! What was redacted, and how often.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a value was taken for. The closed set of `campanile.redaction.kind`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The value of a field, a query part or an assignment in a text whose name says secret.
    Key,
    /// What follows `Bearer`.
    BearerToken,
    /// What follows `Basic`.
    BasicCredentials,
    /// A JSON Web Token.
    Jwt,
    /// The password of a URL.
    UrlPassword,
    /// A private key in PEM.
    PrivateKey,
    /// A key of a cloud or a public service, by its prefix.
    CloudKey,
    /// A payment card's number.
    CardNumber,
    /// A field that is not on its domain's list.
    NotAllowed,
}

impl Kind {
    /// Every kind, in the order of `campanile_semconv::value::REDACTION_KINDS`.
    pub const ALL: [Self; 9] = [
        Self::Key,
        Self::BearerToken,
        Self::BasicCredentials,
        Self::Jwt,
        Self::UrlPassword,
        Self::PrivateKey,
        Self::CloudKey,
        Self::CardNumber,
        Self::NotAllowed,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        campanile_semconv::value::REDACTION_KINDS[self as usize]
    }
}

/// One count for each kind.
#[derive(Debug, Default)]
pub(crate) struct Counts([AtomicU64; Kind::ALL.len()]);

impl Counts {
    pub(crate) fn add(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        let count = |kind: Kind| self.0[kind as usize].load(Ordering::Relaxed);
        Kind::ALL.into_iter().map(move |kind| (kind, count(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names, campanile_semconv::value::REDACTION_KINDS);
        assert_eq!(Kind::NotAllowed.as_str(), "not_allowed");
    }
}
