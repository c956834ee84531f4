#![allow(clippy::unwrap_used)]
use super::*;

fn read(lines: &[&str]) -> (Baggage, u32) {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap())
        .collect();
    Baggage::from_lines(&lines)
}

fn text(baggage: &Baggage) -> &str {
    baggage
        .as_header()
        .map_or("", |value| value.to_str().unwrap())
}

#[test]
fn legal_members_travel_byte_for_byte() {
    for line in [
        "a=1",
        "a=b=c",
        "a=",
        "a=1;p;q=2;p=3",
        "Aa=1,aA=2",
        " a = 1 , b = 2 ; p = 3 ",
        "a=%25",
        "a=%2541",
        "a=%5C",
        "a=%20x%20",
        "a=1;p=%2C",
        "a=%zz",
        "a%20b=1",
        "a=1,,b=2",
    ] {
        let (baggage, dropped) = read(&[line]);
        assert_eq!(
            (text(&baggage), dropped),
            (line.trim_matches(|_| false), 0),
            "{line:?}"
        );
    }
}

#[test]
fn a_malformed_member_loses_itself_only() {
    for bad in [
        "b", "=1", "b c=1", "b=a b", "b=\"x\"", "b=1\\", "b=é", "b=1;", "b=1;=2", "b=1;p q", "(=1",
    ] {
        let (baggage, dropped) = read(&[&format!("a=1,{bad},c=3")]);
        assert_eq!((text(&baggage), dropped), ("a=1,c=3", 1), "{bad:?}");
    }
    assert_eq!(read(&["é"]), (Baggage::default(), 1));
    assert_eq!(read(&["", " ", ","]), (Baggage::default(), 0));
}

#[test]
fn lines_are_joined() {
    let (baggage, _) = read(&["a=1", "b=2,c=3"]);
    assert_eq!(text(&baggage), "a=1,b=2,c=3");
}

#[test]
fn values_are_decoded_on_read_only() {
    let cases = [
        ("%25", "%"),
        ("%2541", "%41"),
        ("%5C", "\\"),
        ("%20x%20", " x "),
        ("%2C", ","),
        ("%zz", "%zz"),
        ("%", "%"),
        ("%FF", "\u{fffd}"),
    ];
    for (raw, value) in cases {
        let (baggage, _) = read(&[&format!("a={raw}")]);
        assert_eq!(baggage.get("a").unwrap(), value, "{raw}");
        let again = Baggage::default().with("a", value).unwrap();
        assert_eq!(again.get("a").unwrap(), value, "{raw} written again");
        assert_eq!(again.members().count(), 1, "never a second member");
    }
}

#[test]
fn keys_are_case_sensitive_and_never_decoded() {
    let (baggage, _) = read(&["Aa=1,aA=2,a%20b=3"]);
    assert_eq!(baggage.get("Aa").unwrap(), "1");
    assert_eq!(baggage.get("aA").unwrap(), "2");
    assert_eq!(baggage.get("a b"), None);
    assert_eq!(baggage.get("a%20b").unwrap(), "3");
}

#[test]
fn all_members_go_up_to_both_limits() {
    let line: Vec<_> = (0..64).map(|i| format!("k{i}=v")).collect();
    assert_eq!(read(&[&line.join(",")]).1, 0);
    let long = format!("a={}", "v".repeat(MAX_BYTES - 2));
    let (baggage, dropped) = read(&[&long]);
    assert_eq!((text(&baggage).len(), dropped), (MAX_BYTES, 0));
}

#[test]
fn past_the_limits_whole_members_go_and_are_counted() {
    let line: Vec<_> = (0..70).map(|i| format!("k{i}=v")).collect();
    let (baggage, dropped) = read(&[&line.join(",")]);
    assert_eq!((baggage.members().count(), dropped), (64, 6));
    let value = "v".repeat(3000);
    let (baggage, dropped) = read(&[&format!("a={value},b={value},c={value},d=1")]);
    let keys: Vec<_> = baggage.members().map(|member| member.key).collect();
    assert_eq!((keys, dropped), (vec!["a", "b", "d"], 1));
}

#[test]
fn set_replaces_and_remove_removes_and_the_rest_stays_as_sent() {
    let (baggage, _) = read(&["a=1;p=%2C,b=2,a=3"]);
    let changed = baggage.with("a", "ä, b").unwrap();
    assert_eq!(text(&changed), "b=2,a=%C3%A4%2C%20b");
    assert_eq!(text(&baggage.without("b")), "a=1;p=%2C,a=3");
    assert_eq!(text(&baggage.only(|key| key == "b")), "b=2");
    assert!(baggage.only(|_| false).is_empty());
    assert_eq!(baggage.with("not a token", "1"), None);
    assert_eq!(baggage.with("c", &"v".repeat(MAX_BYTES)), None);
}

#[test]
fn a_repeated_key_reads_as_its_last_value() {
    assert_eq!(read(&["a=1,a=2"]).0.get("a").unwrap(), "2");
}
