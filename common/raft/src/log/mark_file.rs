//! The mark's file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use eggs_durable::sync_directory;

const FILE_BYTES: u64 = 2 * 4096;

/// The file in which the mark is kept: two slots, one page each.
pub(crate) struct MarkFile(File);

impl MarkFile {
    /// `None` if it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(Self(file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(File::create(path)?))
    }

    /// A slot; `None` if it cannot be read.
    pub(crate) fn read_at(&self, offset: u64) -> Option<[u8; 32]> {
        let mut slot = [0; 32];
        self.0.read_exact_at(&mut slot, offset).ok()?;
        Some(slot)
    }

    pub(crate) fn write_at(&self, slot: &[u8; 32], offset: u64) -> io::Result<()> {
        self.0.write_all_at(slot, offset)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Makes durable that there is such a file in its directory.
    pub(crate) fn sync_created(&self, dir: Option<&Path>) -> io::Result<()> {
        self.0.set_len(FILE_BYTES)?;
        self.0.sync_all()?;
        match dir {
            Some(dir) => sync_directory(dir),
            None => Ok(()),
        }
    }
}
