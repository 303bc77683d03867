//! What content is called.
//!
//! The name is a hash over what the metadata say of an extent that determines its bytes: its size and shape, and the checksums of
//! its data blocks, with file and offset. Healing and draining change none of it. Numbers of files and blocks alone
//! would not do: after a restore from a backup, or in another cluster, they are given again.

use eggs_proto::{Extent, ExtentBody, InodeId};
use xxhash_rust::xxh64::xxh64;

/// The name of the content of an extent, the same wherever its blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContentKey(pub(super) u128);

impl ContentKey {
    /// The name of the content of an extent that is kept in blocks.
    pub(crate) fn of(file: InodeId, extent: &Extent) -> Option<Self> {
        let ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
            return None;
        };
        let data = usize::from(layout.scheme.data);
        let facts = [
            file.get(),
            extent.offset,
            extent.size,
            u64::from(layout.scheme.data),
            u64::from(layout.stripes),
            u64::from(layout.cell_bytes),
        ];
        let sums = blocks.get(..data)?.iter().map(|block| block.checksum.0);
        let words: Vec<u8> = facts
            .into_iter()
            .chain(sums)
            .flat_map(u64::to_le_bytes)
            .collect();
        let high = xxh64(&words, 0x6567_6773_6361_6368);
        let low = xxh64(&words, 0x6865_7265_616e_6420);
        Some(Self(u128::from(high) << 64 | u128::from(low)))
    }

    /// The checksum of a page of the content, which no page of other content has.
    pub(super) fn page_sum(self, page: u64, bytes: &[u8]) -> u64 {
        let seed = (self.0 as u64) ^ ((self.0 >> 64) as u64).rotate_left(17) ^ page;
        xxh64(bytes, seed)
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{
        BlockId, BlockServiceId, BlockState, Checksum, ExtentBlock, ExtentLayout, Scheme,
        StorageClass,
    };

    use super::*;

    fn extent() -> Extent {
        let block = |number: u64| ExtentBlock {
            block: BlockId(number),
            service: BlockServiceId(number),
            checksum: Checksum(number * 31),
            state: BlockState::Stored,
        };
        let scheme = Scheme { data: 2, parity: 1 };
        Extent {
            offset: 4096,
            size: 9000,
            body: ExtentBody::Blocks {
                class: StorageClass::Flash,
                layout: ExtentLayout::for_size(9000, scheme, 1 << 20),
                blocks: (1..=3).map(block).collect(),
            },
        }
    }

    fn blocks(extent: &mut Extent) -> &mut Vec<ExtentBlock> {
        match &mut extent.body {
            ExtentBody::Blocks { blocks, .. } => blocks,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn healed_and_moved_blocks_change_no_name_and_other_content_does() {
        let file = InodeId::ROOT;
        let name = |extent: &Extent| ContentKey::of(file, extent).unwrap();
        let first = name(&extent());
        let mut healed = extent();
        for block in blocks(&mut healed) {
            block.block = BlockId(99);
            block.service = BlockServiceId(98);
        }
        assert_eq!(name(&healed), first);
        let mut other = extent();
        blocks(&mut other)[1].checksum.0 ^= 1;
        let mut longer = extent();
        longer.size += 1;
        let mut elsewhere = extent();
        elsewhere.offset = 0;
        for different in [other, longer, elsewhere] {
            assert_ne!(name(&different), first);
        }
        let inline = Extent {
            body: ExtentBody::Inline(vec![1]),
            ..extent()
        };
        assert_eq!(ContentKey::of(file, &inline), None);
    }

    #[test]
    fn a_page_fits_only_its_own_place() {
        let (a, b) = (ContentKey(1 << 70 | 5), ContentKey(1 << 70 | 6));
        let sums = [
            a.page_sum(0, b"bytes"),
            a.page_sum(1, b"bytes"),
            b.page_sum(0, b"bytes"),
            a.page_sum(0, b"Bytes"),
        ];
        let different: std::collections::BTreeSet<_> = sums.iter().collect();
        assert_eq!(different.len(), sums.len());
    }
}
