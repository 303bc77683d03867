//! The end of a file that is not on its way to the disks yet.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::chunks::Chunk;
use super::rope::Rope;

/// Bytes being gathered.
#[derive(Debug, Default)]
pub(super) struct Tail {
    full: Rope,
    last: Option<Chunk>,
}

impl Tail {
    pub(super) fn len(&self) -> usize {
        self.full.len() + self.last_bytes().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that fit without another chunk.
    pub(super) fn room(&self) -> usize {
        self.last.as_ref().map_or(0, Chunk::room)
    }

    /// Chunks in use.
    pub(super) fn chunks(&self) -> usize {
        self.full.chunks().len() + usize::from(self.last.is_some())
    }

    /// Adds an empty chunk; there must be no room in those before.
    pub(super) fn grow(&mut self, chunk: Chunk) {
        self.seal();
        self.last = Some(chunk);
    }

    /// Appends bytes for which there is room.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if let Some(last) = &mut self.last {
            let left = last.append(bytes);
            debug_assert!(left.is_empty());
        }
    }

    /// Copies a range of it that is there.
    pub(super) fn copy(&self, range: Range<usize>) -> BytesMut {
        let mut out = BytesMut::with_capacity(range.len());
        for part in self.full.parts(range.clone()) {
            out.extend_from_slice(&part);
        }
        let before = self.full.len();
        let from = range.start.saturating_sub(before);
        let to = range.end.saturating_sub(before);
        out.extend_from_slice(&self.last_bytes()[from.min(to)..to]);
        out
    }

    /// All of it, which begins anew.
    pub(super) fn take(&mut self) -> Rope {
        self.seal();
        std::mem::take(&mut self.full)
    }

    /// All of it in one piece.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.copy(0..self.len()).into()
    }

    fn last_bytes(&self) -> &[u8] {
        self.last.as_ref().map_or(&[], AsRef::as_ref)
    }

    fn seal(&mut self) {
        if let Some(last) = self.last.take() {
            let bytes: Bytes = last.freeze();
            if !bytes.is_empty() {
                self.full.push(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::{CHUNK_BYTES, Chunks};
    use super::*;

    #[test]
    fn what_was_appended_is_there_in_one_piece_and_in_parts() {
        let chunks = Chunks::new(0);
        let mut tail = Tail::default();
        assert_eq!((tail.len(), tail.room(), tail.copy(0..0).len()), (0, 0, 0));
        let bytes: Vec<u8> = (0..2 * CHUNK_BYTES + 9).map(|i| (i / 3) as u8).collect();
        let mut left = &bytes[..];
        while !left.is_empty() {
            if tail.room() == 0 {
                tail.grow(chunks.chunk(None));
            }
            let (now, later) = left.split_at(left.len().min(100_000).min(tail.room()));
            tail.append(now);
            left = later;
        }
        assert_eq!((tail.len(), tail.chunks()), (bytes.len(), 3));
        for range in [
            0..bytes.len(),
            3..4,
            CHUNK_BYTES - 1..bytes.len(),
            2 * CHUNK_BYTES + 1..2 * CHUNK_BYTES + 4,
        ] {
            assert!(tail.copy(range.clone())[..] == bytes[range]);
        }
        let taken = tail.take();
        assert!(taken.to_vec() == bytes);
        assert!(tail.is_empty() && tail.room() == 0);
    }
}
