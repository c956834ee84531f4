use super::*;

fn redacted(text: &str) -> String {
    Redactor::standard().text(text).into_owned()
}

/// Every secret here is made up.
#[test]
fn secrets_are_known_by_their_shape() {
    use Kind::*;
    let jwt =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    let stripe = ["sk", "live", "4eC39HqLyjWDarjtT1zdp7dc"].join("_");
    let slack = ["xoxb", "123456789012", "abcdefghijklmnop"].join("-");
    for (text, expected, kind) in [
        (
            "got Bearer mF_9.B5f-4.1JqM.",
            "got Bearer REDACTED.",
            BearerToken,
        ),
        ("bearer abc123def", "bearer REDACTED", BearerToken),
        ("Bearer secret", "Bearer REDACTED", BearerToken),
        (
            "see Bearer%20abc123def",
            "see Bearer%20REDACTED",
            BearerToken,
        ),
        ("Basic dXNlcjpwYXNz", "Basic REDACTED", BasicCredentials),
        (
            "sent basic dXNlcjpwYXNzd29yZA== twice",
            "sent basic REDACTED twice",
            BasicCredentials,
        ),
        (jwt, "REDACTED", Jwt),
        (&format!("/verify/{jwt}/now"), "/verify/REDACTED/now", Jwt),
        (&format!("(jwt {jwt})"), "(jwt REDACTED)", Jwt),
        (
            "at https://me:hunter2@db:5432/x",
            "at https://me:REDACTED@db:5432/x",
            UrlPassword,
        ),
        (
            "redis://:hunter2@cache",
            "redis://:REDACTED@cache",
            UrlPassword,
        ),
        (
            "amqp://a:b@c:d@host/v",
            "amqp://a:REDACTED@host/v",
            UrlPassword,
        ),
        (
            "GET /x?page=2&access_token=ab.c&y=1",
            "GET /x?page=2&access_token=REDACTED&y=1",
            Key,
        ),
        ("/cb?code=4f2a&state=1", "/cb?code=REDACTED&state=1", Key),
        ("/x?tok%65n=abc", "/x?tok%65n=REDACTED", Key),
        (
            "https://b.example/c?se=1&sig=aB%2Bc%3D",
            "https://b.example/c?se=1&sig=REDACTED",
            Key,
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nafter",
            "REDACTED\nafter",
            PrivateKey,
        ),
        (
            "key -----BEGIN PRIVATE KEY-----\\nMIIEow",
            "key REDACTED",
            PrivateKey,
        ),
        ("id AKIAIOSFODNN7EXAMPLE.", "id REDACTED.", CloudKey),
        ("id ASIAIOSFODNN7EXAMPLE", "id REDACTED", CloudKey),
        (
            "AIzaSyA1234567890abcdefghijklmnopqrstuv",
            "REDACTED",
            CloudKey,
        ),
        (
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "REDACTED",
            CloudKey,
        ),
        (
            "github_pat_11ABCDEFG0123456789_abcdefgh",
            "REDACTED",
            CloudKey,
        ),
        (&slack, "REDACTED", CloudKey),
        (&stripe, "REDACTED", CloudKey),
        (
            "with sk-proj-abcdefgh12345678ijkl",
            "with REDACTED",
            CloudKey,
        ),
        (
            "Endpoint=x;AccountKey=a+b/c==;Suffix=y",
            "Endpoint=x;AccountKey=REDACTED;Suffix=y",
            Key,
        ),
        (
            "paid by 4111 1111 1111 1111 today",
            "paid by REDACTED today",
            CardNumber,
        ),
        ("4111-1111-1111-1111", "REDACTED", CardNumber),
        (
            "card 5555555555554444, amex 3782",
            "card REDACTED, amex 3782",
            CardNumber,
        ),
        ("378282246310005", "REDACTED", CardNumber),
        ("3782 822463 10005", "REDACTED", CardNumber),
        ("4222222222222", "REDACTED", CardNumber),
        ("6212 3456 7890 0000 003", "REDACTED", CardNumber),
        ("/pay/4111111111111111/ok", "/pay/REDACTED/ok", CardNumber),
    ] {
        let redactor = Redactor::standard();
        assert_eq!(redactor.text(text), expected, "{text}");
        let counts: Vec<_> = redactor.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(kind, 1)], "{text}");
    }
}

