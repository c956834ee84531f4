//! The reason of a close frame, which a browser can read where it cannot read headers.

/// What the reason of a close frame says: `k=drain;ra=5000`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reason<'a> {
    /// Why: [`DRAIN`](Self::DRAIN), [`OVERLOAD`](Self::OVERLOAD),
    /// [`SUPERSEDED`](Self::SUPERSEDED), [`REVOKED`](Self::REVOKED).
    pub kind: Option<&'a str>,
    /// Come back after so many milliseconds, not earlier.
    pub after: Option<u32>,
}

impl<'a> Reason<'a> {
    /// Code 1012: the process ends.
    pub const DRAIN: &'static str = "drain";
    /// Code 1013: there is no room now.
    pub const OVERLOAD: &'static str = "overload";
    /// Code 1000: a newer connection has the session. Do not come back.
    pub const SUPERSEDED: &'static str = "superseded";
    /// Code 1008: the session was taken back. Begin a new one.
    pub const REVOKED: &'static str = "revoked";

    /// Reads a reason; whatever is not of this form says nothing.
    pub fn parse(text: &'a str) -> Self {
        let mut reason = Self::default();
        for (key, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            match key {
                "k" => reason.kind = Some(value),
                "ra" => reason.after = value.parse().ok(),
                _ => {}
            }
        }
        reason
    }
}

impl std::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        if let Some(kind) = self.kind {
            write!(f, "k={kind}")?;
            separator = ";";
        }
        match self.after {
            Some(after) => write!(f, "{separator}ra={after}"),
            None => Ok(()),
        }
    }
}
