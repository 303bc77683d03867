//! Opening a block file and reading parts of it.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::sync::Arc;

use eggs_proto::BlockId;
use eggs_proto::block::BlockRefusal;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::ReadWriteFlags;

use crate::format::data_bytes;
use crate::{Disk, StoreError};

/// An open block file of a possible length.
#[derive(Debug)]
pub(crate) struct BlockFile {
    pub file: File,
    /// Bytes of data, by the length of the file.
    pub size: u64,
}

impl Disk {
    /// The file of a block, which may be open already.
    pub(crate) fn open_block(&self, block: BlockId) -> Result<Arc<BlockFile>, StoreError> {
        if let Some(known) = self.open.get(block) {
            return Ok(known);
        }
        let opened = Arc::new(self.open_block_by_name(block)?);
        self.keep_open(block, opened.clone());
        Ok(opened)
    }

    /// Keeps a file open, unless the block was erased since it was opened: that would keep its space.
    pub(crate) fn keep_open(&self, block: BlockId, file: Arc<BlockFile>) {
        self.open.keep(block, file.clone());
        // Whoever erases a block removes the name first and then the file from those that are open.
        if file.file.metadata().is_ok_and(|found| found.nlink() == 0) {
            self.open.forget(block);
        }
    }

    /// Opens the file of a block by its name, for whoever wants to know what is on the disk.
    pub(crate) fn open_block_by_name(&self, block: BlockId) -> Result<BlockFile, StoreError> {
        let file = match File::open(self.paths.block(block)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlockRefusal::NotFound.into());
            }
            Err(error) => return Err(self.failed("open a block file", error)),
        };
        let found = file
            .metadata()
            .map_err(|error| self.failed("stat a block file", error))?;
        BlockFile::new(file, &found).ok_or(BlockRefusal::Damaged.into())
    }

    /// Opens the file of a block if its name is in memory, so that nobody waits for the disk.
    pub(crate) fn open_block_at_once(&self, block: BlockId) -> Option<BlockFile> {
        // What is no file must not be waited for either.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::CACHED;
        let path = self.paths.block(block);
        let file = File::from(openat2(CWD, &path, flags, Mode::empty(), resolve).ok()?);
        let found = file.metadata().ok().filter(Metadata::is_file)?;
        BlockFile::new(file, &found)
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

impl BlockFile {
    /// `None` if no block file is that long.
    fn new(file: File, found: &Metadata) -> Option<Self> {
        let size = data_bytes(found.len())?;
        Some(Self { file, size })
    }

    /// Fills `buffer` from what is in memory; `false` if not all of it is, or anything else is unusual.
    pub(crate) fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> bool {
        let len = buffer.len();
        let mut into = [IoSliceMut::new(buffer)];
        let flags = ReadWriteFlags::NOWAIT;
        rustix::io::preadv2(&self.file, &mut into, offset, flags).is_ok_and(|read| read == len)
    }
}
