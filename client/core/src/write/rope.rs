//! Bytes in chunks, one after the other.

use std::ops::Range;

use bytes::Bytes;

use super::chunks::CHUNK_BYTES;

/// Bytes that do not change any more. A clone shares them.
///
/// **Invariant:** every chunk but the last one is full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rope {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Rope {
    /// Appends a chunk; all before it must be full.
    pub(super) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.len.is_multiple_of(CHUNK_BYTES) && chunk.len() <= CHUNK_BYTES);
        self.len += chunk.len();
        self.chunks.push(chunk);
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The chunks, in order.
    pub(super) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The bytes from here to the end of their chunk; empty at the end.
    pub(super) fn run(&self, offset: usize) -> &[u8] {
        let chunk = self.chunks.get(offset / CHUNK_BYTES);
        chunk
            .and_then(|chunk| chunk.get(offset % CHUNK_BYTES..))
            .unwrap_or_default()
    }

    /// The part of a range that is there, without copying it.
    pub(super) fn parts(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        let (mut at, end) = (range.start, range.end.min(self.len));
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let chunk = self.chunks.get(at / CHUNK_BYTES)?;
            let from = at % CHUNK_BYTES;
            let to = chunk.len().min(from + end - at);
            at += to - from;
            Some(chunk.slice(from..to))
        })
    }

    /// All in one piece.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

#[cfg(test)]
impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        let mut rope = Self::default();
        for chunk in bytes.chunks(CHUNK_BYTES) {
            rope.push(Bytes::copy_from_slice(chunk));
        }
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_runs_are_the_bytes_asked_for() {
        let bytes: Vec<u8> = (0..2 * CHUNK_BYTES + 1000).map(|i| (i / 7) as u8).collect();
        let rope = Rope::from(bytes.clone());
        let len = bytes.len();
        for range in [
            0..len,
            5..6,
            CHUNK_BYTES - 1..CHUNK_BYTES + 1,
            CHUNK_BYTES..2 * CHUNK_BYTES,
            100..2 * CHUNK_BYTES + 10,
            len - 3..len + 50,
            len..len + 1,
            7..7,
        ] {
            let parts: Vec<Bytes> = rope.parts(range.clone()).collect();
            assert!(parts.iter().all(|part| !part.is_empty()));
            let there = range.start..range.end.min(len);
            assert!(parts.concat() == bytes[there], "{range:?}");
        }
        assert_eq!(rope.run(3), &bytes[3..CHUNK_BYTES]);
        assert_eq!(rope.run(2 * CHUNK_BYTES + 1), &bytes[2 * CHUNK_BYTES + 1..]);
        assert_eq!(
            (rope.run(len), rope.run(len + 1_000_000)),
            (&[][..], &[][..])
        );
        assert!(rope.to_vec() == bytes);
    }
}
