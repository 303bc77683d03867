//! Reading pages. They are not verified here: the reader does that, end to end.

use std::io;

use bytes::Bytes;
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, Checksum, PAGE_BYTES};
use rustix::buffer::spare_capacity;

use crate::access::BlockFile;
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

/// Pages that lie within a block, in bytes of its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub offset: u64,
    pub bytes: usize,
    pub sums_offset: u64,
    pub sums_bytes: usize,
}

impl Disk {
    /// Reads `pages` pages from page number `page` on; at least one, all within the block.
    pub fn read(&self, block: BlockId, page: u32, pages: u32) -> Result<BlockPages, StoreError> {
        let opened = self.open_block(block)?;
        let place = opened.place(page, pages)?;
        let bytes = self.read_fresh(&opened, place.offset, place.bytes)?;
        let sums = self.read_fresh(&opened, place.sums_offset, place.sums_bytes)?;
        Ok(BlockPages {
            bytes: bytes.into(),
            checksums: checksums(&sums),
        })
    }

    /// As [`Disk::read`], if nothing has to be waited for, neither the disk nor other threads; else `None`. For few
    /// pages: the others that read wait meanwhile.
    pub fn read_at_once(
        &self,
        block: BlockId,
        page: u32,
        pages: u32,
    ) -> Result<Option<BlockPages>, StoreError> {
        let known = self
            .open
            .with(block, |file| file.pages_at_once(page, pages));
        if let Some(known) = known {
            return known;
        }
        let Some(opened) = self.open_block_at_once(block) else {
            return Ok(None);
        };
        let read = opened.pages_at_once(page, pages);
        self.keep_open(block, opened.into());
        read
    }

    /// Reads into memory that was not written to before.
    pub(crate) fn read_fresh(
        &self,
        file: &BlockFile,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            let at = offset + out.len() as u64;
            match rustix::io::pread(&file.file, spare_capacity(&mut out), at) {
                // It got shorter.
                Ok(0) => return Err(BlockRefusal::Damaged.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(self.failed("read a block file", io::Error::from(error)));
                }
            }
        }
        out.truncate(len); // there may have been more room than was asked for
        Ok(out)
    }
}

impl BlockFile {
    /// Checked before anything is allocated: the numbers are a peer's.
    pub(crate) fn place(&self, page: u32, pages: u32) -> Result<Place, StoreError> {
        let (page, pages) = (u64::from(page), u64::from(pages));
        let offset = page * PAGE_BYTES as u64;
        let bytes = pages * PAGE_BYTES as u64;
        if pages == 0 || offset + bytes > self.size {
            return Err(BlockRefusal::BadRange.into());
        }
        Ok(Place {
            offset,
            bytes: bytes as usize,
            sums_offset: self.size + page * SUM_BYTES as u64,
            sums_bytes: pages as usize * SUM_BYTES,
        })
    }

    fn pages_at_once(&self, page: u32, pages: u32) -> Result<Option<BlockPages>, StoreError> {
        let place = self.place(page, pages)?;
        let mut bytes = vec![0; place.bytes];
        let mut sums = vec![0; place.sums_bytes];
        let all = self.read_at_once(&mut bytes, place.offset)
            && self.read_at_once(&mut sums, place.sums_offset);
        Ok(all.then(|| BlockPages {
            bytes: bytes.into(),
            checksums: checksums(&sums),
        }))
    }
}

pub(crate) fn checksums(sums: &[u8]) -> Vec<Checksum> {
    let sums = sums.chunks_exact(SUM_BYTES);
    sums.map(|sum| Checksum(le_u64(sum, 0))).collect()
}
