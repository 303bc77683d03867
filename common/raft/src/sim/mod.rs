//! Disks in memory that crash when told to, for `tests/crash`.
//!
//! A crash keeps what was synced, and of what was not any prefix: whole batches of a log, as RocksDB's write-ahead log
//! gives them back; any later state that was written as a whole; any part of the last write to the mark. It can come
//! before and after each write and each sync. A process that has crashed writes nothing any more, whatever its tasks
//! still do.

mod disk;
pub(crate) mod mark_file;
mod promise;
pub(crate) mod store;

use std::sync::Mutex;
use std::sync::PoisonError;

pub use crate::kv::Bug;
pub use disk::{Disk, DiskImage, Rot};
pub(crate) use promise::{check, keep, loosen};

static PLANTED: Mutex<Option<Bug>> = Mutex::new(None);

/// Puts a bug in, or takes it out.
pub fn plant(bug: Option<Bug>) {
    *PLANTED.lock().unwrap_or_else(PoisonError::into_inner) = bug;
}

pub(crate) fn planted(bug: Bug) -> bool {
    *PLANTED.lock().unwrap_or_else(PoisonError::into_inner) == Some(bug)
}
