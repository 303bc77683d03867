//! From the bytes of an extent to its blocks.
//!
//! Data blocks are made of the gathered chunks as they are; only parity needs memory of its own.

use std::sync::Arc;

use bytes::Bytes;
use eggs_erasure::{Codec, CodingError};
use eggs_proto::{BlockSum, Checksum, ExtentLayout, PolicySet, StorageClass};
use eggs_rpc::Payload;

use super::chunks::{CHUNK_BYTES, Chunk, Chunks};
use super::rope::Rope;

/// Bytes of each cell that are coded and summed up at a time, so that all of them are in the cache for both.
const STEP_BYTES: usize = 32 << 10;
/// Padding.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// An extent ready to be stored.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) size: u64,
    pub(super) class: StorageClass,
    pub(super) layout: ExtentLayout,
    /// `D` data blocks, then `P` parity blocks.
    pub(super) blocks: Vec<Payload>,
    pub(super) checksums: Vec<Checksum>,
}

/// Lays the bytes out as the policies say, and adds parity.
pub(super) fn encode(
    bytes: &Rope,
    policies: &PolicySet,
    chunks: &Arc<Chunks>,
) -> Result<Encoded, CodingError> {
    let size = bytes.len() as u64;
    let plan = policies.plan(size);
    let layout = ExtentLayout::for_size(size, plan.scheme, plan.stripe_bytes);
    let (blocks, checksums) = if plan.scheme.data == 1 {
        copies(bytes, &layout)
    } else {
        Coder { bytes, layout }.code(chunks)?
    };
    Ok(Encoded {
        size,
        class: plan.class,
        layout,
        blocks,
        checksums,
    })
}

/// The same block many times, in the same memory.
fn copies(bytes: &Rope, layout: &ExtentLayout) -> (Vec<Payload>, Vec<Checksum>) {
    let padding = layout.block_bytes() as usize - bytes.len();
    let parts: Vec<Bytes> = bytes.parts(0..bytes.len()).chain(zeros(padding)).collect();
    let mut sum = BlockSum::default();
    parts.iter().for_each(|part| sum.update(part));
    let count = layout.scheme.blocks();
    (vec![Payload::from(parts); count], vec![sum.finish(); count])
}

/// An extent whose cells are dealt out over several blocks.
struct Coder<'a> {
    bytes: &'a Rope,
    layout: ExtentLayout,
}

impl Coder<'_> {
    fn cell(&self) -> usize {
        self.layout.cell_bytes as usize
    }

    fn data(&self) -> usize {
        usize::from(self.layout.scheme.data)
    }

    /// Where a cell begins in the extent.
    fn start(&self, stripe: usize, block: usize) -> usize {
        (stripe * self.data() + block) * self.cell()
    }

    fn code(&self, chunks: &Arc<Chunks>) -> Result<(Vec<Payload>, Vec<Checksum>), CodingError> {
        let scheme = self.layout.scheme;
        let mut parity: Vec<Vec<Chunk>> = (0..scheme.parity).map(|_| self.empty(chunks)).collect();
        let mut sums = vec![BlockSum::default(); scheme.blocks()];
        let codec = Codec::shared(scheme)?;
        for stripe in 0..self.layout.stripes as usize {
            let mut at = 0;
            while at < self.cell() {
                at += self.step(&codec, (stripe, at), &mut parity, &mut sums)?;
            }
        }
        let data = (0..self.data()).map(|block| self.block(block));
        let parity = parity.into_iter().map(|block| {
            let parts: Vec<Bytes> = block.into_iter().map(Chunk::freeze).collect();
            Payload::from(parts)
        });
        let sums = sums.into_iter().map(BlockSum::finish);
        Ok((data.chain(parity).collect(), sums.collect()))
    }

    /// Memory for a block.
    fn empty(&self, chunks: &Arc<Chunks>) -> Vec<Chunk> {
        let len = self.layout.block_bytes() as usize;
        let starts = (0..len).step_by(CHUNK_BYTES);
        starts
            .map(|start| chunks.filled(CHUNK_BYTES.min(len - start)))
            .collect()
    }

    /// Codes a few bytes of each cell of a stripe, as far as they are in one piece everywhere; tells how many.
    fn step(
        &self,
        codec: &Codec,
        (stripe, at): (usize, usize),
        parity: &mut [Vec<Chunk>],
        sums: &mut [BlockSum],
    ) -> Result<usize, CodingError> {
        let in_block = stripe * self.cell() + at;
        let (number, from) = (in_block / CHUNK_BYTES, in_block % CHUNK_BYTES);
        let mut step = STEP_BYTES.min(self.cell() - at).min(CHUNK_BYTES - from);
        let mut data: Vec<&[u8]> = Vec::with_capacity(self.data());
        for block in 0..self.data() {
            let run = match self.bytes.run(self.start(stripe, block) + at) {
                [] => &ZEROS[..],
                run => run,
            };
            step = step.min(run.len());
            data.push(run);
        }
        data.iter_mut().for_each(|run| *run = &run[..step]);
        let of_block = |block| -> &mut [u8] {
            let chunks: &mut Vec<Chunk> = block;
            &mut chunks[number].bytes_mut()[from..from + step]
        };
        let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(of_block).collect();
        codec.encode_into(&data, &mut parity)?;
        let coded = parity.iter().map(|run| &**run);
        for (sum, run) in sums.iter_mut().zip(data.iter().copied().chain(coded)) {
            sum.update(run);
        }
        Ok(step)
    }

    /// The cells of a data block, where they are.
    fn block(&self, block: usize) -> Payload {
        let mut parts = Vec::new();
        for stripe in 0..self.layout.stripes as usize {
            let start = self.start(stripe, block);
            let end = start + self.cell();
            let there = self.bytes.len().clamp(start, end);
            parts.extend(self.bytes.parts(start..there));
            parts.extend(zeros(end - there));
        }
        parts.into()
    }
}

