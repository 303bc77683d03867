//! Opening a block file and reading parts of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use eggs_proto::BlockId;
use eggs_proto::block::BlockRefusal;

use crate::format::data_bytes;
use crate::{Disk, StoreError};

/// An open block file of a possible length.
pub(crate) struct BlockFile {
    pub file: File,
    /// Bytes of data, by the length of the file.
    pub size: u64,
}

impl Disk {
    /// Opens the file of a block.
    pub(crate) fn open_block(&self, block: BlockId) -> Result<BlockFile, StoreError> {
        let file = match File::open(self.paths.block(block)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlockRefusal::NotFound.into());
            }
            Err(error) => return Err(self.failed("open a block file", error)),
        };
        let length = file
            .metadata()
            .map_err(|error| self.failed("stat a block file", error))?
            .len();
        match data_bytes(length) {
            Some(size) => Ok(BlockFile { file, size }),
            None => Err(BlockRefusal::Damaged.into()),
        }
    }

    /// Fills `buffer` from the file. A file that got shorter meanwhile is damaged.
    pub(crate) fn read_exactly(
        &self,
        file: &File,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<(), StoreError> {
        match file.read_exact_at(buffer, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(BlockRefusal::Damaged.into())
            }
            Err(error) => Err(self.failed("read a block file", error)),
        }
    }
}