#[test]
fn secrets_are_known_by_the_name_before_them() {
    for (text, expected) in [
        ("password=hunter2", "password=REDACTED"),
        ("password: hunter2", "password: REDACTED"),
        (
            "Login { user: \"me\", password: \"hun\\\"ter2\" }",
            "Login { user: \"me\", password: \"REDACTED\" }",
        ),
        (
            r#"{"password":"hunter2","n":1}"#,
            r#"{"password":"REDACTED","n":1}"#,
        ),
        (
            r#"{\"password\":\"hunter2\",\"n\":1}"#,
            r#"{\"password\":\"REDACTED\",\"n\":1}"#,
        ),
        ("{'api_key': 'x y'}", "{'api_key': 'REDACTED'}"),
        ("token: Some(\"abc\")", "token: Some(REDACTED)"),
        ("secret: [1, 2, 3]", "secret: [REDACTED]"),
        (":secret => 'x'", ":secret => 'REDACTED'"),
        (
            r#"{"authorization": "Digest username=\"me\"", "host": "x"}"#,
            r#"{"authorization": "REDACTED", "host": "x"}"#,
        ),
        ("Cookie: a=b; sid=c\nHost: x", "Cookie: REDACTED\nHost: x"),
        (
            "authorization: Basic dXNlcjpwYXNz\r\nHost: x",
            "authorization: REDACTED\r\nHost: x",
        ),
        ("authorization: token abc def", "authorization: REDACTED"),
        (
            "tenant=7,token=abc;user=me",
            "tenant=7,token=REDACTED;user=me",
        ),
        ("password=\"unclosed", "password=\"REDACTED"),
        ("client_secret = x", "client_secret = REDACTED"),
        ("pässword=ü passwd=ü!", "pässword=ü passwd=REDACTED"),
    ] {
        assert_eq!(redacted(text), expected);
    }
}

#[test]
fn the_other_half_of_a_key_goes_with_its_id() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let text = format!("AKIAIOSFODNN7EXAMPLE:{secret}");
    assert_eq!(redacted(&text), "REDACTED:REDACTED");
    assert_eq!(
        redacted(&format!("aws_secret_access_key = {secret}")),
        "aws_secret_access_key = REDACTED"
    );
}

#[test]
fn harmless_texts_stay_as_they_are() {
    for text in [
        "",
        "GET",
        "127.0.0.1:8080",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "12345678-1234-4111-8111-111111111111",
        "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "2026-11-22T15:18:29.123456Z",
        "1732287509123456789",
        "1732287509123456",
        "18446744073709551615",
        "175928847299117063",
        "0.4111111111111111",
        "4111111111111112",
        "1.4111111111111111e3",
        "4 8 15 16 23 42 4111 1111",
        "/rooms/{id}/messages/175928847299117063",
        "/usr/local/lib/python3.12/site-packages/requests/adapters.py",
        "https://example.com:8443/@scope/package?page=2&sort=name",
        "ssh://git@example.com/team/project.git",
        "invalid token: expected a digit at line 4",
        "bearer of bad news",
        "missing Bearer token in the header",
        "Basic authentication is off, and so is basic auth",
        "token_count=12 max_tokens=5 session.id=abc",
        "token: None, secret: null",
        "if token == expected { return }",
        "crate::token::Kind: not found",
        "task-based risk-assessment-2024-of-the-year",
        "sk-SK",
        "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
        "curl/8.5.0",
        "listening on http://0.0.0.0:3000 with 4 workers, key=value, level=info",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "Ünïcödé tëxt: ✓ password ist sicher",
        "me@example.com wrote: thanks",
    ] {
        let redactor = Redactor::standard();
        let kept = redactor.text(text);
        assert!(matches!(kept, Cow::Borrowed(_)), "{text} became {kept}");
        assert_eq!(
            redactor.counts().map(|(_, count)| count).sum::<u64>(),
            0,
            "{text}"
        );
    }
}

