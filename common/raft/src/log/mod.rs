//! The logs of all groups: one RocksDB, one writer, one fsync for everything that waits.
//!
//! **Invariant:** an append or a vote is acknowledged only after an fsync that covers it; a failed fsync is never
//! retried.
//! **Invariant:** each record carries a hash over itself and the hash of the record before it; a log whose hashes
//! do not match, or that has a hole, does not start.
//! **Invariant:** every synced batch has a number, and a mark outside of RocksDB names the last one; a store that
//! has less than its mark has lost what it promised and does not start.

mod batch;
mod db;
mod keys;
mod mark;
#[cfg(not(feature = "sim"))]
mod mark_file;
mod outcomes;
mod recover;
mod store;
mod tail;
#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests;
mod writer;

#[cfg(feature = "sim")]
pub(crate) use batch::{Change, Job};
pub(crate) use db::LogDb;
#[cfg(feature = "sim")]
pub(crate) use keys::BATCH_KEY;
#[cfg(feature = "sim")]
pub(crate) use mark::slot_number;
pub(crate) use recover::RecoveredLog;
pub(crate) use store::GroupLog;
