//! The mark's file on a disk in memory.

use std::io;
use std::path::Path;

use super::disk::{Disk, disk_at};

pub(crate) struct MarkFile {
    disk: Disk,
    boot: u64,
}

impl MarkFile {
    fn of(path: &Path) -> Self {
        let disk = disk_at(path.parent().unwrap_or(path));
        let boot = disk.boot();
        Self { disk, boot }
    }

    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = Self::of(path);
        let there = file.disk.lock().image.mark.is_some();
        Ok(there.then_some(file))
    }

    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = Self::of(path);
        let created = file.disk.lock().mark_create(file.boot);
        created.map_err(io::Error::other)?;
        Ok(file)
    }

    pub(crate) fn read_at(&self, offset: u64) -> Option<[u8; 32]> {
        let inner = self.disk.lock();
        let at = usize::try_from(offset).ok()?;
        let mut bytes = inner.image.mark.clone()?;
        for (at, written) in &inner.image.mark_unsynced {
            bytes[*at..*at + written.len()].copy_from_slice(written);
        }
        bytes.get(at..at + 32)?.try_into().ok()
    }

    pub(crate) fn write_at(&self, bytes: &[u8; 32], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let written = self.disk.lock().mark_write(self.boot, at, bytes);
        written.map_err(io::Error::other)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let synced = self.disk.lock().mark_sync(self.boot);
        synced.map_err(io::Error::other)
    }

    pub(crate) fn sync_created(&self, _dir: Option<&Path>) -> io::Result<()> {
        self.sync()
    }
}
