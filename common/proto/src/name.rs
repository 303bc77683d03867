//! Names of dentries, checked once at the boundary.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh64::xxh64;

use crate::{InodeId, NAME_BYTES_MAX};

/// A name that a directory may hold: 1 to 255 bytes, not `.` or `..`, without `/` and NUL. Not
/// necessarily UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(#[serde(with = "serde_bytes")] Vec<u8>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No bytes at all.
    #[error("a name may not be empty")]
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    #[error("a name may not exceed 255 bytes")]
    TooLong,
    /// `.` or `..`.
    #[error("a name may not be '.' or '..'")]
    Dots,
    /// Holds `/` or NUL.
    #[error("a name may not contain '/' or NUL")]
    Separator,
}

impl Name {
    /// Checks and takes a name.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, BadName> {
        let bytes = bytes.into();
        match bytes.as_slice() {
            [] => Err(BadName::Empty),
            b"." | b".." => Err(BadName::Dots),
            long if long.len() > NAME_BYTES_MAX => Err(BadName::TooLong),
            other if other.iter().any(|b| matches!(b, b'/' | 0)) => Err(BadName::Separator),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Where the name sorts in a listing of `dir`: 63 bits, so that it fits a directory offset.
    /// Seeded with the directory, so that colliding names in one do not collide in another.
    pub fn hash_in(&self, dir: InodeId) -> NameHash {
        NameHash(xxh64(&self.0, dir.get()) >> 1)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// Position of a name in a directory listing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NameHash(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused() {
        let cases: [(&[u8], BadName); 6] = [
            (b"", BadName::Empty),
            (b".", BadName::Dots),
            (b"..", BadName::Dots),
            (b"a/b", BadName::Separator),
            (b"a\0", BadName::Separator),
            (&[b'x'; 256], BadName::TooLong),
        ];
        for (bytes, why) in cases {
            assert_eq!(Name::new(bytes), Err(why), "{bytes:?}");
        }
        assert!(Name::new([b'x'; 255]).is_ok());
        assert!(Name::new(*b"...").is_ok());
        assert!(Name::new([0xff, 0xfe]).is_ok());
    }

    #[test]
    fn a_bad_name_does_not_decode() {
        let wire = postcard::to_stdvec(&serde_bytes::Bytes::new(b"..")).unwrap();
        assert!(postcard::from_bytes::<Name>(&wire).is_err());
    }
}