#[test]
fn a_field_goes_by_its_name_first() {
    let redactor = Redactor::standard();
    assert_eq!(redactor.field("password", "plain words"), REDACTED);
    assert_eq!(redactor.field("password", REDACTED), REDACTED);
    assert_eq!(redactor.field("password", ""), "");
    assert_eq!(redactor.field("note", "Bearer abc123"), "Bearer REDACTED");
    assert_eq!(redactor.field("http.request.method", "GET"), "GET");
    let counts: Vec<_> = redactor.counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [(Kind::Key, 1), (Kind::BearerToken, 1)]);
}

#[test]
fn added_names_count_in_any_spelling_and_inside_texts() {
    let redactor = Redactor::builder().key("x-magic-word").build();
    for name in [
        "x-magic-word",
        "X_Magic_Word",
        "http.request.header.x-magic-word",
    ] {
        assert_eq!(redactor.field(name, "please"), REDACTED, "{name}");
    }
    assert_eq!(
        redactor.text("x-magic-word: please!"),
        "x-magic-word: REDACTED"
    );
    assert_eq!(redactor.field("magic-word", "please"), "please");
}

#[test]
fn without_shapes_names_still_count() {
    let redactor = Redactor::builder().shapes(false).build();
    assert_eq!(redactor.field("password", "x"), REDACTED);
    assert_eq!(redactor.text("password=x"), "password=x");
}

#[test]
fn off_means_off() {
    let redactor = Redactor::off();
    assert_eq!(redactor.field("password", "x"), "x");
    assert_eq!(redactor.text("password=x"), "password=x");
    assert!(redactor.allows(Some("auth"), "email"));
    assert_eq!(redactor.counts().count(), 0);
    assert!(redactor.is_off() && !Redactor::standard().is_off());
}

#[test]
fn in_a_domain_with_a_list_only_named_fields_leave() {
    let redactor = Redactor::standard();
    for name in [
        "message",
        "trace_id",
        "reason",
        "http.route",
        "error.type",
        "campanile.outcome",
    ] {
        assert!(redactor.allows(Some("auth"), name), "{name}");
    }
    for name in [
        "email",
        "user",
        "exception.message",
        "httpx",
        "enduser.id",
        "db.query.text",
    ] {
        assert!(!redactor.allows(Some("moderation"), name), "{name}");
    }
    assert!(redactor.allows(Some("chat"), "email"));
    assert!(redactor.allows(None, "email"));
    assert!(redactor.limits("auth") && !redactor.limits("chat"));
    let dropped = redactor
        .counts()
        .find(|(kind, _)| *kind == Kind::NotAllowed);
    assert_eq!(dropped, Some((Kind::NotAllowed, 6)));
}

#[test]
fn lists_can_be_replaced_and_taken_away() {
    let redactor = Redactor::builder()
        .allow("auth", ["tenant.*"])
        .allow("billing", ["plan"])
        .allow_everything("moderation")
        .build();
    assert!(redactor.allows(Some("auth"), "tenant.plan"));
    assert!(!redactor.allows(Some("auth"), "reason"));
    assert!(redactor.allows(Some("billing"), "plan"));
    assert!(!redactor.allows(Some("billing"), "iban"));
    assert!(redactor.allows(Some("moderation"), "email"));
}

#[test]
fn a_dropped_field_is_told_once() {
    let redactor = Redactor::standard();
    for _ in 0..3 {
        redactor.allows(Some("auth"), "email");
    }
    let told = redactor.take_dropped();
    let expected = cfg!(debug_assertions).then(|| ("auth".to_owned(), "email".to_owned()));
    assert_eq!(told, Vec::from_iter(expected));
    redactor.allows(Some("auth"), "email");
    assert!(redactor.take_dropped().is_empty());
    // names may come from outside
    for number in 0..1000 {
        redactor.allows(Some("auth"), &format!("field{number}"));
    }
    assert!(redactor.take_dropped().len() < 64);
}

#[test]
fn a_clone_shares_the_counts() {
    let redactor = Redactor::standard();
    redactor.clone().field("password", "x");
    assert_eq!(redactor.counts().next(), Some((Kind::Key, 1)));
}
