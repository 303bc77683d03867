//! How values are written: a version byte, then postcard.
//!
//! **Invariant:** a stored value that does not decode whole is a fault, never a default.

use std::cmp::Ordering;

use eggs_machine::Fault;
use eggs_proto::{Malformed, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

/// A type that is stored.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// For reports of damage.
    const WHAT: &'static str;
    /// First byte of the value. A new layout gets a new number, and [`Self::migrate`] reads the older ones.
    const VERSION: u8 = 1;

    /// Reads a value of an older version, without its version byte; `None` if there was none of that number. What
    /// is read is written in the new layout with the next change.
    fn migrate(_version: u8, _bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        None
    }
}

/// Writes a value.
pub(crate) fn to_bytes<T: Stored>(value: &T) -> Vec<u8> {
    let mut bytes = vec![T::VERSION];
    bytes.append(&mut encode(value));
    bytes
}

/// Reads a value.
pub(crate) fn from_bytes<T: Stored>(bytes: &[u8]) -> Result<T, Fault> {
    let Some((version, rest)) = bytes.split_first() else {
        return Err(Fault::Damaged(format!("a value of {} is empty", T::WHAT)));
    };
    let read = match version.cmp(&T::VERSION) {
        Ordering::Equal => Some(decode(rest)),
        Ordering::Less => T::migrate(*version, rest),
        Ordering::Greater => None,
    };
    match read {
        Some(Ok(value)) => Ok(value),
        Some(Err(Malformed)) => Err(Fault::Damaged(format!(
            "a value of {} does not decode",
            T::WHAT
        ))),
        None => Err(Fault::Damaged(format!(
            "a value of {} has unknown version {version}",
            T::WHAT
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Version 1 had a count only.
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
        for bad in [&[][..], &[0, 7], &[1], &[1, 7, 7], &[3, 7]] {
            assert!(from_bytes::<Sample>(bad).is_err(), "{bad:?}");
        }
    }
}
