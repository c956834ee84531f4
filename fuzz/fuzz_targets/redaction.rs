#![no_main]

#[path = "../../crates/redaction/tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::text(bytes);
    laws::field(bytes);
});
