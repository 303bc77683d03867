//! See `eggs_fuzz::block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eggs_fuzz::block(bytes));
