//! How full a disk is.
//!
//! Bytes and blocks are counted at open and kept in memory; the size of the file system is asked for.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use eggs_proto::block::BlockRefusal;

use crate::format::data_bytes;
use crate::paths::{Paths, SLOTS, parse_block};
use crate::{Disk, OpenError, StoreError};

/// How a disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of the disk, or its share of the file system.
    pub capacity_bytes: u64,
    /// Bytes that can still be written, the reserve excluded.
    pub available_bytes: u64,
    /// Bytes of blocks.
    pub used_bytes: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Tombstones being kept.
    pub tombstones: u64,
    /// I/O errors since the disk was opened.
    pub io_errors: u64,
    /// Whether it refuses writes because an fsync or a change failed.
    pub fenced: bool,
}

/// What is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub blocks: AtomicU64,
    pub bytes: AtomicU64,
    /// Bytes of writes in progress, which must not promise the same space twice.
    pub pending: AtomicU64,
    pub io_errors: AtomicU64,
}

/// Bytes and free bytes of a file system.
struct FileSystem {
    total: u64,
    free: u64,
}

/// Space set aside for a write in progress.
pub(crate) struct Room<'a> {
    counters: &'a Counters,
    bytes: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.counters
            .pending
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Counters {
    /// Counts the blocks of a disk.
    pub fn scan(paths: &Paths) -> Result<Self, OpenError> {
        let counters = Self::default();
        for slot in 0..SLOTS {
            let dir = paths.slot(slot);
            let failed = || OpenError::io("count blocks in", &dir);
            for entry in fs::read_dir(&dir).map_err(failed())? {
                let entry = entry.map_err(failed())?;
                if entry.file_name().to_str().and_then(parse_block).is_some() {
                    let length = entry.metadata().map_err(failed())?.len();
                    counters.added(length);
                }
            }
        }
        Ok(counters)
    }

    /// A file of this length became a block.
    pub fn added(&self, file_len: u64) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
        let data = data_bytes(file_len).unwrap_or(file_len);
        self.bytes.fetch_add(data, Ordering::Relaxed);
    }

    /// A block whose file had this length is gone.
    pub fn removed(&self, file_len: u64) {
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        let data = data_bytes(file_len).unwrap_or(file_len);
        self.bytes.fetch_sub(data, Ordering::Relaxed);
    }
}

impl Disk {
    /// How the disk is.
    pub fn usage(&self) -> Result<DiskUsage, StoreError> {
        let counters = &self.counters;
        let file_system = self.file_system()?;
        let cap = self.options.capacity_bytes_max.unwrap_or(u64::MAX);
        let pending = counters.pending.load(Ordering::Relaxed);
        Ok(DiskUsage {
            capacity_bytes: file_system.total.min(cap),
            available_bytes: self.fair_share(&file_system).saturating_sub(pending),
            used_bytes: counters.bytes.load(Ordering::Relaxed),
            blocks: counters.blocks.load(Ordering::Relaxed),
            tombstones: self.tombstones.len() as u64,
            io_errors: counters.io_errors.load(Ordering::Relaxed),
            fenced: self.is_fenced(),
        })
    }

    /// Sets space aside for a file, or refuses.
    pub(crate) fn take_room(&self, bytes: u64) -> Result<Room<'_>, StoreError> {
        let counters = &self.counters;
        let pending = counters.pending.fetch_add(bytes, Ordering::Relaxed);
        let room = Room { counters, bytes };
        let available = self.available(&self.file_system()?);
        if pending.saturating_add(bytes) > available {
            return Err(BlockRefusal::NoSpace.into());
        }
        Ok(room)
    }

    /// Bytes for blocks, writes in progress not subtracted.
    fn available(&self, file_system: &FileSystem) -> u64 {
        let reserve = self.options.reserve_of(file_system.total);
        let cap = self.options.capacity_bytes_max.unwrap_or(u64::MAX);
        let used = self.counters.bytes.load(Ordering::Relaxed);
        file_system
            .free
            .saturating_sub(reserve)
            .min(cap.saturating_sub(used))
    }

    /// What this disk may count on: of a file system that it shares with other disks, only its share of what is
    /// free. Otherwise all of them would promise the same bytes.
    fn fair_share(&self, file_system: &FileSystem) -> u64 {
        let Some(cap) = self.options.capacity_bytes_max else {
            return self.available(file_system);
        };
        let reserve = self.options.reserve_of(file_system.total);
        let free = file_system.free.saturating_sub(reserve);
        let total = u128::from(file_system.total.max(1));
        let share = u128::from(free) * u128::from(cap.min(file_system.total)) / total;
        // No more than `free`, because the share is at most all of it.
        self.available(file_system).min(share as u64)
    }

    fn file_system(&self) -> Result<FileSystem, StoreError> {
        let stat = rustix::fs::statvfs(&self.paths.root)
            .map_err(|error| self.failed("ask for free space", io::Error::from(error)))?;
        Ok(FileSystem {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}
