//! Host and port as a client asks for them.

/// Splits `host[:port]`. An IPv6 address loses its brackets; user information is cut off; without
/// a port there is none, rather than a guess.
pub(crate) fn split(text: &[u8]) -> (Option<&str>, Option<u16>) {
    plain(text)
        .or_else(|| any(std::str::from_utf8(text).ok()?))
        .unwrap_or_default()
}

/// A name or dotted quad, and maybe a port: nearly all there is.
fn plain(text: &[u8]) -> Option<(Option<&str>, Option<u16>)> {
    let end = text.iter().position(|byte| !NAME[usize::from(*byte)]);
    let (host, rest) = text.split_at(end.unwrap_or(text.len()));
    let host = std::str::from_utf8(host).ok();
    let host = Some(host.filter(|host| !host.is_empty())?);
    match rest {
        [] => Some((host, None)),
        [b':', digits @ ..] if (1..=4).contains(&digits.len()) => {
            let mut port = 0;
            for digit in digits {
                let digit = digit.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                port = 10 * port + u16::from(digit);
            }
            Some((host, Some(port)))
        }
        _ => None,
    }
}

/// The bytes of a name or dotted quad.
static NAME: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        bytes[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        byte += 1;
    }
    bytes
};

fn any(text: &str) -> Option<(Option<&str>, Option<u16>)> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
    {
        return None;
    }
    let text = cut_last(text, b'@').map_or(text, |(_, host)| host);
    let (host, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => cut_last(text, b':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host = Some(host.trim()).filter(|host| !host.is_empty());
    Some((host, host.and(rest).and_then(|port| port.parse().ok())))
}

/// Splits at the last `at`. For texts this short a plain loop beats the search of the standard
/// library, which is made for long ones.
fn cut_last(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = text.bytes().rposition(|byte| byte == at)?;
    Some((&text[..found], &text[found + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_come_from_the_same_text() {
        for (text, host, port) in [
            ("example.com", Some("example.com"), None),
            ("example.com:8080", Some("example.com"), Some(8080)),
            ("[::1]:8080", Some("::1"), Some(8080)),
            ("[::1]", Some("::1"), None),
            ("user:secret@example.com:1", Some("example.com"), Some(1)),
            ("example.com:http", Some("example.com"), None),
            ("example.com:99999", Some("example.com"), None),
            (":80", None, None),
            ("", None, None),
        ] {
            assert_eq!(split(text.as_bytes()), (host, port), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_host() {
        for text in [
            &b"\xff"[..],
            b"example.com\xff:80",
            "b\u{fc}cher.example:80".as_bytes(),
        ] {
            assert_eq!(split(text), (None, None), "{text:?}");
        }
    }
}
