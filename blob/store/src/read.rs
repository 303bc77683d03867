//! Reading pages. They are not verified here: the reader does that, end to end.

use bytes::Bytes;
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, Checksum, PAGE_BYTES};

use crate::format::{SUM_BYTES, le_u64};
use crate::{Disk, StoreError};

/// Pages of a block as they are on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPages {
    /// The pages.
    pub bytes: Bytes,
    /// What each page is expected to sum up to.
    pub checksums: Vec<Checksum>,
}

impl Disk {
    /// Reads `pages` pages from page number `page` on; at least one, all within the block.
    pub fn read(&self, block: BlockId, page: u32, pages: u32) -> Result<BlockPages, StoreError> {
        let opened = self.open_block(block)?;
        let (page, pages) = (u64::from(page), u64::from(pages));
        // Checked before anything is allocated: the numbers are a peer's.
        if pages == 0 || (page + pages) * PAGE_BYTES as u64 > opened.size {
            return Err(BlockRefusal::BadRange.into());
        }
        let mut bytes = vec![0; pages as usize * PAGE_BYTES];
        self.read_exactly(&opened.file, &mut bytes, page * PAGE_BYTES as u64)?;
        let mut sums = vec![0; pages as usize * SUM_BYTES];
        self.read_exactly(
            &opened.file,
            &mut sums,
            opened.size + page * SUM_BYTES as u64,
        )?;
        Ok(BlockPages {
            bytes: bytes.into(),
            checksums: sums
                .chunks_exact(SUM_BYTES)
                .map(|sum| Checksum(le_u64(sum, 0)))
                .collect(),
        })
    }
}
