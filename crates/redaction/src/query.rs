//! The query of a URL: keys leave, values do not.

/// What stands in place of a value that does not leave.
pub const REDACTED: &str = "REDACTED";

/// Replaces every value of `query` but those whose key is in `allowed`.
///
/// Keys and order stay, so that the shape of a request is still visible. A part without `=` is a
/// key; it stays, unless it is so long that it is more likely a token than a name.
///
/// ```
/// use campanile_redaction::redact_query;
///
/// assert_eq!(redact_query("page=2&token=s3cr3t", &["page"]), "page=2&token=REDACTED");
/// ```
pub fn redact_query(query: &str, allowed: &[&str]) -> String {
    let mut out = String::with_capacity(query.len());
    for (index, part) in query.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        match part.split_once('=') {
            Some((key, _)) if allowed.contains(&key) => out.push_str(part),
            Some((key, _)) => {
                out.push_str(name(key));
                out.push('=');
                out.push_str(REDACTED);
            }
            None => out.push_str(name(part)),
        }
    }
    out
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
    fn a_token_that_stands_alone_does_not_leave() {
        let token = "x".repeat(65);
        assert_eq!(redact_query(&token, &[]), REDACTED);
        assert_eq!(
            redact_query(&format!("{token}=1"), &[]),
            "REDACTED=REDACTED"
        );
    }
}
