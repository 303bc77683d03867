//! Memory of a block that did not come into it by itself: filled in the order of its pages, with what was made, and between that
//! with what lies elsewhere.

use bytes::BytesMut;

use super::page_range::PageRange;
use super::page_store::PageStore;

/// Pages of one block, as far as they are filled.
pub(super) struct Filling {
    index: u8,
    range: PageRange,
    /// The first page that is not there yet.
    next: u32,
    /// Empty at first, with room for exactly the range together.
    pieces: Vec<BytesMut>,
    /// The piece that is being filled.
    at: usize,
}

impl Filling {
    /// Begins; the pieces are empty and hold whole pages, those of the range together.
    pub(super) fn new(index: u8, range: PageRange, pieces: Vec<BytesMut>) -> Self {
        Self {
            index,
            range,
            next: range.first,
            pieces,
            at: 0,
        }
    }

    /// Takes pages that were made, after those of the store that come before them.
    pub(super) fn put(&mut self, store: &PageStore, first: u32, bytes: &[u8]) {
        self.fill_until(store, first);
        self.push(bytes);
        self.next = first + (bytes.len() / eggs_proto::PAGE_BYTES) as u32;
    }

    /// The pieces, all full: with what was made, and with the rest from the store.
    pub(super) fn finish(mut self, store: &PageStore) -> Vec<BytesMut> {
        self.fill_until(store, self.range.end);
        self.pieces
    }

    fn fill_until(&mut self, store: &PageStore, end: u32) {
        for page in self.next..end {
            let bytes = store.page(self.index, page);
            self.push(bytes.expect("a race ends when every wanted page is there or decodable"));
        }
        self.next = self.next.max(end);
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.pieces.get_mut(self.at)
            && !bytes.is_empty()
        {
            let (now, later) = bytes.split_at(bytes.len().min(piece.capacity() - piece.len()));
            piece.extend_from_slice(now);
            bytes = later;
            self.at += usize::from(piece.len() == piece.capacity());
        }
    }
}
