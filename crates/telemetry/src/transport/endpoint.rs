//! Where a signal is sent: an absolute URL without credentials.

use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

/// Where a signal is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint(Uri);

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// One sentence that says what is wrong and how to mend it, without repeating credentials.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let hint = "write for example http://localhost:4317";
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("the endpoint is empty: {hint}"));
        }
        let shown = shown(text);
        if !text.contains("://") {
            return Err(format!("the endpoint \"{shown}\" has no scheme: {hint}"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("invalid endpoint \"{shown}\" ({error}): {hint}"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => {
                return Err(format!(
                    "the endpoint \"{shown}\" is neither http nor https: {hint}"
                ));
            }
        }
        let Some(authority) = uri.authority() else {
            return Err(format!("the endpoint \"{shown}\" names no host: {hint}"));
        };
        if authority.as_str().contains('@') {
            return Err(format!(
                "the endpoint \"{shown}\" carries credentials: put them into OTEL_EXPORTER_OTLP_HEADERS"
            ));
        }
        let port = authority.as_str()[authority.host().len()..].strip_prefix(':');
        if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
            return Err(format!(
                "the endpoint \"{shown}\" has no valid port: {hint}"
            ));
        }
        if authority.host().is_empty() {
            return Err(format!("the endpoint \"{shown}\" names no host: {hint}"));
        }
        Ok(Self(uri))
    }

    /// The same with a path below its own.
    pub(crate) fn join(&self, path: &str) -> Self {
        let base = self.0.path().trim_end_matches('/');
        self.with_path(&format!("{base}{path}"))
    }

    fn with_path(&self, path: &str) -> Self {
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        Uri::from_parts(parts).map_or_else(|_| self.clone(), Self)
    }

    /// Where OTLP/HTTP is likely to be when this is where OTLP/gRPC was expected.
    pub(crate) fn http_twin(&self, path: &str) -> Self {
        let mut parts = self.with_path(path).0.into_parts();
        if let Some(authority) = &parts.authority
            && authority.port_u16() == Some(4317)
            && let Ok(twin) = format!("{}:4318", authority.host()).parse::<Authority>()
        {
            parts.authority = Some(twin);
        }
        Uri::from_parts(parts).map_or_else(|_| self.clone(), Self)
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(default)
    }
}

/// Without its query, which may hold a key.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0.to_string()))
    }
}

/// A URL as it may be shown: no credentials, no query.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://***@{}", &text[..scheme], &text[at + 1..])
        }
        (None, Some(at)) => format!("***@{}", &text[at + 1..]),
        _ => text.to_owned(),
    }
}
