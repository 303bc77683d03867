//! See `eggs_fuzz::cdc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eggs_fuzz::cdc(bytes));
