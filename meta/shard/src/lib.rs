//! The metadata shard as a pure state machine.
//!
//! A shard owns inodes, the dentries of its directories, the extents of its files and the garbage they leave. The
//! leader's [`prepare`] decides what is not deterministic (cookies, which disks, whether proofs are
//! genuine) and puts it into a [`ShardCommand`]; [`ShardMachine`] applies that on every replica; [`finish`]
//! signs certificates on the way out; [`query()`] reads.
//!
//! **Invariant:** each linked file or symlink is owned by exactly one dentry, current or snapshot, on some shard.
//!
//! **Invariant:** a block is in exactly one place: in an extent of one file, or in the garbage until its
//! erasure is proved.
//!
//! **Invariant:** counters and indexes (usage, service → files, transient deadlines) equal what a recomputation
//! gives; [`invariants::check`] recomputes.

mod apply;
mod command;
mod finish;
pub mod invariants;
pub mod keys;
mod machine;
mod ops;
mod placement;
mod prepare;
mod queries;
mod query;
mod random;
mod records;
mod restored;
mod state;
mod step;
pub mod trees;

pub use command::{CheckedProof, Prepared, ShardCommand, Verdict};
pub use finish::finish;
pub use keys::TABLES;
pub use machine::ShardMachine;
pub use placement::share::{DiskWatch, Share, Shares};
pub use prepare::{PrepareContext, prepare};
pub use query::{QueryContext, query};

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod testing;
