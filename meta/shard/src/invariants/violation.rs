//! What can be wrong with a state.

use eggs_proto::{BlockId, InodeId, Name};

use crate::records::Counters;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An inode of another shard.
    #[error("inode {inode} is stored on a shard that does not own it")]
    WrongShard {
        /// The inode.
        inode: InodeId,
    },
    /// A dentry or snapshot in a directory that does not exist here.
    #[error("{name} is in {dir}, which does not exist")]
    NoDirectory {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
    },
    /// A name under the wrong hash.
    #[error("{name} is not where its hash says in {dir}")]
    WrongHash {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
    },
    /// A placeholder that nobody holds.
    #[error("{name} in {dir} stands for nothing and nobody has locked it")]
    LostPlaceholder {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
    },
    /// A directory counts other numbers of dentries and snapshots than it has.
    #[error("directory {dir} miscounts what is in it")]
    DirectoryCounts {
        /// The directory.
        dir: InodeId,
    },
    /// A directory that is (being) removed has entries.
    #[error("directory {dir} is detached and has entries")]
    EntriesInDetached {
        /// The directory.
        dir: InodeId,
    },
    /// A name for a file that does not exist or is not linked.
    #[error("{name} in {dir} owns {inode}, which is not a linked file")]
    DanglingFile {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// The file.
        inode: InodeId,
    },
    /// A name for a directory that does not exist.
    #[error("{name} in {dir} stands for {inode}, which does not exist")]
    DanglingDirectory {
        /// The directory.
        dir: InodeId,
        /// The name.
        name: Name,
        /// The directory it stands for.
        inode: InodeId,
    },
    /// A file counts other numbers of owners than it has here.
    #[error("{inode} has {counted} owners on its shard and thinks of {kept}")]
    Owners {
        /// The file.
        inode: InodeId,
        /// As kept.
        kept: u32,
        /// As found.
        counted: u32,
    },
    /// An extent of a file that does not exist.
    #[error("an extent belongs to {file}, which does not exist")]
    ExtentWithoutFile {
        /// The file.
        file: InodeId,
    },
    /// Extents that leave a gap or overlap, or do not end where the file ends.
    #[error("the extents of {file} are not contiguous at byte {offset}")]
    Gap {
        /// The file.
        file: InodeId,
        /// Where.
        offset: u64,
    },
    /// A file miscounts its bytes on disks or its pending extents.
    #[error("{file} miscounts its blocks")]
    FileCounts {
        /// The file.
        file: InodeId,
    },
    /// A linked file with an extent that is not certified.
    #[error("{file} is linked and has an extent that is not certified")]
    LinkedUncertified {
        /// The file.
        file: InodeId,
    },
    /// Sizes, checksums or services of an extent that do not go together.
    #[error("an extent of {file} is malformed at byte {offset}")]
    MalformedExtent {
        /// The file.
        file: InodeId,
        /// Where.
        offset: u64,
    },
    /// A block in two places.
    #[error("block {block} is in two places")]
    BlockTwice {
        /// The block.
        block: BlockId,
    },
    /// Garbage under the key of another block.
    #[error("block {block} is in the garbage under another name")]
    MisfiledGarbage {
        /// The block.
        block: BlockId,
    },
    /// The index from services to files is wrong.
    #[error("the index from block services to files is wrong")]
    ServiceIndex,
    /// The index of deadlines is wrong.
    #[error("the index of deadlines is wrong")]
    TransientIndex,
    /// The counters are wrong.
    #[error("the counters are {kept:?} and should be {counted:?}")]
    Counters {
        /// As kept.
        kept: Box<Counters>,
        /// As found.
        counted: Box<Counters>,
    },
    /// An extended attribute of an inode that does not exist.
    #[error("{inode} has an extended attribute and does not exist")]
    XattrWithoutInode {
        /// The inode.
        inode: InodeId,
    },
    /// Extended attributes beyond their limits.
    #[error("{inode} has too many or too large extended attributes")]
    XattrsTooLarge {
        /// The inode.
        inode: InodeId,
    },
    /// A counter is not ahead of the numbers given out.
    #[error("a number may be given out again")]
    NumberReused,
}
