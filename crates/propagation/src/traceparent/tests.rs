#![allow(clippy::unwrap_used)]
use super::*;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parse(text: &str) -> Option<Parent> {
    Parent::parse(text.as_bytes())
}

#[test]
fn a_good_header_comes_back_byte_for_byte() {
    let parent = parse(GOOD).unwrap();
    assert_eq!(parent.format(), GOOD.as_bytes());
    assert!(parent.is_sampled());
    assert!(!parent.is_random());
}

#[test]
fn only_known_flags_go_out() {
    for (flags, expected) in [
        ("00", "00"),
        ("01", "01"),
        ("02", "02"),
        ("03", "03"),
        ("ff", "03"),
        ("04", "00"),
    ] {
        let parent = parse(&format!("{}{flags}", &GOOD[..53])).unwrap();
        assert_eq!(&parent.format()[53..], expected.as_bytes(), "flags {flags}");
    }
}

#[test]
fn what_the_specification_forbids_is_no_parent() {
    let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
    let bad = [
        String::new(),
        "   ".into(),
        GOOD.to_uppercase(),
        GOOD.replace("4bf9", "+bf9"),
        GOOD[..54].into(),
        format!("{GOOD}-"),
        format!("{GOOD}0"),
        format!("{GOOD},{GOOD}"),
        GOOD.replacen('-', "_", 1),
        format!("{}_01", &GOOD[..52]),
        zero_trace,
        zero_span,
        GOOD.replacen("00", "ff", 1),
        GOOD.replacen("00", "0g", 1),
        GOOD.replacen("00", "0A", 1),
        format!("{}.what", GOOD.replacen("00", "cc", 1)),
        GOOD.replace("4bf9", "4bé"),
    ];
    for text in bad {
        assert_eq!(parse(&text), None, "{text:?}");
    }
}

#[test]
fn a_future_version_is_read_and_written_as_00() {
    for text in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
    ] {
        assert_eq!(parse(text).unwrap().format(), GOOD.as_bytes(), "{text}");
    }
}

#[test]
fn surrounding_blanks_are_trimmed() {
    assert_eq!(parse(&format!(" \t{GOOD}\t ")), parse(GOOD));
}

#[test]
fn an_invalid_span_context_is_no_parent() {
    assert_eq!(
        Parent::from_span_context(&SpanContext::empty_context()),
        None
    );
    let context = parse(GOOD).unwrap().to_span_context(TraceState::NONE);
    assert_eq!(Parent::from_span_context(&context), parse(GOOD));
}

#[test]
fn digits_at_once_are_what_one_by_one_says() {
    let good = *b"0f1e9a7b00112233445566778899aabbccddeeff0123fedc";
    for byte in 0..=u8::MAX {
        for at in 0..48 {
            let mut text = good;
            text[at] = byte;
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let (digits, are_digits) = values(&text);
            assert_eq!(are_digits, is_digit, "{byte:#x} at {at}");
            if is_digit {
                let expected = [0, 16, 32].map(|at| {
                    let text = std::str::from_utf8(&text[at..at + 16]).unwrap();
                    u64::from_str_radix(text, 16).unwrap()
                });
                assert_eq!(numbers(&digits), expected);
            }
        }
    }
}
