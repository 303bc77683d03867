//! Messages: what is asked of each server and what it answers.
//!
//! The position of a variant in its enum is its number on the wire and in the log: append only, retired ones
//! stay. `tests/golden/` pins the bytes.

pub mod audit;
pub mod block;
pub mod cdc;
pub mod meta;
pub mod registry;
pub mod shard;
pub mod tree;

use serde::{Serialize, de::DeserializeOwned};

/// Room that is made for a message or stored value before it is written.
const USUAL_BYTES: usize = 120;

/// A message does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not decode")]
pub struct Malformed;

/// Writes a message or stored value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_after(Vec::new(), value)
}

/// Writes a message or stored value behind what is there already.
pub fn encode_after<T: Serialize>(mut bytes: Vec<u8>, value: &T) -> Vec<u8> {
    // Most values fit: one allocation instead of one for each doubling from a byte.
    bytes.reserve(USUAL_BYTES);
    postcard::to_extend(value, bytes).expect("our own types always have an encoding")
}

/// Reads a message or stored value; bytes left over are refused.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, _)) | Err(_) => Err(Malformed),
    }
}
