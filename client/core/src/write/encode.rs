//! From the bytes of an extent to its blocks.

use bytes::{Bytes, BytesMut};
use eggs_erasure::{Codec, CodingError};
use eggs_proto::{Checksum, ExtentLayout, PolicySet, StorageClass};

/// An extent ready to be stored.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) size: u64,
    pub(super) class: StorageClass,
    pub(super) layout: ExtentLayout,
    /// `D` data blocks, then `P` parity blocks.
    pub(super) blocks: Vec<Bytes>,
    pub(super) checksums: Vec<Checksum>,
}

/// Lays the bytes out as the policies say, and adds parity.
pub(super) fn encode(bytes: Bytes, policies: &PolicySet) -> Result<Encoded, CodingError> {
    let size = bytes.len() as u64;
    let plan = policies.plan(size);
    let layout = ExtentLayout::for_size(size, plan.scheme, plan.stripe_bytes);
    let blocks = if plan.scheme.data == 1 {
        let copy = padded(bytes, layout.block_bytes() as usize);
        vec![copy; plan.scheme.blocks()]
    } else {
        let mut blocks = data_blocks(&bytes, &layout);
        drop(bytes);
        let data: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
        let parity = Codec::shared(plan.scheme)?.encode(&data)?;
        blocks.extend(parity.into_iter().map(Bytes::from));
        blocks
    };
    let checksums = if plan.scheme.data == 1 {
        vec![Checksum::of_block(&blocks[0]); blocks.len()]
    } else {
        blocks
            .iter()
            .map(|block| Checksum::of_block(block))
            .collect()
    };
    Ok(Encoded {
        size,
        class: plan.class,
        layout,
        blocks,
        checksums,
    })
}

fn padded(bytes: Bytes, len: usize) -> Bytes {
    if bytes.len() == len {
        return bytes;
    }
    let mut block = BytesMut::with_capacity(len);
    block.extend_from_slice(&bytes);
    block.resize(len, 0);
    block.freeze()
}

/// Deals the bytes out, cell by cell.
fn data_blocks(bytes: &[u8], layout: &ExtentLayout) -> Vec<Bytes> {
    let cell = layout.cell_bytes as usize;
    let len = layout.block_bytes() as usize;
    let mut blocks = vec![BytesMut::with_capacity(len); usize::from(layout.scheme.data)];
    let count = blocks.len();
    for (at, part) in bytes.chunks(cell.max(1)).enumerate() {
        blocks[at % count].extend_from_slice(part);
    }
    let fill = |mut block: BytesMut| {
        block.resize(len, 0);
        block.freeze()
    };
    blocks.into_iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::Scheme;

    #[test]
    fn every_byte_is_where_the_layout_says() {
        let bytes: Vec<u8> = (0..1_000_003u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for (data, stripe) in [(3, 64 << 10), (10, 1 << 20), (4, 4096)] {
            let scheme = Scheme { data, parity: 2 };
            let layout = ExtentLayout::for_size(bytes.len() as u64, scheme, stripe);
            let blocks = data_blocks(&bytes, &layout);
            assert!(
                blocks
                    .iter()
                    .all(|b| b.len() as u64 == layout.block_bytes())
            );
            for (offset, byte) in bytes.iter().enumerate() {
                let at = layout.locate(offset as u64);
                assert_eq!(
                    blocks[usize::from(at.block)][at.block_offset as usize],
                    *byte
                );
            }
        }
    }

    #[test]
    fn copies_of_one_block_share_their_memory() {
        let encoded = encode(Bytes::from(vec![7; 10_000]), &PolicySet::default()).unwrap();
        assert_eq!(encoded.blocks.len(), 5);
        assert_eq!(encoded.blocks[0].len(), 12_288);
        assert!(
            encoded
                .blocks
                .iter()
                .all(|b| b.as_ptr() == encoded.blocks[0].as_ptr())
        );
    }
}
