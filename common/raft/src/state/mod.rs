//! The state of all groups: one RocksDB, one column family per table, keys that start with the group.
//!
//! **Invariant:** what entries change, their index, and the membership go into one batch: the state is always that
//! after some whole entry. Rows of the last entries wait in memory until they are written together ([`pending`]).
//! **Invariant:** there is no write-ahead log, and flushes are atomic over all tables; after a crash the state is an
//! older one, and the log from there on still exists, because only what was flushed is purged.

mod applying;
mod checkpoint;
mod db;
mod give_away;
mod install;
mod latest;
mod machine;
mod merging;
mod pending;
mod pieces;
mod reader;
mod recent;
mod restore;
mod rows;
mod view;

pub(crate) use checkpoint::{Checkpoint, ChunkWriter};
#[cfg(test)]
pub(crate) use checkpoint::{Chunk, for_each};
#[cfg(test)]
#[cfg(not(feature = "sim"))]
pub(crate) use db::Applied;
pub(crate) use db::StateDb;
pub(crate) use machine::{GroupMachine, Side};
pub(crate) use merging::{Merging, WHEN_BUSY};
pub(crate) use reader::Reader;
pub(crate) use recent::Slot;
pub(crate) use restore::restore_state;
pub(crate) use view::GroupView;
