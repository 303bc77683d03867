//! See `eggs_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eggs_fuzz::frame(bytes));
