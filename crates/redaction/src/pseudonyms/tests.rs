#![allow(clippy::unwrap_used)]

use super::*;

/// The key and the text of RFC 4231, test case 6, so that the hash can be checked by eye:
/// `60e431591ee0b67f0d8a26aacbf5b77f...`
fn rfc_4231() -> Pseudonyms {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode([0xaa; 131]);
    Pseudonyms::from_keys(&format!("k1:{key}")).unwrap()
}

#[test]
fn a_pseudonym_is_the_beginning_of_the_hash() {
    let id = rfc_4231().of("Test Using Larger Than Block-Size Key - Hash Key First");
    // base32 of 60e431591ee0b67f0d8a26aacbf5b77f
    assert_eq!(id, "k1:mdsdcwi64c3h6dmke2vmx5nxp4");
}

#[test]
fn equal_values_have_equal_pseudonyms_and_others_do_not() {
    let pseudonyms = rfc_4231();
    assert_eq!(pseudonyms.of("42"), pseudonyms.clone().of("42"));
    assert_ne!(pseudonyms.of("42"), pseudonyms.of("43"));
    assert_eq!(pseudonyms.of("").len(), "k1:".len() + 26);
}

#[test]
fn an_old_pseudonym_is_found_while_its_key_is_kept() {
    let old_key = "k1:MDEyMzQ1Njc4OWFiY2RlZg==";
    let new_key = "k2:ZmVkY2JhOTg3NjU0MzIxMA";
    let old = Pseudonyms::from_keys(old_key).unwrap().of("42");
    let both = Pseudonyms::from_keys(&format!("# the new one\n{new_key}\n\n{old_key}\n")).unwrap();
    assert!(both.of("42").starts_with("k2:"));
    assert!(both.matches(&old, "42") && !both.matches(&old, "43"));
    let new = Pseudonyms::from_keys(new_key).unwrap();
    assert!(!new.matches(&old, "42"));
    for not_one in ["", ":", "k1", "k2:", "k2:x", "k1:ü"] {
        assert!(!both.matches(not_one, "42"), "{not_one}");
    }
}

#[test]
fn a_wrong_key_is_told_without_telling_it() {
    for (keys, expected) in [
        ("", "no pseudonym key in the keys: write `k1:`"),
        ("# nothing\n", "no pseudonym key"),
        ("s3cr3tkey", "in line 1 of the keys: expected `id:base64`"),
        (
            "\nk 1:s3cr3tkey",
            "in line 2 of the keys: expected before the colon an id",
        ),
        (":s3cr3tkey", "expected before the colon"),
        ("k1:s3cr3t key!", "expected base64 behind the colon"),
        (
            "k1:czNjcjN0",
            "less than 16 bytes: make one with `openssl rand",
        ),
        (
            "k1:MDEyMzQ1Njc4OWFiY2RlZg==\nk1:MDEyMzQ1Njc4OWFiY2RlZg==",
            "in line 2 of the keys: its id is there twice",
        ),
    ] {
        let error = Pseudonyms::from_keys(keys).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("s3cr3t") && !text.contains("czNj"), "{text}");
        assert!(!error.is_unreadable());
    }
}

#[test]
fn keys_come_from_a_variable_or_a_file_but_not_from_both() {
    let file = std::env::temp_dir().join(format!("pseudonym-keys-{}", std::process::id()));
    std::fs::write(&file, "f1:MDEyMzQ1Njc4OWFiY2RlZg==\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let key = "v1:MDEyMzQ1Njc4OWFiY2RlZg==";

    let by = |variable: Option<&str>, file: Option<&str>| {
        Pseudonyms::from_variables(|name| match name {
            KEY => variable.map(str::to_owned),
            KEY_FILE => file.map(str::to_owned),
            _ => None,
        })
    };
    assert!(by(Some(key), None).unwrap().of("x").starts_with("v1:"));
    assert!(
        by(Some(" "), Some(&path))
            .unwrap()
            .of("x")
            .starts_with("f1:")
    );
    assert!(
        by(Some(key), Some(&path))
            .unwrap_err()
            .to_string()
            .contains("both set")
    );
    std::fs::remove_file(&file).unwrap();
    let gone = by(None, Some(&path)).unwrap_err();
    assert!(
        gone.is_unreadable() && gone.to_string().contains("pseudonym-keys-"),
        "{gone}"
    );
}

#[test]
fn without_a_key_pseudonyms_end_with_the_process() {
    let one = Pseudonyms::from_variables(|_| None).unwrap();
    let other = Pseudonyms::temporary();
    assert!(one.is_temporary() && !rfc_4231().is_temporary());
    assert!(one.of("42").starts_with("tmp-"));
    assert_eq!(one.of("42"), one.of("42"));
    assert!(!other.matches(&one.of("42"), "42"));
}

#[test]
fn no_key_is_printed() {
    let printed = format!("{:?}", rfc_4231());
    assert_eq!(printed, "Pseudonyms { keys: [\"k1\"], temporary: false }");
}
