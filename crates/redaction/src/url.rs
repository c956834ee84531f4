//! A whole URL: credentials, query values and the fragment do not leave.

use crate::{REDACTED, redact_query};

/// Redacts `url` for `url.full` and for error texts.
///
/// User name and password become `REDACTED` (semantic conventions, `url.full`), the query is
/// redacted as by [`redact_query`], and so is a fragment, which never goes to a server but may hold
/// a token. Scheme, host, port and path stay.
///
/// ```
/// use campanile_redaction::redact_url;
///
/// let url = "https://me:s3cr3t@example.com:8443/rooms?page=2&token=s3cr3t";
/// assert_eq!(
///     redact_url(url, &["page"]),
///     "https://REDACTED:REDACTED@example.com:8443/rooms?page=2&token=REDACTED"
/// );
/// ```
pub fn redact_url(url: &str, allowed: &[&str]) -> String {
    let (url, has_fragment) = match url.split_once('#') {
        Some((url, fragment)) => (url, !fragment.is_empty()),
        None => (url, false),
    };
    let (url, query) = match url.split_once('?') {
        Some((url, query)) => (url, Some(query)),
        None => (url, None),
    };
    let mut out = without_credentials(url);
    if let Some(query) = query {
        out.push('?');
        out.push_str(&redact_query(query, allowed));
    }
    if has_fragment {
        out.push('#');
        out.push_str(REDACTED);
    }
    out
}

/// What stands before the last `@` of the authority is nobody's business.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let Some((credentials, host)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    let password = if credentials.contains(':') {
        ":REDACTED"
    } else {
        ""
    };
    format!("{scheme}//{REDACTED}{password}@{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_leave() {
        for (url, expected) in [
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("https://me@example.com", "https://REDACTED@example.com"),
            ("http://a:b@c@[::1]:8/", "http://REDACTED:REDACTED@[::1]:8/"),
            ("//:x@host/", "//REDACTED:REDACTED@host/"),
            ("https://:@host?q", "https://REDACTED:REDACTED@host?q"),
            ("/only/a/path", "/only/a/path"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url, &[]), expected, "{url}");
        }
    }

    #[test]
    fn query_values_and_fragments_do_not_leave() {
        for (url, expected) in [
            ("http://h/p?a=1&b=2", "http://h/p?a=REDACTED&b=2"),
            ("http://h/p?#", "http://h/p?"),
            ("http://h/#access_token=x", "http://h/#REDACTED"),
            ("http://h/p?a=u:p@x#f?b=1", "http://h/p?a=REDACTED#REDACTED"),
            ("http://h?a=//u:p@x", "http://h?a=REDACTED"),
        ] {
            assert_eq!(redact_url(url, &["b"]), expected, "{url}");
        }
    }
}
