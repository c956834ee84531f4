//! Nothing secret leaves: not by name, not by shape, not where only named fields may.

use campanile_recorder::LogAttributes;
use tracing::field::Empty;

use super::*;

const SECRETS: [&str; 4] = [
    "hunter2",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlcw",
    "4111111111111111",
    "mF_9.B5f-4.1JqM",
];

fn leaves_nothing(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("REDACTED"), "{text}");
}

fn tell() {
    let [password, jwt, card, bearer] = SECRETS;
    let number: u64 = card.parse().expect("a number");
    #[derive(Debug)]
    struct Held<'a> {
        #[allow(dead_code)]
        note: &'a str,
    }
    let header = format!("Authorization: Bearer {bearer}");
    tracing::info!(password, "signed in");
    tracing::info!(password = ?Some(password), user.api_key = 42, "x");
    tracing::info!(note = jwt, card = number, debug = ?Held { note: &header }, "x");
    tracing::error!("failed: postgres://app:{password}@db/x {jwt} {header} {card}");
    let error = std::io::Error::other(format!("refused: {header}"));
    tracing::error!(error = &error as &dyn std::error::Error, "x");
    let span = tracing::info_span!(
        "span",
        session_token = password,
        note = Empty,
        request_id = jwt
    );
    span.record("note", &*header);
    span.in_scope(|| tracing::info!(event = jwt, outcome = jwt, "inside"));
    let baggage = [("note", jwt.to_owned()), ("secret", password.to_owned())];
    let carried = LogAttributes::new(baggage.into()).expect("there are some");
    let _attached = Context::current_with_value(carried).attach();
    tracing::trace!("inside");
}

#[test]
fn secrets_in_fields_messages_errors_spans_and_baggage_do_not_leave() {
    let with = |sink| Lines::new("shop", sink).with_span_fields(["session_token", "note"]);
    let json = text(with, tell);
    leaves_nothing(&json);
    assert_eq!(json.lines().count(), 7);
    leaves_nothing(&text(|sink| with(sink).with_format(Format::Pretty), tell));
    let open = text(|sink| with(sink).with_redactor(Redactor::off()), tell);
    assert!(SECRETS.iter().all(|secret| open.contains(secret)));
}

#[test]
fn where_only_named_fields_may_leave_the_others_do_not_wherever_the_domain_comes_from() {
    fn event(line: &Line) {
        assert_eq!(line["domain"], "auth");
        assert_eq!(line["reason"], "expired");
        let text = serde_json::to_string(line).expect("an object");
        assert!(!text.contains("ada"), "{text}");
    }
    let with = |sink| Lines::new("shop", sink).with_span_fields(["login"]);
    let both = text(with, || {
        // The domain may stand behind the fields that it forbids.
        tracing::info!(
            email = "ada@example.com",
            level = "ada",
            reason = "expired",
            domain = "auth",
            "x"
        );
        let span = tracing::info_span!("s", campanile.domain = "auth", login = "ada");
        let carried = LogAttributes::new(vec![("tenant", "ada".to_owned())]).expect("one");
        let _attached = Context::current_with_value(carried).attach();
        span.in_scope(|| tracing::info!(email = "ada@example.com", reason = "expired", "x"));
    });
    let lines: Vec<Line> = both
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object"))
        .collect();
    let (told, lines): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line["target"] == "campanile");
    assert_eq!(lines.len(), 2);
    lines.into_iter().for_each(event);
    // Debug builds, as tests are, say it once for each name.
    assert_eq!(told.len(), 4, "{told:?}");
    let open = only(|| tracing::info!(email = "ada@example.com", domain = "chat", "x"));
    assert_eq!(open["email"], "ada@example.com");
}
