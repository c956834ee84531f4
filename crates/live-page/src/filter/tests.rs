use proptest::prelude::*;

use super::*;

/// A subject of a few fixed keys.
struct Row;

impl Subject for Row {
    fn values(&self, key: &str, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        match key {
            "route" => accept("/rooms/{id}/messages"),
            "status" => accept("503"),
            "service" => accept("chat-api"),
            "event" => ["message.stored", "retry"].into_iter().any(accept),
            _ => false,
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match key {
            "dur" => Some(1842.0),
            "level" => Some(4.0),
            "status" => Some(503.0),
            _ => None,
        }
    }

    fn says(&self, accept: &mut dyn FnMut(&str) -> bool) -> bool {
        accept("POST /rooms/{id}/messages")
    }

    fn unix_ms(&self) -> f64 {
        // 10:38:41 UTC
        f64::from(10 * 3600 + 38 * 60 + 41) * 1000.0
    }
}

fn matches(filter: &str) -> bool {
    let filter = Filter::parse(filter);
    assert_eq!(filter.problems, []);
    filter.matches(&Row)
}

#[test]
fn every_form_of_the_language_matches_what_it_says() {
    for filter in [
        "",
        "route:/rooms/*",
        "route:*messages",
        "status:5xx",
        "status:200,503",
        "dur>500ms",
        "dur>=1.842s",
        "dur<2s",
        "level>=warn",
        "-service:db",
        "event:retry",
        "has:route",
        "-has:session.id",
        "messages",
        "\"POST /rooms\"",
        "post*messages",
        "at:10:36..10:40",
        "at:10:38",
        "-at:23:00..01:00",
        "status>499 route:/rooms/* -error:true",
    ] {
        assert!(matches(filter), "{filter}");
    }
    for filter in [
        "route:/rooms",
        "status:4xx",
        "dur>2s",
        "level>warn",
        "service:db",
        "has:session.id",
        "at:10:39..10:40",
        "rooms -messages",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn what_cannot_be_meant_is_told_with_a_remedy() {
    let problem = |filter: &str| Filter::parse(filter).problems.remove(0);
    assert_eq!(problem("route:").fix.as_deref(), Some("has:route"));
    assert_eq!(problem("dur:10ms").fix.as_deref(), Some("dur>10ms"));
    assert!(problem("dur>fast").message.contains("dur>10ms"));
    assert!(problem("at:noon").message.contains("UTC"));
}

#[test]
fn a_mistyped_key_is_asked_about() {
    let mut filter = Filter::parse("rout:/rooms db.pool.wiat>1 route:/x");
    filter.judge_keys(|_| false, || vec!["db.pool.wait".to_owned()]);
    let fixes: Vec<_> = filter
        .problems
        .iter()
        .map(|problem| problem.fix.as_deref())
        .collect();
    assert_eq!(fixes, [Some("route:/rooms"), Some("db.pool.wait>1")]);
}

#[test]
fn an_attribute_that_is_held_is_a_key() {
    let mut filter = Filter::parse("room.size>200");
    filter.judge_keys(|key| key == "room.size", Vec::new);
    assert_eq!(filter.problems, []);
}

#[test]
fn tokens_end_at_spaces_outside_quotes() {
    assert_eq!(
        split(r#" a  b:"c d" "e \" f" g"#),
        ["a", r#"b:"c d""#, r#""e \" f""#, "g"]
    );
}

#[test]
fn a_group_matches_by_one_member_and_is_excluded_by_any() {
    let rows = || [(); 2].iter().map(|()| Row);
    assert!(Filter::parse("status:5xx dur>1s").matches_any(rows()));
    assert!(!Filter::parse("status:5xx -event:retry").matches_any(rows()));
    assert!(!Filter::parse("dur>1s").matches_any(rows().take(0)));
}

#[test]
fn each_token_can_be_dropped() {
    let filter = Filter::parse("status:4xx dur>1s");
    let dropped: Vec<_> = filter
        .without_each()
        .map(|(token, filter)| (token.to_owned(), filter.matches(&Row)))
        .collect();
    assert_eq!(
        dropped,
        [
            ("status:4xx".to_owned(), true),
            ("dur>1s".to_owned(), false)
        ]
    );
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,200}|[-a-z:<>=\"*,.\\\\ ]{0,60}") {
        let mut filter = Filter::parse(&text);
        filter.judge_keys(|_| false, || vec!["straße".to_owned()]);
        filter.matches(&Row);
        prop_assert!(split(&text).len() <= text.chars().count());
    }
}
