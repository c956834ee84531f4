//! The laws of `laws/mod.rs` on texts made of what secrets are made of, on the fuzzer's corpus, and
//! how the time grows that a hostile text takes.
#![allow(clippy::unwrap_used)]

mod laws;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use campanile_redaction::Redactor;
use proptest::prelude::*;

/// Pieces of secrets, of the frames around them, and of neither.
const PIECES: &[&str] = &[
    "password",
    "token",
    "Cookie",
    "authorization",
    "api_key",
    "code",
    "tok%65n",
    "=",
    ": ",
    ":",
    "=>",
    "==",
    "\"",
    "\\\"",
    "'",
    "[",
    "]",
    "Some(",
    ")",
    "&",
    "?",
    ";",
    ", ",
    " ",
    "\n",
    "\\n",
    "Bearer ",
    "bearer",
    "Basic ",
    "asic",
    "EARER",
    "dXNlcjpwYXNz",
    "eyJ",
    "eyJhbGciOiJIUzI1NiJ9",
    ".",
    "..",
    "-",
    "_",
    "%",
    "%20",
    "%3D",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "-----END ",
    "-----",
    "AKIA",
    "IOSFODNN7EXAMPLE",
    "AIza",
    "ghp_",
    "xoxb-",
    "sk-",
    "sk_live_",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "0123456789",
    "4111",
    "4111111111111111",
    "3782 822463 10005",
    "5",
    "://",
    "https://",
    "user:",
    "@",
    "host",
    "/",
    "#",
    "REDACTED",
    "None",
    "null",
    "***",
    "é",
    "✓",
    "\u{10FFFF}",
    "x",
    "X",
    "9",
];

fn pieces() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn texts_of_pieces_keep_the_laws(text in pieces()) {
        laws::text(text.as_bytes());
        laws::field(text.as_bytes());
    }

    #[test]
    fn any_text_keeps_the_laws(text in "\\PC{0,80}") {
        laws::text(text.as_bytes());
        laws::field(text.as_bytes());
    }

    #[test]
    fn a_secret_between_any_texts_does_not_stay(before in "[a-z ,.]{0,20}", after in "[a-z ,.]{0,20}") {
        let redactor = Redactor::standard();
        for secret in ["AKIAIOSFODNN7EXAMPLE", "4111111111111111", "ghp_abcdefghijklmnopqrstuvwxyz0123"] {
            let text = format!("{before} {secret} {after}");
            prop_assert_eq!(redactor.text(&text), format!("{before} REDACTED {after}"));
        }
    }
}

#[test]
fn the_fuzzer_s_corpus_keeps_the_laws() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/redaction");
    let mut replayed = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        laws::text(&input);
        laws::field(&input);
        replayed += 1;
    }
    assert!(replayed > 0, "no corpus in {corpus}");
}

/// Time that this thread has worked, where the kernel tells: whatever else the machine does is not
/// in it. Elsewhere it is the time that has gone by.
fn worked() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // who yields is put on the books
    std::thread::yield_now();
    let on_the_books = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    on_the_books().map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}

/// Sixteen times the text may take sixty times the work, as caches do not grow with it; a matcher
/// that read it again from each place would take two hundred and fifty.
#[test]
fn time_grows_with_the_text_and_not_faster() {
    const HOSTILE: &[&str] = &[
        "eyJeyJ",
        "password=\"",
        "password=[",
        "Basic aaaa",
        "://a:",
        "://:@",
        "token: a ",
        "\\\"",
        "-----BEGIN PRIVATE KEY",
        "AKIAAKIA",
        "4 4 4 ",
        "1111-",
        "=\\",
        "a.b.c=",
        "%65%65=",
        "basic+",
        "basic=",
        "bearer=",
        "sk-",
        "cookie: a ",
    ];
    let time = |piece: &str, repeats: usize| {
        let text = piece.repeat(repeats);
        let redactor = Redactor::standard();
        let before = worked();
        std::hint::black_box(redactor.text(&text));
        worked().saturating_sub(before)
    };
    let grows_too_fast = |piece: &str| {
        let (short, long) = (time(piece, 500), time(piece, 8_000));
        long > short.max(Duration::from_millis(1)) * 60
    };
    for piece in PIECES.iter().chain(HOSTILE) {
        // Someone else's work may empty the caches, but not each time.
        let always = (0..5).all(|_| grows_too_fast(piece));
        assert!(!always, "{piece:?}");
    }
}
