//! Content that can be made and checked anywhere from a seed.

use xxhash_rust::xxh64::xxh64;

/// Pseudo-random bytes: equal seeds give equal bytes; no two pages of any content are equal.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Which bytes.
    pub seed: u64,
    /// How many.
    pub bytes: usize,
}

impl Content {
    /// The bytes.
    pub fn make(&self) -> Vec<u8> {
        let words = self.bytes.div_ceil(8) as u64;
        let mut out = Vec::with_capacity(words as usize * 8);
        let mut state = xxh64(&self.seed.to_le_bytes(), 1);
        for word in 0..words {
            // A counter through a mixer, so that any part can be told from any other.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ word;
            out.extend_from_slice(&state.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes());
        }
        out.truncate(self.bytes);
        out
    }

    /// Whether these are the bytes; the first difference if not.
    pub fn check(&self, found: &[u8]) -> Result<(), String> {
        let expected = self.make();
        if expected == found {
            return Ok(());
        }
        let at = expected.iter().zip(found).position(|(a, b)| a != b);
        let at = at.unwrap_or(expected.len().min(found.len()));
        Err(format!(
            "{} bytes instead of {}, first difference at {at}",
            found.len(),
            expected.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found() {
        let content = Content {
            seed: 1,
            bytes: 10_000,
        };
        let mut bytes = content.make();
        assert_eq!(content.check(&bytes), Ok(()));
        assert!(content.check(&bytes[1..]).is_err());
        bytes[9_999] ^= 1;
        assert!(content.check(&bytes).unwrap_err().contains("9999"));
        assert_ne!(
            content.make(),
            Content {
                seed: 2,
                bytes: 10_000
            }
            .make()
        );
    }
}
