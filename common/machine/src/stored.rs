//! How values are written: a version byte, then postcard.
//!
//! A new layout gets a new version, and reads the older ones: [`Stored::migrate`]. Some values had no version byte at
//! first; those that can be told from all others are still read, too: [`Stored::unversioned`]. What is read is written
//! in the new layout with the next change of it, so that states of any age hold both.
//!
//! **Invariant:** a stored value that does not decode whole is a fault, never a default.
//!
//! **Invariant:** what any release has written is read by every later one: `golden/` keeps whole states of each.

use std::cmp::Ordering;

use eggs_proto::{Malformed, decode, encode_after};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Fault;

/// A type that is stored.
pub trait Stored: Serialize + DeserializeOwned {
    /// For reports of damage.
    const WHAT: &'static str;
    /// First byte of the value.
    const VERSION: u8 = 1;

    /// Reads a value of an older version, without its version byte; `None` if there was none of that number.
    fn migrate(_version: u8, _bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        None
    }

    /// Reads a value from before there was a version byte; `None` if this cannot be one.
    fn unversioned(_bytes: &[u8]) -> Option<Self> {
        None
    }
}

/// Writes a value.
pub fn to_bytes<T: Stored>(value: &T) -> Vec<u8> {
    encode_after(vec![T::VERSION], value)
}

/// Reads a value.
pub fn from_bytes<T: Stored>(bytes: &[u8]) -> Result<T, Fault> {
    let Some((version, rest)) = bytes.split_first() else {
        return Err(Fault::Damaged(format!("a value of {} is empty", T::WHAT)));
    };
    let read = match version.cmp(&T::VERSION) {
        Ordering::Equal => Some(decode(rest)),
        Ordering::Less => T::migrate(*version, rest),
        Ordering::Greater => None,
    };
    let why = match read {
        Some(Ok(value)) => return Ok(value),
        Some(Err(Malformed)) => "does not decode".to_owned(),
        None => format!("has unknown version {version}"),
    };
    T::unversioned(bytes).ok_or_else(|| Fault::Damaged(format!("a value of {} {why}", T::WHAT)))
}

/// A count or a time by itself. Version 1 had no version byte: eight bytes, big-endian, and the first was always 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredNumber(pub u64);

impl Stored for StoredNumber {
    const WHAT: &'static str = "numbers";
    const VERSION: u8 = 2;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; 8]>::try_from(bytes).ok()?;
        (bytes[0] == 0).then(|| Self(u64::from_be_bytes(bytes)))
    }
}

/// A key of another table, at which something goes on. Version 1 had no version byte: it was the key, which began
/// with the first byte of a time and so with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCursor(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl Stored for StoredCursor {
    const WHAT: &'static str = "cursors";
    const VERSION: u8 = 2;

    fn unversioned(bytes: &[u8]) -> Option<Self> {
        (bytes.first() == Some(&0)).then(|| Self(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 had a count only, and the first values were a count in one byte from 200 on.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        count: u64,
        label: String,
    }

    impl Stored for Sample {
        const WHAT: &'static str = "samples";
        const VERSION: u8 = 2;

        fn migrate(version: u8, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
            let old = |count| Self {
                count,
                label: "old".into(),
            };
            (version == 1).then(|| decode(bytes).map(old))
        }

        fn unversioned(bytes: &[u8]) -> Option<Self> {
            match bytes {
                [count] if *count >= 200 => Some(Self {
                    count: u64::from(*count),
                    label: "oldest".into(),
                }),
                _ => None,
            }
        }
    }

    #[test]
    fn old_values_are_migrated_and_others_are_faults() {
        let new = Sample {
            count: 7,
            label: "new".into(),
        };
        let bytes = to_bytes(&new);
        assert_eq!(bytes[0], 2);
        assert_eq!(from_bytes::<Sample>(&bytes).unwrap(), new);
        let old = from_bytes::<Sample>(&[1, 7]).unwrap();
        assert_eq!((old.count, old.label.as_str()), (7, "old"));
        let oldest = from_bytes::<Sample>(&[200]).unwrap();
        assert_eq!((oldest.count, oldest.label.as_str()), (200, "oldest"));
        for bad in [&[][..], &[0, 7], &[1], &[1, 7, 7], &[3, 7], &[200, 7]] {
            assert!(from_bytes::<Sample>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_and_cursors_of_both_forms_are_read() {
        let number = |bytes: &[u8]| from_bytes::<StoredNumber>(bytes).ok().map(|n| n.0);
        assert_eq!(to_bytes(&StoredNumber(300)), [2, 0xac, 0x02]);
        assert_eq!(number(&[2, 0xac, 0x02]), Some(300));
        assert_eq!(number(&300u64.to_be_bytes()), Some(300));
        // Eight bytes of either form.
        let long = to_bytes(&StoredNumber(1 << 48));
        assert_eq!((long.len(), number(&long)), (8, Some(1 << 48)));
        for bad in [&[][..], &[2], &[0; 7], &[0; 9], &[1; 8], &[3; 8]] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        let cursor = |bytes: &[u8]| from_bytes::<StoredCursor>(bytes).ok().map(|c| c.0);
        assert_eq!(to_bytes(&StoredCursor(vec![0, 5])), [2, 2, 0, 5]);
        assert_eq!(cursor(&[2, 2, 0, 5]), Some(vec![0, 5]));
        assert_eq!(cursor(&[0, 5]), Some(vec![0, 5]));
        for bad in [&[][..], &[2, 9], &[1, 2]] {
            assert_eq!(cursor(bad), None, "{bad:?}");
        }
    }
}
