//! The laws of what clients send, over the fuzzers' corpus and mutations of it.
#![allow(clippy::unwrap_used)]

mod laws;

use std::path::Path;

fn replay(target: &str, law: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../fuzz/corpus").join(target);
    let mut random = fastrand::Rng::with_seed(9);
    let mut seeds = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        law(&bytes);
        seeds += 1;
        for _ in 0..300 {
            law(&mutated(&bytes, &mut random));
        }
    }
    assert!(seeds >= 5, "the corpus of {target} is missing");
}

fn mutated(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..4) {
            0 => bytes.insert(at, *random.choice(b"\x1e{}\":,;=0-9ek\xff").unwrap()),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(..at.min(64)),
        }
    }
    bytes
}

#[test]
fn tokens_open_only_as_they_were_sealed() {
    replay("resume_token", laws::token);
}

#[test]
fn frames_are_read_or_refused() {
    replay("resume_wire", laws::wire);
}
