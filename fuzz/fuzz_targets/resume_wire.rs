#![no_main]

#[path = "../../ws-layer/tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::wire(bytes));
