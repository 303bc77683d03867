//! See `eggs_fuzz::shard`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eggs_fuzz::shard(bytes));
