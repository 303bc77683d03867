//! Values as the content of files: most of the small ones fit into the metadata, the large ones all need blocks.

use crate::Content;
use crate::history::Answer;

const NUMBER_BYTES: usize = 8;

/// Values of this number and above are large.
pub(super) const LARGE: u64 = 1 << 40;

/// Bytes of the file that holds a value.
const fn size(value: u64) -> usize {
    if value >= LARGE {
        return match value % 8 {
            0 => 5_000_000 + (value * 97 % 1_000_000) as usize,
            1 | 2 => 1_000_000 + (value * 97 % 900_000) as usize,
            _ => 50_000 + (value * 97 % 400_000) as usize,
        };
    }
    match value % 16 {
        0 => 300_000 + (value % 5_000) as usize,
        1..=3 => 5_000 + (value * 97 % 60_000) as usize,
        _ => NUMBER_BYTES + (value % 60) as usize,
    }
}

/// The content that stands for a value.
pub(super) fn encode(value: u64) -> Vec<u8> {
    let mut bytes = value.to_le_bytes().to_vec();
    let bytes_more = size(value) - NUMBER_BYTES;
    bytes.extend(
        Content {
            seed: value,
            bytes: bytes_more,
        }
        .make(),
    );
    bytes
}

/// The value that a content stands for, every byte of it checked.
pub(super) fn decode(bytes: &[u8]) -> Answer {
    let Some((head, rest)) = bytes.split_first_chunk::<NUMBER_BYTES>() else {
        let why = format!("a file has only {} bytes", bytes.len());
        return Answer::Wrong { why };
    };
    let value = u64::from_le_bytes(*head);
    let expected = Content {
        seed: value,
        bytes: size(value) - NUMBER_BYTES,
    };
    match expected.check(rest) {
        Ok(()) => Answer::Value { value: Some(value) },
        Err(why) => Answer::Wrong {
            why: format!("content that begins like value {value}: {why}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        for value in [0, 1, 7, 12_345, LARGE, LARGE + 1, LARGE + 7] {
            let mut bytes = encode(value);
            assert_eq!(decode(&bytes), Answer::Value { value: Some(value) });
            let wrong = |bytes: &[u8]| matches!(decode(bytes), Answer::Wrong { .. });
            assert!(wrong(&bytes[..bytes.len() - 1]));
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            assert!(wrong(&bytes));
        }
        assert!(matches!(decode(b"short"), Answer::Wrong { .. }));
    }
}
