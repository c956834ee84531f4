#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

#[test]
fn a_reason_reads_as_it_was_written_and_nonsense_says_nothing() {
    let reason = Reason {
        kind: Some(Reason::DRAIN),
        after: Some(5000),
    };
    assert_eq!(reason.to_string(), "k=drain;ra=5000");
    assert_eq!(Reason::parse("k=drain;ra=5000"), reason);
    assert_eq!(Reason::parse("service restart"), Reason::default());
    assert_eq!(Reason::parse("ra=-1;=;x=2"), Reason::default());
}

#[test]
fn a_plain_hello_and_an_acknowledgement_are_short() {
    assert_eq!(Hello::new().to_text(), r#"{"op":"hello"}"#);
    assert_eq!(
        Hello::parse(r#"{"op":"hello","later":1}"#).unwrap().seq,
        None
    );
    let sid = "00000000000000000000000000000007";
    let welcome = format!(r#"{{"op":"welcome","sid":"{sid}"}}"#);
    assert_eq!(Welcome::new(7).to_text(), welcome);
    assert_eq!(Welcome::parse(&welcome).unwrap().sid, sid);
    let text = Control::ack(41).to_text();
    assert_eq!(text, "\u{1e}{\"op\":\"hb\",\"seq\":41}");
    assert_eq!(Frame::read(&text), Ok(Frame::Control(Control::ack(41))));
}

#[test]
fn what_is_no_first_frame_has_its_close_code() {
    let hello = |text: &str| Hello::parse(text).map(|_| ()).map_err(Broken::code);
    assert_eq!(hello("hi"), Err(1007));
    assert_eq!(hello(r#"{"op":7}"#), Err(1007));
    assert_eq!(hello(r#"{"op":"hello","seq":-1}"#), Err(1007));
    assert_eq!(hello(r#"{"op":"hello","seq":4294967296}"#), Err(1007));
    assert_eq!(hello(r#"{"op":"goodbye"}"#), Err(1008));
    let long = format!(r#"{{"op":"hello","x":"{}"}}"#, "x".repeat(LIMIT));
    assert_eq!(hello(&long), Err(1009));
    let welcome = |text: &str| Welcome::parse(text).map(|_| ()).map_err(Broken::code);
    assert_eq!(welcome(r#"{"op":"hello","sid":""}"#), Err(1008));
    assert_eq!(welcome("{}"), Err(1007));
    assert_eq!(welcome(&long), Err(1009));
}

#[test]
fn frames_of_the_contract_are_told_from_those_of_the_application() {
    let read = |text: &'static str| Frame::read(text).map_err(Broken::code);
    assert_eq!(read("{}"), Ok(Frame::Application("{}")));
    assert_eq!(read(""), Ok(Frame::Application("")));
    assert_eq!(read("\u{1e}\u{1e}x"), Ok(Frame::Application("\u{1e}x")));
    let skip = Control::Skip { n: 3 };
    assert_eq!(skip.to_text(), "\u{1e}{\"op\":\"skip\",\"n\":3}");
    assert_eq!(
        read("\u{1e}{\"op\":\"skip\",\"n\":3}"),
        Ok(Frame::Control(skip))
    );
    assert_eq!(read("\u{1e}{\"op\":\"dance\",\"n\":[]}"), Ok(Frame::Later));
    for broken in [
        "\u{1e}",
        "\u{1e}x",
        "\u{1e}{}",
        "\u{1e}{\"op\":7}",
        "\u{1e}{\"op\":\"skip\"}",
        "\u{1e}{\"op\":\"hb\",\"seq\":-1}",
        "\u{1e}{\"op\":\"hb\",\"t0\":1e999}",
        "\u{1e}[]",
    ] {
        assert_eq!(read(broken), Err(1007), "{broken:?}");
    }
    let long = format!("\u{1e}{}", " ".repeat(LIMIT));
    assert_eq!(Frame::read(&long).map_err(Broken::code), Err(1009));
}

#[test]
fn a_header_that_cannot_be_read_brings_a_token_that_is_none() {
    let none = Asked::Resume { token: "", seq: 0 };
    assert_eq!(Asked::parse(" new\t"), Asked::New);
    for value in [
        "",
        "New",
        "abc",
        "abc;seq=",
        "abc;seq=+1",
        "abc;seq=-1",
        "abc;seq=4294967296",
    ] {
        assert_eq!(Asked::parse(value), none, "{value:?}");
    }
    let asked = Asked::Resume {
        token: "abc",
        seq: u32::MAX,
    };
    assert_eq!(asked.to_string(), "abc;seq=4294967295");
    assert_eq!(Asked::parse("abc;seq=4294967295"), asked);
}

/// Text that is likely to begin like the contract's.
fn text() -> impl Strategy<Value = String> {
    let op = prop_oneof![Just("hb"), Just("skip"), Just("hello"), Just("later")];
    let frame = (op, "[\\PC]{0,20}").prop_map(|(op, rest)| format!(r#"{{"op":"{op}"{rest}}}"#));
    let body = prop_oneof![".*", frame];
    ("\u{1e}{0,3}", body).prop_map(|(marks, body)| marks + &body)
}

fn number() -> impl Strategy<Value = Option<f64>> {
    proptest::option::of(any::<u32>().prop_map(|one| f64::from(one) / 8.0))
}

proptest! {
    #[test]
    fn whatever_an_application_says_arrives_as_its_own(text in text()) {
        let sent = escape(&text);
        prop_assert_eq!(Frame::read(&sent), Ok(Frame::Application(&text)));
    }

    #[test]
    fn nothing_that_arrives_panics(text in text()) {
        if let Ok(Frame::Control(control)) = Frame::read(&text) {
            let again = control.to_text();
            prop_assert_eq!(Frame::read(&again), Ok(Frame::Control(control)));
        }
        let _ = (Hello::parse(&text), Welcome::parse(&text), Reason::parse(&text));
        let asked = Asked::parse(&text);
        let again = asked.to_string();
        prop_assert_eq!(Asked::parse(&again), asked);
    }

    #[test]
    fn a_heartbeat_reads_as_it_was_written(
        seq in any::<Option<u32>>(), t0 in number(), t1 in number(), t2 in number(),
        rt in proptest::option::of(".*"),
    ) {
        let control = Control::Hb { seq, t0, t1, t2, rt };
        let text = control.to_text();
        prop_assume!(text.len() <= LIMIT);
        prop_assert_eq!(Frame::read(&text), Ok(Frame::Control(control)));
    }

    #[test]
    fn a_hello_reads_as_it_was_written(
        seq in any::<Option<u32>>(), rt in proptest::option::of(".{0,200}"), t0 in number(),
    ) {
        let hello = Hello { seq, rt, t0, ..Hello::new() };
        let read = Hello::parse(&hello.to_text()).unwrap();
        prop_assert_eq!((read.seq, read.rt, read.t0), (hello.seq, hello.rt, hello.t0));
    }
}
