//! See `eggs_fuzz::registry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eggs_fuzz::registry(bytes));
