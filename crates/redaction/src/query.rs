//! The query of a URL: keys leave, values do not.

/// What stands in place of a value that does not leave.
pub const REDACTED: &str = "REDACTED";

/// The keys whose values the semantic conventions ask to redact (`url.query`, 1.44.0): the least
/// that anyone should do.
pub const CONVENTIONAL_KEYS: &[&str] = &[
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
];

/// Replaces every value of `query` but those whose key is in `allowed`.
///
/// Keys and order stay, so that the shape of a request is still visible. A part without `=` is a
/// key; it stays, unless it is so long that it is more likely a token than a name. Keys are
/// compared decoded, case-sensitively.
///
/// ```
/// use campanile_redaction::redact_query;
///
/// assert_eq!(redact_query("page=2&token=s3cr3t", &["page"]), "page=2&token=REDACTED");
/// ```
pub fn redact_query(query: &str, allowed: &[&str]) -> String {
    let part = |part: &str, out: &mut String| match part.split_once('=') {
        Some((key, _)) if !is_one_of(key, allowed) => value_of(name(key), out),
        Some(_) => out.push_str(part),
        None => out.push_str(name(part)),
    };
    each_part(query, part)
}

/// Replaces only the values of these keys: the conventions' own, weaker rule.
///
/// Keys are compared decoded, so that `s%69g=x` does not slip through.
///
/// ```
/// use campanile_redaction::{CONVENTIONAL_KEYS, redact_query_keys};
///
/// assert_eq!(redact_query_keys("q=x&s%69g=abc", CONVENTIONAL_KEYS), "q=x&s%69g=REDACTED");
/// ```
pub fn redact_query_keys(query: &str, keys: &[&str]) -> String {
    each_part(query, |part, out| match part.split_once('=') {
        Some((key, _)) if is_one_of(key, keys) => value_of(key, out),
        _ => out.push_str(part),
    })
}

fn each_part(query: &str, write: impl Fn(&str, &mut String)) -> String {
    let mut out = String::with_capacity(query.len());
    for (index, part) in query.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        write(part, &mut out);
    }
    out
}

fn value_of(key: &str, out: &mut String) {
    out.push_str(key);
    out.push('=');
    out.push_str(REDACTED);
}

/// Compares as a server would read the key: `+` is a blank, `%xx` a byte.
fn is_one_of(key: &str, keys: &[&str]) -> bool {
    if !key.contains(['%', '+']) {
        return keys.contains(&key);
    }
    let spaced = key.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
    keys.contains(&decoded.as_ref())
}

/// A key longer than this is taken for a value that stands alone, such as `?eyJhbGci...`.
const LONGEST_KEY: usize = 64;

fn name(key: &str) -> &str {
    if key.len() > LONGEST_KEY {
        REDACTED
    } else {
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_leave_unless_allowed() {
        assert_eq!(redact_query("a=1&b=2&c", &[]), "a=REDACTED&b=REDACTED&c");
        assert_eq!(redact_query("a=1&b=2", &["b"]), "a=REDACTED&b=2");
        assert_eq!(redact_query("a=b=c&=x&&", &[]), "a=REDACTED&=REDACTED&&");
    }

    #[test]
    fn keys_are_compared_decoded() {
        assert_eq!(
            redact_query("p%61ge=2&p%2Fge=3", &["page"]),
            "p%61ge=2&p%2Fge=REDACTED"
        );
        assert_eq!(
            redact_query_keys("s%69g=1&my+key=2&Sig=3&sig", &["sig", "my key"]),
            "s%69g=REDACTED&my+key=REDACTED&Sig=3&sig"
        );
        assert_eq!(
            redact_query_keys("%=1&%F=2&sig%=3&%FF=4", &["sig"]),
            "%=1&%F=2&sig%=3&%FF=4"
        );
    }

    #[test]
    fn a_token_that_stands_alone_does_not_leave() {
        let token = "x".repeat(65);
        assert_eq!(redact_query(&token, &[]), REDACTED);
        assert_eq!(
            redact_query(&format!("{token}=1"), &[]),
            "REDACTED=REDACTED"
        );
    }
}
