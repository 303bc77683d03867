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

/// A message does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not decode")]
pub struct Malformed;

/// Writes a message or stored value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our own types always have an encoding")
}

/// Reads a message or stored value; bytes left over are refused.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, _)) | Err(_) => Err(Malformed),
    }
}
