#![no_main]

#[path = "../../crates/propagation/tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::tracestate(bytes));
