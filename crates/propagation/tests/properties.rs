//! The three headers under any input: never a panic, nothing invented, output always legal.
//!
//! Plain noise hardly ever gets past the first check, so most inputs are nearly right.
#![allow(clippy::unwrap_used)]

mod laws;

use campanile_propagation::Baggage;
use proptest::collection::vec;
use proptest::prelude::*;

/// A `traceparent` with up to two bytes changed.
fn nearly_traceparent() -> impl Strategy<Value = Vec<u8>> {
    let text =
        "[ \t]{0,2}(00|01|cc|ff)-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]{0,3})?[ \t]{0,2}";
    (text, vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Lines of a list whose members are made by `member`, now and then with a strange byte.
fn list(member: &'static str, longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![8 => member.prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..6)];
    let end = prop_oneof![6 => Just(&b","[..]), 1 => Just(&b" ,\t"[..]), 1 => Just(&b"\n"[..])];
    vec((member, end), 0..longest).prop_map(|all| {
        let parts = all
            .into_iter()
            .flat_map(|(member, end)| [member, end.to_vec()]);
        parts.collect::<Vec<_>>().concat()
    })
}

fn nearly_tracestate() -> impl Strategy<Value = Vec<u8>> {
    list("[a-z0-9][a-z0-9_*/@-]{0,8}=[ -+.-<>-~]{0,8}[!-+.-<>-~]", 40)
}

fn nearly_baggage() -> impl Strategy<Value = Vec<u8>> {
    list(
        "[a-zA-Z%!]{1,4}[ ]{0,1}=[ ]{0,1}(%[0-9A-F]{2}|[a-z=%]){0,5}(;[a-z]{1,2}(=[a-z%]{0,3})?){0,2}",
        80,
    )
}

proptest! {
    #[test]
    fn traceparent(input in prop_oneof![nearly_traceparent(), vec(any::<u8>(), 0..80)]) {
        laws::traceparent(&input);
    }

    #[test]
    fn tracestate(input in prop_oneof![3 => nearly_tracestate(), 1 => vec(any::<u8>(), 0..600)]) {
        laws::tracestate(&input);
    }

    #[test]
    fn baggage(input in prop_oneof![3 => nearly_baggage(), 1 => vec(any::<u8>(), 0..600)]) {
        laws::baggage(&input);
    }

    #[test]
    fn any_text_may_be_a_baggage_value(
        input in nearly_baggage(), key in "[a-zA-Z%!]{1,4}", value in any::<String>(),
    ) {
        let (baggage, _) = Baggage::from_lines(&laws::lines(&input));
        laws::rewritten(&baggage, &key, &value);
    }

    #[test]
    fn a_hop(
        parents in vec(nearly_traceparent(), 0..3),
        states in nearly_tracestate(),
        baggage in nearly_baggage(),
    ) {
        let tagged = |tag: u8, input: &[u8]| {
            let lines = input.split(|byte| *byte == b'\n');
            lines.flat_map(|line| [&[tag], line, b"\n"].concat()).collect::<Vec<_>>()
        };
        let parents = parents.iter().flat_map(|line| tagged(b'p', line));
        let parents: Vec<_> = parents.collect();
        let all = [parents, tagged(b's', &states), tagged(b'b', &baggage)].concat();
        laws::hop(&laws::headers(&all));
    }
}

#[test]
fn inputs_that_a_fuzzer_kept_are_survived() {
    type Law = fn(&[u8]);
    let targets: [(&str, Law); 4] = [
        ("traceparent", laws::traceparent),
        ("tracestate", laws::tracestate),
        ("baggage", laws::baggage),
        ("propagation", |bytes| laws::hop(&laws::headers(bytes))),
    ];
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, law) in targets {
        let kept = std::fs::read_dir(corpus.join(name)).unwrap();
        let inputs: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            println!("{}", input.display());
            law(&std::fs::read(input).unwrap());
        }
    }
}
