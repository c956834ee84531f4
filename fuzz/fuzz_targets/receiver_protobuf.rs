#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_otlp_receiver::fuzzing::protobuf(bytes));
