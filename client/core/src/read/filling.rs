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

#[cfg(test)]
mod tests {
    use eggs_proto::{BlockId, Checksum, PAGE_BYTES};

    use super::super::buffers::room_for;
    use super::super::page_store::Pieces;
    use super::*;

    #[test]
    fn what_was_made_and_what_lies_elsewhere_come_in_order() {
        let range = PageRange { first: 3, end: 7 };
        let content = |page: u32| vec![page as u8; PAGE_BYTES];
        // The first and the third page came, the others are made.
        let mut store = PageStore::default();
        for page in [3, 5] {
            let mut pages = Pieces::apart(1);
            pages
                .head
                .as_mut()
                .unwrap()
                .extend_from_slice(&content(page));
            let block = BlockId(9);
            let sum = Checksum::of_page(block, page, &content(page));
            let one = PageRange {
                first: page,
                end: page + 1,
            };
            store.add(2, block, one, pages, &[sum]);
        }
        let pieces = vec![room_for(PAGE_BYTES), room_for(3 * PAGE_BYTES)];
        let mut filling = Filling::new(2, range, pieces);
        filling.put(&store, 4, &content(4));
        filling.put(&store, 6, &content(6));
        let full = filling.finish(&store);
        let expected: Vec<u8> = range.pages().flat_map(content).collect();
        assert_eq!(full.concat(), expected);
        assert!(full.iter().all(|piece| piece.len() == piece.capacity()));
    }
}
