//! Addresses of the page, and the filters in them.

/// Whether a name is short enough to stand in an address; those that are not are only shown.
pub(crate) fn fits(name: &str) -> bool {
    name.len() <= 500
}

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
        encode(value, b":/", &mut text);
    }
    text
}

/// Writes a name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut text = String::new();
    encode(name, b"", &mut text);
    text
}

fn encode(value: &str, plain: &[u8], text: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || plain.contains(&byte) {
            text.push(byte.into());
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}
