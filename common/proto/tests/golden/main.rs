//! The bytes of every message are pinned: a variant's position is its number on the wire and in the log.
//!
//! Each enum lists all its variants in order, which the compiler checks for completeness, with one value of each. A
//! new variant goes at the end, here as there; a line of an expectation never changes.

use eggs_proto::{Malformed, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

/// Pins one value of every variant.
macro_rules! pin {
    ($enum:ident [$($variant:ident),* $(,)?], $values:expr, $expected:expr) => {{
        let name = |value: &$enum| match value {
            $($enum::$variant { .. } => stringify!($variant)),*
        };
        let names = [$(stringify!($variant)),*];
        let values: Vec<$enum> = $values.into();
        assert_eq!(values.iter().map(name).collect::<Vec<_>>(), names);
        use std::fmt::Write;
        let mut text = String::new();
        for (number, value) in values.iter().enumerate() {
            let bytes = bytes_of(value);
            assert_eq!(usize::from(bytes[0]), number, "{value:?}");
            writeln!(text, "{} {}", names[number], hex(&bytes)).expect("a string takes all");
        }
        $expected.assert_eq(&text);
    }};
}

mod audit;
mod basics;
mod refusals;
mod servers;
mod shard_replies;
mod shard_requests;
mod values;

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The encoding, after checking that it comes back and that nothing shorter or longer does.
pub fn bytes_of<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
) -> Vec<u8> {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert_eq!(
            decode::<T>(&bytes[..end]),
            Err(Malformed),
            "{value:?} cut at {end}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode::<T>(&longer), Err(Malformed));
    bytes
}
