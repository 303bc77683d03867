//! The state of a group as bytes: what checkpoints and backups are made of, and how states are compared.
//!
//! A chunk is a sequence of `table (1), key length (4), key, value length (4), value`, little-endian, keys without the
//! group, in order of tables and keys.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh64::Xxh64;

/// Shows every row of a chunk; false if it is malformed.
#[must_use]
pub fn for_each_row(mut chunk: &[u8], mut visit: impl FnMut(u8, &[u8], &[u8])) -> bool {
    fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (part, after) = after.split_at_checked(length)?;
        *rest = after;
        Some(part)
    }
    while let Some((table, mut rest)) = chunk.split_first() {
        let (Some(key), Some(value)) = (part(&mut rest), part(&mut rest)) else {
            return false;
        };
        visit(*table, key, value);
        chunk = rest;
    }
    true
}

/// Names a piece of a state by its content: SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PieceId(pub [u8; 32]);

impl PieceId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for PieceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a piece: 64 hexadecimal digits")]
pub struct NotAPiece;

impl FromStr for PieceId {
    type Err = NotAPiece;

    fn from_str(text: &str) -> Result<Self, NotAPiece> {
        let digits = text.as_bytes();
        let mut id = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotAPiece);
        }
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAPiece)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAPiece)?;
        }
        Ok(Self(id))
    }
}

/// A row of a group's state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateKey {
    /// Its table.
    pub table: u8,
    /// Its key, without the group.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
}

/// What one table of a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    /// Which.
    pub table: u8,
    /// Its rows.
    pub rows: u64,
    /// XXH64 (seed 0) over all rows in order, each as in a chunk.
    pub digest: u64,
}

/// Makes the digests of the tables of a group.
#[derive(Default)]
pub struct Digester {
    tables: BTreeMap<u8, (Xxh64, u64)>,
}

impl Digester {
    /// Takes the next row.
    pub fn add(&mut self, table: u8, key: &[u8], value: &[u8]) {
        let (hash, rows) = self
            .tables
            .entry(table)
            .or_insert_with(|| (Xxh64::new(0), 0));
        hash.update(&[table]);
        for part in [key, value] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX); // no store takes more
            hash.update(&length.to_le_bytes());
            hash.update(part);
        }
        *rows += 1;
    }

    /// One for each table that has rows, in order.
    pub fn finish(self) -> Vec<TableDigest> {
        let digest = |(table, (hash, rows)): (u8, (Xxh64, u64))| TableDigest {
            table,
            rows,
            digest: hash.digest(),
        };
        self.tables.into_iter().map(digest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_named_by_their_content() {
        let id = PieceId::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
        for bad in [
            "",
            "ba",
            &text[..63],
            &text.replace('b', "g"),
            &text.replace("ba", "+a"),
        ] {
            assert_eq!(bad.parse::<PieceId>(), Err(NotAPiece), "{bad}");
        }
    }

    #[test]
    fn digests_tell_rows_apart_that_look_alike() {
        let digest = |rows: &[(u8, &[u8], &[u8])]| {
            let mut digester = Digester::default();
            rows.iter().for_each(|(t, k, v)| digester.add(*t, k, v));
            digester.finish()
        };
        let one = digest(&[(1, b"ab", b"c"), (2, b"", b"")]);
        assert_eq!(one, digest(&[(1, b"ab", b"c"), (2, b"", b"")]));
        assert_eq!((one[0].rows, one[1].rows), (1, 1));
        for other in [&[(1u8, &b"a"[..], &b"bc"[..])][..], &[(1, b"ab", b"d")]] {
            assert_ne!(digest(other)[0], one[0]);
        }
        // Each table has a digest of its own.
        assert_eq!(digest(&[(1, b"ab", b"c")])[0], one[0]);
    }
}
