//! A whole state as text, for golden files: one line for each key, with table, key and value in hexadecimal.
//!
//! What a release wrote is kept for ever in `golden/`, and every later one has to read it.

use std::fmt::Write as _;

use crate::{MemoryStore, Store as _, Table};

/// Stands for a key or value of no bytes.
const EMPTY: &str = "-";

/// Writes a state.
pub fn dump(store: &MemoryStore) -> String {
    let mut text = String::new();
    for (table, key, value) in store.iter() {
        writeln!(text, "{} {} {}", table.0, hex(key), hex(value)).expect("a string takes all");
    }
    text
}

/// Reads what [`dump`] wrote; empty lines and lines that begin with `#` are passed over. Panics on anything else: it is
/// for tests.
pub fn load(text: &str) -> MemoryStore {
    let mut store = MemoryStore::default();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split(' ');
        let (Some(table), Some(key), Some(value), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            panic!("not a table, a key and a value: {line}");
        };
        let table = Table(table.parse().expect("a table is a number"));
        store.put(table, &bytes(key), &bytes(value));
    }
    store
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return EMPTY.to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(word: &str) -> Vec<u8> {
    if word == EMPTY {
        return Vec::new();
    }
    let digits = word.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are text");
        u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
    };
    digits.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back() {
        let mut store = MemoryStore::default();
        store.put(Table(16), b"", b"\x00\xff");
        store.put(Table(17), b"key", b"");
        let text = dump(&store);
        assert_eq!(text, "16 - 00ff\n17 6b6579 -\n");
        assert_eq!(load(&format!("# a comment\n\n{text}")), store);
    }
}
