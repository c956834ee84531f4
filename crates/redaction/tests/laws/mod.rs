//! What holds for every text, whatever is in it; the fuzz target checks the same.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::borrow::Cow;
use std::sync::LazyLock;

use campanile_redaction::{Kind, Redactor};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::standard);

/// Redacting any text ends, changes nothing it has not counted, and changes nothing more when it
/// is done again; what stays is made of the text's own characters.
pub fn text(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let redactor = REDACTOR.clone();
    let once = redactor.text(&input);
    if let Cow::Borrowed(kept) = once {
        assert_eq!(kept, input);
        return;
    }
    // Not the count itself, as tests share it: who counts nothing has found nothing.
    let again = Redactor::standard();
    assert_eq!(again.text(&once), once, "{input:?}");
    assert_eq!(
        count(&again),
        0,
        "{input:?} gave {once:?}, in which something was found"
    );
    let kept: usize = once.split("REDACTED").map(str::len).sum();
    assert!(kept <= input.len(), "{input:?} gave {once:?}");
    assert!(once.contains("REDACTED"), "{input:?} gave {once:?}");
}

/// The first line is a field's name, the rest its value.
pub fn field(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (name, value) = input.split_once('\n').unwrap_or((&input, ""));
    let redactor = REDACTOR.clone();
    let once = redactor.field(name, value);
    assert_eq!(redactor.field(name, &once), once, "{name:?}");
    if redactor.is_secret(name) && !value.is_empty() {
        assert!(
            once == "REDACTED" || Cow::Borrowed(value) == once,
            "{name:?}"
        );
    }
    redactor.allows(Some(name), value);
    redactor.allows(Some("auth"), name);
}

/// How much a redactor has counted.
pub fn count(redactor: &Redactor) -> u64 {
    redactor
        .counts()
        .filter(|(kind, _)| *kind != Kind::NotAllowed)
        .map(|(_, count)| count)
        .sum()
}
