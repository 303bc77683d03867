//! XXH64 over whole blocks and over 4 KiB pages.
//!
//! **Invariant:** a page checksum is seeded with the block and the page's number in it, so that a page from
//! elsewhere never passes for this one.
//!
//! Source: the XXH64 algorithm as published by Yann Collet; `docs/formats.md` gives the seeds.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::page_sums::{GROUP_PAGES, of_group};
use crate::{BlockId, PAGE_BYTES};

/// XXH64, seed 0, over a whole block including its zero padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Checksum of a whole block.
    pub fn of_block(bytes: &[u8]) -> Self {
        Self(xxh64(bytes, 0))
    }

    /// Checksum of page number `page` of `block`. The last page of a block is whole: blocks are
    /// multiples of [`PAGE_BYTES`].
    pub fn of_page(block: BlockId, page: u32, bytes: &[u8]) -> Self {
        debug_assert_eq!(bytes.len(), PAGE_BYTES);
        Self(xxh64(bytes, seed(block, page)))
    }

    /// Checksums of consecutive whole pages of `block`, from page number `first` on, as [`Checksum::of_page`] gives them; several times as fast.
    /// A rest that is no whole page has none.
    pub fn of_pages(block: BlockId, first: u32, bytes: &[u8]) -> impl Iterator<Item = Self> {
        let whole = bytes.len() / PAGE_BYTES * PAGE_BYTES;
        let groups = bytes[..whole].chunks(GROUP_PAGES * PAGE_BYTES);
        groups.enumerate().flat_map(move |(group, pages)| {
            // No block has more pages than a u32 counts; numbers beyond would only give other seeds.
            let number = |at: usize| first.wrapping_add((group * GROUP_PAGES + at) as u32);
            let sums = of_group(pages, |at| seed(block, number(at)));
            sums.into_iter().take(pages.len() / PAGE_BYTES).map(Self)
        })
    }
}

fn seed(block: BlockId, page: u32) -> u64 {
    // An odd multiplier spreads page numbers over the seed; any fixed one would do.
    block.0
        ^ u64::from(page)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Sums up a whole block that comes in parts.
#[derive(Clone, Default)]
pub struct BlockSum(Xxh64);

impl BlockSum {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The checksum of all parts together, as [`Checksum::of_block`] gives it.
    pub fn finish(self) -> Checksum {
        Checksum(self.0.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_up_like_the_whole() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| (i / 3) as u8).collect();
        for part in [1, 31, 32, 4096, 9_999, 10_000] {
            let mut sum = BlockSum::default();
            bytes.chunks(part).for_each(|part| sum.update(part));
            assert_eq!(sum.finish(), Checksum::of_block(&bytes));
        }
        assert_eq!(BlockSum::default().finish(), Checksum::of_block(b""));
    }

    #[test]
    fn pages_sum_up_together_as_one_by_one() {
        let bytes: Vec<u8> = (0..40 * PAGE_BYTES as u32).map(|i| (i / 7) as u8).collect();
        for (first, pages) in [(0, 40), (5, 1), (7, 8), (3, 9), (1000, 26), (0, 0)] {
            let bytes = &bytes[..pages * PAGE_BYTES];
            let one_by_one = (first..).zip(bytes.chunks(PAGE_BYTES));
            let one_by_one =
                one_by_one.map(|(page, bytes)| Checksum::of_page(BlockId(77), page, bytes));
            assert!(Checksum::of_pages(BlockId(77), first, bytes).eq(one_by_one));
        }
        assert_eq!(
            Checksum::of_pages(BlockId(77), 0, &bytes[..PAGE_BYTES + 1]).count(),
            1
        );
    }

    #[test]
    fn values_are_pinned() {
        let page = [7u8; PAGE_BYTES];
        assert_eq!(Checksum::of_block(b""), Checksum(0xef46_db37_51d8_e999));
        assert_ne!(
            Checksum::of_page(BlockId(1), 0, &page),
            Checksum::of_page(BlockId(1), 1, &page)
        );
        assert_ne!(
            Checksum::of_page(BlockId(1), 0, &page),
            Checksum::of_page(BlockId(2), 0, &page)
        );
    }
}
