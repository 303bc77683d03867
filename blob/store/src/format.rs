//! Bytes of a block file.
//!
//! ```text
//! 0                    the data: `size` bytes, whole pages
//! size                 one XXH64 per page, little-endian, seeded by block and page number
//! size + size / 512    the footer:
//!    0  8  magic "EGGSBLK\n"
//!    8  4  version, 1
//!   12  4  zero
//!   16  8  block id
//!   24  8  size of the data
//!   32  8  XXH64 (seed 0) over the data
//!   40  8  XXH64 (seed 0) over the page checksums
//!   48  8  XXH64 (seed 0) over bytes 0..48 of the footer
//! ```
//!
//! **Invariant:** the size of the data follows from the length of the file, so reading pages needs no footer.

use eggs_proto::{BLOCK_BYTES_MAX, BlockId, BlockSum, Checksum, PAGE_BYTES};
use xxhash_rust::xxh64::xxh64;

/// Length of a footer in bytes.
pub const FOOTER_BYTES: usize = 56;
/// Length of a page checksum in bytes.
pub(crate) const SUM_BYTES: usize = 8;
/// Pages that are summed up in two ways at a time: what the nearest cache of a processor holds.
const STEP_PAGES: usize = 8;
const MAGIC: [u8; 8] = *b"EGGSBLK\n";
const VERSION: u32 = 1;

/// What a footer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The block.
    pub block: BlockId,
    /// Bytes of data.
    pub size: u64,
    /// Checksum over the data.
    pub checksum: Checksum,
    /// Checksum over the page checksums.
    pub sums: Checksum,
}

/// Why a footer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFooter {
    /// It does not begin with the magic.
    #[error("no footer")]
    Magic,
    /// Another version.
    #[error("block file version {0} is not understood")]
    Version(u32),
    /// Its checksum does not match.
    #[error("footer checksum mismatch")]
    Checksum,
}

impl Footer {
    /// Writes the footer.
    pub fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut out = [0; FOOTER_BYTES];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.block.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.size.to_le_bytes());
        out[32..40].copy_from_slice(&self.checksum.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.sums.0.to_le_bytes());
        let own = xxh64(&out[..48], 0);
        out[48..56].copy_from_slice(&own.to_le_bytes());
        out
    }

    /// Reads and checks a footer.
    pub fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, BadFooter> {
        if bytes[0..8] != MAGIC {
            return Err(BadFooter::Magic);
        }
        if le_u64(bytes, 48) != xxh64(&bytes[..48], 0) {
            return Err(BadFooter::Checksum);
        }
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != VERSION {
            return Err(BadFooter::Version(version));
        }
        Ok(Self {
            block: BlockId(le_u64(bytes, 16)),
            size: le_u64(bytes, 24),
            checksum: Checksum(le_u64(bytes, 32)),
            sums: Checksum(le_u64(bytes, 40)),
        })
    }
}

/// Reads 8 bytes; those beyond the end count as zero.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// What follows the data in the file of a block, and the checksum of the data. A few pages are summed up by themselves and as a part
/// of the whole while they are in the nearest cache.
pub fn trailer(block: BlockId, data: &[u8]) -> (Vec<u8>, Checksum) {
    let pages = data.len() / PAGE_BYTES;
    let mut out = Vec::with_capacity(pages * SUM_BYTES + FOOTER_BYTES);
    let mut whole = BlockSum::default();
    for (step, bytes) in data.chunks(STEP_PAGES * PAGE_BYTES).enumerate() {
        whole.update(bytes);
        let sums = Checksum::of_pages(block, (step * STEP_PAGES) as u32, bytes);
        out.extend(sums.flat_map(|sum| sum.0.to_le_bytes()));
    }
    let checksum = whole.finish();
    let footer = Footer {
        block,
        size: data.len() as u64,
        checksum,
        sums: Checksum::of_block(&out),
    };
    out.extend_from_slice(&footer.encode());
    (out, checksum)
}

/// Whether a block may have this size.
pub(crate) const fn is_block_size(size: u64) -> bool {
    size > 0 && size.is_multiple_of(PAGE_BYTES as u64) && size <= BLOCK_BYTES_MAX
}

/// Length of the file of a block with `size` bytes of data.
pub(crate) const fn file_bytes(size: u64) -> u64 {
    size + size / PAGE_BYTES as u64 * SUM_BYTES as u64 + FOOTER_BYTES as u64
}

/// Bytes of data in a file of this length; `None` if no block file has it.
pub fn data_bytes(file_len: u64) -> Option<u64> {
    let per_page = (PAGE_BYTES + SUM_BYTES) as u64;
    let pages = file_len.checked_sub(FOOTER_BYTES as u64)? / per_page;
    let size = pages.checked_mul(PAGE_BYTES as u64)?;
    (is_block_size(size) && file_bytes(size) == file_len).then_some(size)
}
