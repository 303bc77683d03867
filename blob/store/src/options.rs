//! What the operator says about a disk.

use eggs_proto::{FailureDomainId, StorageClass};

/// What the operator says about a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// Class of the disk; must be the one it was labelled with.
    pub class: StorageClass,
    /// What it fails with. A disk that was moved to another domain is labelled anew.
    pub domain: FailureDomainId,
    /// Bytes of the file system that blocks never use, so that erasing and tombstones always have
    /// room. `None` for a hundredth of the file system, at most [`DiskOptions::RESERVE_BYTES_MAX`].
    pub reserve_bytes: Option<u64>,
    /// Most bytes of blocks, for disks that share a file system. `None` for all of it.
    pub capacity_bytes_max: Option<u64>,
    /// Blocks of at least so many bytes are written past the page cache, where the file system can do that. What was written
    /// like that is read from the disk the first time.
    pub direct_bytes_min: u64,
}

impl DiskOptions {
    /// Largest reserve chosen by default.
    pub const RESERVE_BYTES_MAX: u64 = 1 << 30;

    /// Default of [`DiskOptions::direct_bytes_min`]: from here on going past the page cache costs less than a copy to
    /// memory that was not used before.
    pub const DIRECT_BYTES_MIN: u64 = 256 << 10;

    /// The whole file system with the default reserve.
    pub const fn new(class: StorageClass, domain: FailureDomainId) -> Self {
        Self {
            class,
            domain,
            reserve_bytes: None,
            capacity_bytes_max: None,
            direct_bytes_min: Self::DIRECT_BYTES_MIN,
        }
    }

    /// The reserve on a file system of this size.
    pub(crate) fn reserve_of(&self, file_system_bytes: u64) -> u64 {
        let default = (file_system_bytes / 100).min(Self::RESERVE_BYTES_MAX);
        self.reserve_bytes.unwrap_or(default)
    }
}
