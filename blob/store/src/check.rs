//! Verifying a block on the disk: every page, the whole, and the footer.

use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, Checksum, PAGE_BYTES};
use xxhash_rust::xxh64::Xxh64;

use crate::access::BlockFile;
use crate::format::{FOOTER_BYTES, Footer, SUM_BYTES, le_u64};
use crate::medium::is_of_the_medium;
use crate::{Disk, StoreError};

/// Bytes read at a time.
const STEP_BYTES: usize = 1 << 20;
const _: () = assert!(STEP_BYTES.is_multiple_of(PAGE_BYTES));

/// What a whole block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// Bytes of data.
    pub size: u64,
    /// Checksum over all of them.
    pub checksum: Checksum,
}

impl Disk {
    /// Reads all of a block and verifies it; refuses with `Damaged` if anything does not fit, and with `Unreadable` if the
    /// disk says that it cannot read what it holds.
    pub fn check(&self, block: BlockId) -> Result<BlockSummary, StoreError> {
        self.check_file(block).map_err(|error| match &error {
            StoreError::Io { source, .. } if is_of_the_medium(source) => {
                BlockRefusal::Unreadable.into()
            }
            StoreError::Io { .. } | StoreError::Refused(_) | StoreError::Fenced => error,
        })
    }

    fn check_file(&self, block: BlockId) -> Result<BlockSummary, StoreError> {
        let opened = self.open_block_by_name(block)?;
        let pages = opened.size as usize / PAGE_BYTES;
        let mut trailer = vec![0; pages * SUM_BYTES + FOOTER_BYTES];
        self.read_exactly(&opened.file, &mut trailer, opened.size)?;
        let (sums, footer) = trailer.split_at(pages * SUM_BYTES);
        let footer = footer
            .try_into()
            .ok()
            .and_then(|bytes| Footer::decode(bytes).ok())
            .filter(|footer| footer.block == block && footer.size == opened.size)
            .filter(|footer| footer.sums == Checksum::of_block(sums))
            .ok_or(BlockRefusal::Damaged)?;
        if self.sum_up(block, &opened, sums)? != footer.checksum {
            return Err(BlockRefusal::Damaged.into());
        }
        Ok(BlockSummary {
            size: opened.size,
            checksum: footer.checksum,
        })
    }

    /// Verifies every page and gives the checksum over all.
    fn sum_up(
        &self,
        block: BlockId,
        opened: &BlockFile,
        sums: &[u8],
    ) -> Result<Checksum, StoreError> {
        let mut whole = Xxh64::new(0);
        let mut buffer = vec![0; STEP_BYTES.min(opened.size as usize)];
        let mut page = 0;
        let mut offset = 0;
        while offset < opened.size {
            let length = (opened.size - offset).min(buffer.len() as u64) as usize;
            let bytes = &mut buffer[..length];
            self.read_exactly(&opened.file, bytes, offset)?;
            whole.update(bytes);
            for sum in Checksum::of_pages(block, page, bytes) {
                if sum != Checksum(le_u64(sums, page as usize * SUM_BYTES)) {
                    return Err(BlockRefusal::Damaged.into());
                }
                page += 1;
            }
            offset += length as u64;
        }
        Ok(Checksum(whole.digest()))
    }
}
