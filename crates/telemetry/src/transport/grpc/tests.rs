use super::*;

/// A `google.rpc.Status` with a `RetryInfo` of 1.5 s, as a server sends it.
const DETAILS: &str = "CA4SC2Z1bGw6IDEwMCAlGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAEQgMq17gE";

fn trailers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                value.parse().expect("valid"),
            )
        })
        .collect()
}

#[test]
fn a_retry_info_is_read_padded_or_not() {
    let expected = Some(Duration::from_millis(1500));
    assert_eq!(retry_info(DETAILS.as_bytes()), expected);
    assert_eq!(retry_info(format!("{DETAILS}==").as_bytes()), expected);
    assert_eq!(retry_info(b"!!"), None);
    assert_eq!(retry_info(b""), None);
}

#[test]
fn codes_are_retried_as_the_protocol_says() {
    for code in [1, 4, 10, 11, 14, 15] {
        assert!(
            matches!(failed(code, &HeaderMap::new()), Verdict::Retry(_)),
            "{code}"
        );
    }
    for code in [2, 3, 5, 6, 7, 8, 9, 13, 16] {
        assert!(
            matches!(failed(code, &HeaderMap::new()), Verdict::Refused(_)),
            "{code}"
        );
    }
    assert!(matches!(
        failed(12, &HeaderMap::new()),
        Verdict::WrongProtocol(_)
    ));
    let hint = trailers(&[("grpc-status-details-bin", DETAILS)]);
    let Verdict::Retry(failure) = failed(8, &hint) else {
        panic!("RESOURCE_EXHAUSTED with a hint is worth a retry");
    };
    assert_eq!(failure.after, Some(Duration::from_millis(1500)));
}

#[test]
fn servers_say_in_their_own_words_that_a_request_is_too_large() {
    for (code, message) in [
        (
            11,
            "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
        ),
        (8, "grpc: received message larger than max (5 vs. 4)"),
        (
            8,
            "Received message exceeds the maximum configured message size",
        ),
        (8, "request exceeds 65536 bytes: send smaller batches"),
    ] {
        let verdict = failed(code, &trailers(&[("grpc-message", message)]));
        assert!(matches!(verdict, Verdict::TooLarge(_)), "{message}");
    }
    let rate = failed(8, &trailers(&[("grpc-message", "rate limit exceeded")]));
    assert!(matches!(rate, Verdict::Refused(_)));
}

#[test]
fn messages_are_decoded_whatever_they_hold() {
    assert_eq!(percent_decoded(b"100%25 f%C3%BCr %zz %"), "100% für %zz %");
}

#[test]
fn an_answer_that_is_no_grpc_is_told_apart() {
    let verdict = |status| not_grpc(StatusCode::from_u16(status).expect("valid"));
    assert!(matches!(verdict(503), Verdict::Retry(_)));
    assert!(matches!(verdict(401), Verdict::Refused(_)));
    assert!(matches!(verdict(404), Verdict::WrongProtocol(_)));
    assert!(matches!(verdict(200), Verdict::WrongProtocol(_)));
}
