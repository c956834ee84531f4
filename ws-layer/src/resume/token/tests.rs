#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const NOW: u32 = 1500;

fn token() -> Token {
    Token {
        sid: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        generation: 3,
        issued: 1000,
        expires: 2000,
        node: 9,
        mark: [5; 25],
    }
}

fn key(id: u8, byte: u8) -> Key {
    Key::new(id, [byte; 32]).unwrap()
}

fn keys() -> Keys {
    Keys::new(key(1, 1))
}

fn sealed(keys: &Keys) -> String {
    token().seal(keys, b"ann", "live").unwrap()
}

fn open(text: &str, keys: &Keys) -> Result<Token, Refused> {
    Token::open(text, keys, b"ann", "live", NOW)
}

#[test]
fn a_token_is_good_for_its_principal_and_endpoint() {
    let (keys, text) = (keys(), sealed(&keys()));
    assert_eq!(text.len(), LENGTH);
    assert_eq!(open(&text, &keys), Ok(token()));
    let other = |principal: &[u8], endpoint| Token::open(&text, &keys, principal, endpoint, NOW);
    for principal in [&b"bob"[..], b"", b"ann ", b"an", b"Ann"] {
        assert_eq!(other(principal, "live"), Err(Refused::OtherPrincipal));
    }
    for endpoint in ["chat", "", "liv", "live "] {
        assert_eq!(other(b"ann", endpoint), Err(Refused::Invalid));
    }
}

#[test]
fn clocks_may_be_five_seconds_apart_and_no_more() {
    let (keys, text) = (keys(), sealed(&keys()));
    let at = |now| Token::open(&text, &keys, b"ann", "live", now).map(|_| ());
    assert_eq!([at(995), at(1000), at(2000), at(2005)], [Ok(()); 4]);
    assert_eq!(at(994), Err(Refused::Invalid), "from the future");
    assert_eq!(at(2006), Err(Refused::Expired));
    assert_eq!(
        (at(0), at(u32::MAX)),
        (Err(Refused::Invalid), Err(Refused::Expired))
    );
    // That it is expired is told to its own principal alone.
    let bob = Token::open(&text, &keys, b"bob", "live", 3000);
    assert_eq!(bob, Err(Refused::OtherPrincipal));
    let forever = Token {
        expires: u32::MAX,
        ..token()
    };
    let text = forever.seal(&keys, b"ann", "live").unwrap();
    assert!(Token::open(&text, &keys, b"ann", "live", u32::MAX).is_ok());
}

#[test]
fn every_bit_that_is_changed_is_noticed() {
    // Another key is accepted, so that a changed key id may name one that is known.
    let keys = keys().accept(key(0, 2)).accept(key(3, 3));
    let text = sealed(&keys);
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for bit in 0..SIZE * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = URL_SAFE_NO_PAD.encode(changed);
        assert_eq!(open(&changed, &keys), Err(Refused::Invalid), "bit {bit}");
    }
}

#[test]
fn every_character_that_is_changed_is_noticed() {
    let (keys, text) = (keys(), sealed(&keys()));
    for at in 0..LENGTH {
        for byte in 0..128 {
            let mut changed = text.clone().into_bytes();
            let before = std::mem::replace(&mut changed[at], byte);
            let changed = String::from_utf8(changed).unwrap();
            if byte != before {
                assert_eq!(open(&changed, &keys), Err(Refused::Invalid), "{changed}");
            }
        }
    }
}

#[test]
fn a_token_that_is_cut_or_padded_is_none() {
    let (keys, text) = (keys(), sealed(&keys()));
    for length in 0..LENGTH {
        assert_eq!(open(&text[..length], &keys), Err(Refused::Invalid));
        assert_eq!(open(&text[LENGTH - length..], &keys), Err(Refused::Invalid));
    }
    for more in ["A", "=", "AAAA", " ", "\0"] {
        assert_eq!(open(&format!("{text}{more}"), &keys), Err(Refused::Invalid));
        assert_eq!(open(&format!("{more}{text}"), &keys), Err(Refused::Invalid));
    }
    let wide = "\u{fe4f}".repeat(LENGTH / 3);
    assert_eq!(
        (wide.len(), open(&wide, &keys)),
        (LENGTH, Err(Refused::Invalid))
    );
}

#[test]
fn keys_are_rotated_without_losing_a_token() {
    let (old, new) = (|| key(1, 1), || key(2, 2));
    let before = sealed(&Keys::new(old()));
    let after = sealed(&Keys::new(new()).accept(old()));
    // First the new key is accepted everywhere, then it signs, then the old one is dropped.
    let steps = [
        (Keys::new(old()), [true, false]),
        (Keys::new(old()).accept(new()), [true, true]),
        (Keys::new(new()).accept(old()), [true, true]),
        (Keys::new(new()), [false, true]),
    ];
    for (keys, good) in steps {
        let is_good = [&before, &after].map(|text| open(text, &keys) == Ok(token()));
        assert_eq!(is_good, good, "{keys:?}");
        let bob = |text: &String| Token::open(text, &keys, b"bob", "live", NOW);
        let refused = good.map(|good| match good {
            true => Err(Refused::OtherPrincipal),
            false => Err(Refused::Invalid),
        });
        assert_eq!([bob(&before), bob(&after)], refused);
    }
    let same_id = Keys::new(key(1, 9));
    assert_eq!(open(&before, &same_id), Err(Refused::Invalid));
}

#[test]
fn a_short_secret_is_no_key_and_no_key_is_shown() {
    let short = Key::new(1, [1; 31]).unwrap_err();
    assert_eq!(
        short.to_string(),
        "resume key has 31 bytes: use at least 32, from a random source"
    );
    assert!(!format!("{:?}", Keys::new(key(7, 77))).contains("77"));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_as_it_was(
        sid: u128, generation: u32, issued in 0..=NOW, expires in NOW..=u32::MAX, node: u16,
        mark in proptest::array::uniform25(any::<u8>()), principal: Vec<u8>, endpoint in ".*",
    ) {
        let token = Token { sid, generation, issued, expires, node, mark };
        let text = token.seal(&keys(), &principal, &endpoint).unwrap();
        prop_assert_eq!(text.len(), LENGTH);
        prop_assert_eq!(Token::open(&text, &keys(), &principal, &endpoint, NOW), Ok(token));
    }

    #[test]
    fn what_nobody_sealed_does_not_open(text in ".*", bytes in proptest::array::uniform32(any::<u8>())) {
        prop_assert_eq!(open(&text, &keys()), Err(Refused::Invalid));
        let mut junk = [0; SIZE];
        junk[..2].copy_from_slice(&[VERSION, 1]);
        junk[2..34].copy_from_slice(&bytes);
        junk[49..].copy_from_slice(&bytes);
        prop_assert_eq!(open(&URL_SAFE_NO_PAD.encode(junk), &keys()), Err(Refused::Invalid));
    }
}
