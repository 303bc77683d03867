//! Counting something again while it changes: a whole shard, a directory, or the extents of a file. One at a time.
//!
//! What was counted is remembered in the state together with the place where the counting is, and every change before
//! that place is counted there as well. So the end is exact, whatever happened between the pieces, and replaces what is
//! kept.
//!
//! **Invariant:** the sums are those of everything up to the place where the counting is.

mod directory;
mod file;
mod shard;

use eggs_machine::{Fault, Stored};
use eggs_proto::{BlockId, InodeId, Malformed, decode};
use serde::{Deserialize, Serialize};

use super::State;
use crate::records::InodeRecord;

pub(crate) use directory::{Counted, CountedNames, DirectoryRecount, NameChange, Part, Weight};
pub(crate) use file::FileRecount;
#[cfg(test)]
pub(crate) use shard::Place;
pub(crate) use shard::ShardRecount;

/// What is being counted again. Stored; version 1 knew shards only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recount {
    /// The whole shard.
    Shard(ShardRecount),
    /// What is in a directory.
    Directory(DirectoryRecount),
    /// The extents of a file.
    File(FileRecount),
}

impl Stored for Recount {
    const WHAT: &'static str = "recount";
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        (version == 1).then(|| decode(bytes).map(Self::Shard))
    }
}

impl Recount {
    /// The inode that is being counted.
    const fn inode(&self) -> Option<InodeId> {
        match self {
            Self::Shard(_) => None,
            Self::Directory(directory) => Some(directory.dir()),
            Self::File(file) => Some(file.file()),
        }
    }

    pub(super) fn inode_changed(
        &mut self,
        id: InodeId,
        old: Option<&InodeRecord>,
        new: Option<&InodeRecord>,
    ) {
        match self {
            Self::Shard(shard) => shard.inode_changed(id, old, new),
            Self::Directory(_) | Self::File(_) => {}
        }
    }

    pub(super) fn garbage_changed(&mut self, block: BlockId, weight: Weight) {
        match self {
            Self::Shard(shard) => shard.garbage_changed(block, weight),
            Self::Directory(_) | Self::File(_) => {}
        }
    }
}

impl State<'_> {
    /// Whether something else than this inode, or for `None` the shard, is being counted.
    pub(crate) fn counts_other_than(&self, inode: Option<InodeId>) -> bool {
        self.recount
            .as_ref()
            .is_some_and(|recount| recount.inode() != inode)
    }

    /// Counts so many records more; says whether that was the end. What is kept is right from then on.
    pub(crate) fn go_on_recounting(&mut self, records: usize) -> Result<bool, Fault> {
        let Some(mut recount) = self.recount.take() else {
            return Ok(true);
        };
        let finished = match &mut recount {
            Recount::Shard(shard) => self.go_on_with_shard(shard, records)?,
            Recount::Directory(directory) => self.go_on_with_directory(directory, records)?,
            Recount::File(file) => self.go_on_with_file(file, records)?,
        };
        self.recount = (!finished).then_some(recount);
        Ok(finished)
    }
}

#[cfg(test)]
mod tests;
