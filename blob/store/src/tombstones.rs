//! Tombstones: blocks that were erased while a certificate to write them may still be good.
//!
//! A tombstone is an empty file: it needs an inode, no data blocks, so that it can be made on a full
//! disk, and the reserve covers its name. If even that fails for want of space, the tombstone is
//! kept in memory only: after a restart within minutes a replayed certificate could then bring the
//! block back, which costs its space until a scrub finds it but never data.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::sync::{Mutex, PoisonError};

use eggs_proto::{BlockId, CLOCK_SKEW_MS_MAX, Time};

use crate::OpenError;
use crate::paths::{Paths, parse_tombstone};

/// What is remembered of erased blocks: until when each may not be written.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    until: Mutex<BTreeMap<BlockId, Time>>,
}

/// Whether a tombstone was made that must be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buried {
    /// A file was made: its directory must be synced.
    OnDisk,
    /// Nothing to sync: none was needed, or there is no space for one.
    InMemory,
}

impl Tombstones {
    /// Reads all tombstones of a disk.
    pub fn load(paths: &Paths) -> Result<Self, OpenError> {
        let failed = || OpenError::io("read tombstones in", &paths.gone);
        let mut until = BTreeMap::new();
        for entry in fs::read_dir(&paths.gone).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            if let Some((block, time)) = name.to_str().and_then(parse_tombstone) {
                let latest = until.entry(block).or_insert(time);
                *latest = time.max(*latest);
            }
        }
        Ok(Self {
            until: Mutex::new(until),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<BlockId, Time>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the block was erased.
    pub fn contains(&self, block: BlockId) -> bool {
        self.lock().contains_key(&block)
    }

    /// Number of tombstones.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Bars a block from being written until no certificate can be good any more.
    pub fn bury(
        &self,
        paths: &Paths,
        block: BlockId,
        write_expiry: Time,
        now: Time,
    ) -> io::Result<Buried> {
        let until = write_expiry.plus_ms(CLOCK_SKEW_MS_MAX);
        if now > until {
            return Ok(Buried::InMemory); // every certificate is refused as expired
        }
        self.lock()
            .entry(block)
            .and_modify(|time| *time = until.max(*time))
            .or_insert(until);
        let path = paths.tombstone(block, until);
        match OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
        {
            Ok(_) => Ok(Buried::OnDisk),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(%block, "no space for a tombstone: kept in memory only");
                Ok(Buried::InMemory)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets tombstones that are no longer needed. A crash may leave some for the next sweep.
    pub fn sweep(&self, paths: &Paths, now: Time) -> usize {
        let old: Vec<_> = self.lock().extract_if(.., |_, time| now > *time).collect();
        for (block, time) in &old {
            // Whatever stays on disk is read again at open and swept then.
            let _ = fs::remove_file(paths.tombstone(*block, *time));
        }
        old.len()
    }
}
