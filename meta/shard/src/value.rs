//! How values are written: a version byte, then postcard.
//!
//! **Invariant:** a stored value that does not decode whole is a fault, never a default.

use eggs_machine::Fault;
use eggs_proto::{decode, encode};
use serde::{Serialize, de::DeserializeOwned};

/// A type that is stored.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// For reports of damage.
    const WHAT: &'static str;
    /// First byte of the value. A new layout gets a new number and a migration in [`from_bytes`].
    const VERSION: u8 = 1;
}

/// Writes a value.
pub(crate) fn to_bytes<T: Stored>(value: &T) -> Vec<u8> {
    let mut bytes = vec![T::VERSION];
    bytes.append(&mut encode(value));
    bytes
}

/// Reads a value.
pub(crate) fn from_bytes<T: Stored>(bytes: &[u8]) -> Result<T, Fault> {
    match bytes.split_first() {
        Some((version, rest)) if *version == T::VERSION => decode(rest)
            .map_err(|_| Fault::Damaged(format!("a value of {} does not decode", T::WHAT))),
        Some((version, _)) => Err(Fault::Damaged(format!(
            "a value of {} has unknown version {version}",
            T::WHAT
        ))),
        None => Err(Fault::Damaged(format!("a value of {} is empty", T::WHAT))),
    }
}
