//! What a pass did.

use std::ops::AddAssign;

/// What a pass, or a part of it, did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Transient files destroyed.
    pub files: u64,
    /// Snapshots collected.
    pub snapshots: u64,
    /// Removed directories that are gone now.
    pub directories: u64,
    /// Blocks erased.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that could not be erased: their service is down or refuses.
    pub blocks_left: u64,
    /// Directories that wait for what is in them.
    pub waiting: u64,
    /// Requests and shards that failed.
    pub failures: u64,
    /// One of the failures, in words.
    pub failure: Option<String>,
}

impl Tally {
    /// Whether anything was collected.
    pub const fn is_productive(&self) -> bool {
        self.files + self.snapshots + self.directories + self.blocks > 0
    }

    /// Counts a failure.
    pub fn fail(&mut self, failure: impl ToString) {
        self.failures += 1;
        self.failure.get_or_insert_with(|| failure.to_string());
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.snapshots += other.snapshots;
        self.directories += other.directories;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.blocks_left += other.blocks_left;
        self.waiting += other.waiting;
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
    }
}