/// So many zeros.
fn zeros(mut count: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let now = count.min(ZEROS.len());
        count -= now;
        (now > 0).then(|| Bytes::from_static(&ZEROS[..now]))
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::Scheme;

    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        (0..len as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    fn joined(payload: &Payload) -> Vec<u8> {
        payload.parts().concat()
    }

    /// By copying everything, as simply as possible.
    fn expected(bytes: &[u8], layout: &ExtentLayout) -> Vec<Vec<u8>> {
        let len = layout.block_bytes() as usize;
        let data = usize::from(layout.scheme.data);
        let mut blocks = vec![vec![0; len]; data];
        for (offset, byte) in bytes.iter().enumerate() {
            let at = layout.locate(offset as u64);
            blocks[usize::from(at.block)][at.block_offset as usize] = *byte;
        }
        let cells: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
        let parity = Codec::shared(layout.scheme)
            .unwrap()
            .encode(&cells)
            .unwrap();
        blocks.extend(parity);
        blocks
    }

    #[test]
    fn every_byte_is_where_the_layout_says_and_parity_and_sums_fit() {
        let chunks = Chunks::new(0);
        for size in [1, 70_000, CHUNK_BYTES, 1_000_003, 3 * CHUNK_BYTES + 4096] {
            let bytes = noise(size);
            for (data, parity, stripe) in [
                (3, 2, 64 << 10),
                (10, 4, 1 << 20),
                (4, 0, 4096),
                (2, 3, 100_000),
            ] {
                let scheme = Scheme { data, parity };
                let layout = ExtentLayout::for_size(size as u64, scheme, stripe);
                let rope = Rope::from(bytes.clone());
                // What was there before must not matter.
                drop(
                    (0..64)
                        .map(|_| chunks.filled(CHUNK_BYTES))
                        .map(|mut c| c.bytes_mut().fill(0xa5))
                        .collect::<Vec<_>>(),
                );
                let coder = Coder {
                    bytes: &rope,
                    layout,
                };
                let (blocks, sums) = coder.code(&chunks).unwrap();
                let expected = expected(&bytes, &layout);
                assert_eq!((blocks.len(), sums.len()), (expected.len(), expected.len()));
                for ((block, sum), expected) in blocks.iter().zip(sums).zip(expected) {
                    assert!(
                        joined(block) == expected,
                        "{size} bytes, {scheme}, {stripe}"
                    );
                    assert_eq!(sum, Checksum::of_block(&expected));
                }
            }
        }
    }

    #[test]
    fn copies_of_one_block_share_their_memory_and_data_is_not_copied() {
        let chunks = Chunks::new(0);
        let rope = Rope::from(noise(10_000));
        let encoded = encode(&rope, &PolicySet::default(), &chunks).unwrap();
        assert_eq!(encoded.blocks.len(), 5);
        let mut padded = noise(10_000);
        padded.resize(12_288, 0);
        let first = |payload: &Payload| payload.parts()[0].as_ptr();
        for (block, sum) in encoded.blocks.iter().zip(&encoded.checksums) {
            assert!(joined(block) == padded);
            assert_eq!(*sum, Checksum::of_block(&padded));
            assert_eq!(first(block), rope.chunks()[0].as_ptr());
        }
        let large = Rope::from(noise(3 << 20));
        let encoded = encode(&large, &PolicySet::default(), &chunks).unwrap();
        assert_eq!(first(&encoded.blocks[0]), large.chunks()[0].as_ptr());
    }
}
