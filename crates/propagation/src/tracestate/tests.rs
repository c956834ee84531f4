#![allow(clippy::unwrap_used)]
use super::*;

fn state(lines: &[&str]) -> Option<String> {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap())
        .collect();
    TraceStateText::from_lines(&lines).map(|state| state.as_str().to_owned())
}

fn many(count: usize) -> String {
    (0..count)
        .map(|i| format!("k{i}=v"))
        .collect::<Vec<_>>()
        .join(",")
}

#[test]
fn legal_lists_travel_byte_for_byte() {
    let long_key = format!("{}=1", "k".repeat(256));
    let long_value = format!("k={}", "v".repeat(256));
    for text in [
        "a=1",
        "a=1,b=2",
        "a=1 ,\tb=2",
        "a=1,,b=2",
        ",a=1, ,",
        "a=  leading spaces",
        "a=in side",
        "tenant@system=1",
        "a@@b@=1",
        "0a-_*/=1",
        "a=1,a=2",
        "a=!\"#$%&'()*+-./:;<>?@[]^_`{|}~\\",
        &many(32),
        &long_key,
        &long_value,
    ] {
        assert_eq!(state(&[text]).as_deref(), Some(text), "{text:?}");
    }
}

#[test]
fn one_fault_drops_the_whole_list() {
    let long_key = format!("{}=1", "k".repeat(257));
    let long_value = format!("k={}", "v".repeat(257));
    for text in [
        "",
        " ",
        ",",
        " , ,",
        "a",
        "=1",
        "a=",
        "a=b=c",
        "A=1",
        "a.b=1",
        "@a=1",
        "a =1",
        "a=1\tb",
        "a=é",
        "ok=1,a=b=c",
        "-a=1",
        &many(33),
        &long_key,
        &long_value,
    ] {
        assert_eq!(state(&[text]), None, "{text:?}");
    }
}

#[test]
fn lines_are_joined_in_order_and_judged_together() {
    assert_eq!(
        state(&["a=1", "b=2", "c=3"]).as_deref(),
        Some("a=1,b=2,c=3")
    );
    assert_eq!(state(&["", "a=1"]).as_deref(), Some(",a=1"));
    assert_eq!(state(&["a=1", "B=2"]), None);
    assert_eq!(state(&[&many(16), &many(17)]), None);
    assert_eq!(state(&[]), None);
}

#[test]
fn a_long_list_is_kept_whole() {
    let text: String = (0..32)
        .map(|i| format!("k{i}={}", "v".repeat(200)))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(state(&[&text]), Some(text));
}

#[test]
fn a_changed_entry_moves_to_the_left_and_the_rightmost_gives_way() {
    let line = HeaderValue::from_static("a=1,b=2");
    let state = TraceStateText::from_lines([&line]).unwrap();
    assert_eq!(
        TraceStateText::with(Some(&state), "b", "3")
            .unwrap()
            .as_str(),
        "b=3,a=1"
    );
    let line = HeaderValue::from_str(&many(32)).unwrap();
    let full = TraceStateText::from_lines([&line]).unwrap();
    let changed = TraceStateText::with(Some(&full), "own", "1").unwrap();
    assert_eq!(
        (
            changed.members().count(),
            changed.get("k31"),
            changed.get("own")
        ),
        (32, None, Some("1"))
    );
    assert_eq!(
        TraceStateText::with(None, "own", "1").unwrap().as_str(),
        "own=1"
    );
    assert_eq!(TraceStateText::with(None, "Own", "1"), None);
    assert_eq!(TraceStateText::with(None, "own", "1,x=2"), None);
}

#[test]
fn what_is_plain_is_legal() {
    let mut plain = 0;
    for text in crate::bytes::all_texts(b"a_A=, ", 7) {
        if PLAIN.has(&text, 4 * MAX_MEMBERS) {
            assert!(is_list(&text, MAX_MEMBERS, legal_member), "{text:?}");
            plain += 1;
        }
    }
    assert!(plain > 100, "{plain} plain texts");
    for members in [MAX_MEMBERS, MAX_MEMBERS + 1] {
        let text = vec!["a=1"; members].join(",");
        let is_plain = PLAIN.has(text.as_bytes(), 4 * MAX_MEMBERS);
        assert_eq!(is_plain, members == MAX_MEMBERS);
    }
}

#[test]
fn a_list_is_judged_by_itself_whatever_came_before_it() {
    let longest = format!("a={}", "1".repeat(MAX_LAST - 2));
    let longer = format!("{longest}1");
    let all = [
        "a=1", "a=2", "a=1,", "a=1,b", "A=1", "", &longest, &longer, "b=1",
    ];
    let alone = |text: &str| is_legal_list(text.as_bytes());
    for before in all {
        for text in all {
            state(&[before]);
            assert_eq!(
                state(&[text]).is_some(),
                alone(text),
                "{text:?} after {before:?}"
            );
            state(&[text]);
            assert_eq!(state(&[text]).is_some(), alone(text), "{text:?} again");
        }
    }
}
