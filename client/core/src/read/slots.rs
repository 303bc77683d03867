//! The memory of one read, cut into the pieces that its blocks fill: bytes go straight to where they belong.
//!
//! Consecutive cells of a file come from different blocks, so the memory is cut at the borders of cells. The pieces of
//! one block are consecutive pages of it. When all are full they are put together again, which copies nothing.

use std::collections::BTreeMap;

use bytes::BytesMut;
use eggs_proto::ExtentLayout;

use super::buffers::room_for;

/// The pieces of each data block, in order, as far as nobody has taken them.
#[derive(Debug)]
pub(super) struct Slots {
    layout: ExtentLayout,
    from: u64,
    to: u64,
    by_block: BTreeMap<u8, Vec<BytesMut>>,
}

impl Slots {
    /// Cuts memory with room for bytes `from..to` of an extent, both at the border of a page.
    pub(super) fn cut(layout: ExtentLayout, from: u64, to: u64, memory: BytesMut) -> Self {
        let mut by_block: BTreeMap<u8, Vec<BytesMut>> = BTreeMap::new();
        let mut left = memory;
        for (block, len) in cells(layout, from, to) {
            let rest = if left.capacity() > len {
                left.split_off(len)
            } else {
                BytesMut::new()
            };
            by_block.entry(block).or_default().push(left);
            left = rest;
        }
        Self {
            layout,
            from,
            to,
            by_block,
        }
    }

    /// For a read that wants its blocks as they are.
    pub(super) fn none(layout: ExtentLayout) -> Self {
        Self::cut(layout, 0, 0, BytesMut::new())
    }

    /// The pieces of a block, empty.
    pub(super) fn take(&mut self, block: u8) -> Option<Vec<BytesMut>> {
        self.by_block.remove(&block)
    }

    /// New pieces for a block, because the others are still in use. They have to be copied in the end.
    pub(super) fn replace(&self, block: u8) -> Vec<BytesMut> {
        cells(self.layout, self.from, self.to)
            .filter(|(of, _)| *of == block)
            .map(|(_, len)| room_for(len))
            .collect()
    }

    /// Puts full pieces of all blocks together.
    pub(super) fn join(self, full: BTreeMap<u8, Vec<BytesMut>>) -> BytesMut {
        let mut full: BTreeMap<u8, _> = full
            .into_iter()
            .map(|(block, pieces)| (block, pieces.into_iter()))
            .collect();
        let mut whole = BytesMut::new();
        for (block, _) in cells(self.layout, self.from, self.to) {
            let piece = full.get_mut(&block).and_then(Iterator::next);
            whole.unsplit(piece.expect("there is a piece for each cell"));
        }
        whole
    }
}

/// The block and the length of each part of a cell, in the order of the extent.
fn cells(layout: ExtentLayout, from: u64, to: u64) -> impl Iterator<Item = (u8, usize)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        let place = layout.locate(at);
        let len = u64::from(place.cell_remaining).min(left);
        at += len;
        Some((place.block, len as usize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::{PAGE_BYTES, Scheme};

    const PAGE: usize = PAGE_BYTES;

    #[test]
    fn pieces_are_where_the_layout_says_and_are_joined_without_a_copy() {
        let layout = ExtentLayout {
            scheme: Scheme { data: 3, parity: 2 },
            stripes: 4,
            cell_bytes: 2 * PAGE as u32,
        };
        for (from, to) in [(0, 24), (1, 23), (3, 4), (5, 14)] {
            let (from, to) = (from * PAGE as u64, to * PAGE as u64);
            let memory = BytesMut::with_capacity((to - from) as usize);
            let start = memory.as_ptr();
            let mut slots = Slots::cut(layout, from, to, memory);
            let mut full = BTreeMap::new();
            for block in 0..3 {
                let Some(mut pieces) = slots.take(block) else {
                    continue;
                };
                let rooms: Vec<usize> = pieces.iter().map(BytesMut::capacity).collect();
                let fresh = slots.replace(block);
                assert_eq!(
                    rooms,
                    fresh.iter().map(BytesMut::capacity).collect::<Vec<_>>()
                );
                pieces
                    .iter_mut()
                    .for_each(|piece| piece.resize(piece.capacity(), block));
                full.insert(block, pieces);
                assert!(slots.take(block).is_none());
            }
            let whole = slots.join(full);
            assert_eq!((whole.as_ptr(), whole.len()), (start, (to - from) as usize));
            for (at, byte) in (from..to).zip(&whole) {
                assert_eq!(*byte, layout.locate(at).block, "{at}");
            }
        }
    }
}
