#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_telemetry::differential::check(bytes));
