//! Extended attributes: their names, checked once at the boundary.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{XATTR_NAME_BYTES_MAX, XATTRS_BYTES_MAX, XATTRS_MAX};

/// A name such as `user.origin`: 1 to 255 bytes without NUL. Which namespaces there are is for the mount to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct XattrName(#[serde(with = "serde_bytes")] Vec<u8>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadXattrName {
    /// No bytes at all.
    #[error("the name of an extended attribute may not be empty")]
    Empty,
    /// More than [`XATTR_NAME_BYTES_MAX`] bytes.
    #[error("the name of an extended attribute may not exceed 255 bytes")]
    TooLong,
    /// Holds NUL.
    #[error("the name of an extended attribute may not contain NUL")]
    Nul,
}

impl XattrName {
    /// Checks and takes a name.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, BadXattrName> {
        let bytes = bytes.into();
        match bytes.as_slice() {
            [] => Err(BadXattrName::Empty),
            long if long.len() > XATTR_NAME_BYTES_MAX => Err(BadXattrName::TooLong),
            other if other.contains(&0) => Err(BadXattrName::Nul),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for XattrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for XattrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl<'de> Deserialize<'de> for XattrName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xattr {
    /// Its name.
    pub name: XattrName,
    /// Up to `XATTR_VALUE_BYTES_MAX` bytes, possibly none.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

/// Whether one inode may have all of these: at most `XATTRS_MAX`, and of names and values at most `XATTRS_BYTES_MAX`
/// bytes.
pub fn xattrs_fit<'a>(all: impl Iterator<Item = (&'a XattrName, &'a [u8])>) -> bool {
    let (count, bytes) = all.fold((0, 0), |(count, bytes), (name, value)| {
        (count + 1, bytes + name.as_bytes().len() + value.len())
    });
    count <= XATTRS_MAX && bytes <= XATTRS_BYTES_MAX
}

/// What to do if an extended attribute is there already, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum XattrMode {
    /// Set it.
    Set,
    /// Refuse with `Exists` if it is there (`XATTR_CREATE`).
    Create,
    /// Refuse with `NoAttribute` if it is not (`XATTR_REPLACE`).
    Replace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused_and_do_not_decode() {
        for (bytes, why) in [
            (Vec::new(), BadXattrName::Empty),
            (b"a\0".to_vec(), BadXattrName::Nul),
            (vec![b'x'; 256], BadXattrName::TooLong),
        ] {
            let wire = postcard::to_stdvec(&serde_bytes::Bytes::new(&bytes)).unwrap();
            assert!(postcard::from_bytes::<XattrName>(&wire).is_err());
            assert_eq!(XattrName::new(bytes), Err(why));
        }
        assert!(XattrName::new(vec![0xff; 255]).is_ok());
        assert!(XattrName::new("user.a/b").is_ok());
    }
}
