//! The on-disk format of a block service: one directory, one [`Disk`], one file per block.
//!
//! A block file holds the data from offset 0, so that it can be sent straight from the file, then one
//! checksum per page, then a footer. `docs/formats.md` has the bytes, [`mod@format`] the code.
//!
//! Synchronous, and time is an argument: which thread waits for a disk is decided by `blob/server`.
//!
//! **Invariant:** a proof is given only after the block, or its absence, is durable.
//!
//! **Invariant:** under its final name a block file is whole, also after a crash.
//!
//! **Invariant:** a block that was erased is not written again: its certificates have expired, or a
//! tombstone says so.
//!
//! **Invariant:** after a failed fsync, or a change that the disk could not carry out, nothing is acknowledged until the process is started again.

mod access;
mod check;
mod disk;
mod erase;
mod error;
mod fill;
mod format;
mod label;
mod list;
mod medium;
mod open_blocks;
mod options;
mod paths;
mod pinned;
mod pipes;
mod read;
mod shared_sync;
mod tombstones;
mod usage;
mod write;

pub use check::BlockSummary;
pub use disk::Disk;
pub use erase::EraseOrder;
pub use error::{OpenError, StoreError};
pub use format::{BadFooter, FOOTER_BYTES, Footer, data_bytes, trailer};
pub use label::{DiskLabel, LABEL_VERSION};
pub use list::BlockList;
pub use options::DiskOptions;
pub use pinned::PinnedPages;
pub use pipes::Pipes;
pub use read::BlockPages;
pub use usage::DiskUsage;
pub use write::WriteOrder;
