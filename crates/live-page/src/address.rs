//! Addresses of the page, and the filters in them.

/// Writes a filter token; a value with spaces or commas is quoted.
pub(crate) fn token(key: &str, value: &str) -> String {
    if value.contains(|letter: char| letter.is_whitespace() || letter == '"' || letter == ',') {
        format!(
            "{key}:\"{}\"",
            value.replace('\\', "\\\\").replace('"', "\\\"")
        )
    } else {
        format!("{key}:{value}")
    }
}

/// Writes a query string, leaving out what is empty.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b'-'
                | b'_'
                | b'.'
                | b'~'
                | b':'
                | b'/' => text.push(byte.into()),
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
    }
    text
}
