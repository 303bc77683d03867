//! The key-value store below logs and states: RocksDB, or in the tests of `tests/crash` one in memory that crashes when it
//! is told to.

#[cfg(not(feature = "sim"))]
pub(crate) use rocksdb::{
    ColumnFamily, CompactOptions, DB, Direction, Error, FlushOptions, IteratorMode, ReadOptions,
    SnapshotWithThreadMode, WriteBatch, WriteOptions,
};

#[cfg(feature = "sim")]
pub(crate) use crate::sim::store::{
    ColumnFamily, CompactOptions, DB, Direction, Error, FlushOptions, IteratorMode, ReadOptions,
    SnapshotWithThreadMode, WriteBatch, WriteOptions,
};

/// Whether a store has found that it does not hold what was written to it.
#[cfg(not(feature = "sim"))]
pub(crate) fn is_corruption(cause: &Error) -> bool {
    cause.kind() == rocksdb::ErrorKind::Corruption
}

/// The store in memory never finds that out by itself.
#[cfg(feature = "sim")]
pub(crate) fn is_corruption(_cause: &Error) -> bool {
    false
}

/// A bug put in on purpose, to see that `tests/crash` or `chaos/harness` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Everything is acknowledged before it is on disk.
    AcknowledgedBeforeSync,
    /// A vote is acknowledged before it is on disk.
    VoteNotSynced,
    /// The log is purged although the state is not on disk.
    PurgedBeforeFlush,
    /// A flush leaves out what was applied and is not in the store yet.
    FlushedWithoutPending,
    /// A record whose running hash does not match is taken.
    WrongHashAccepted,
    /// A log that ends before its mark is taken.
    LostTailAccepted,
    /// The hash of a batch is not compared with the mark's.
    OtherTailAccepted,
    /// A replica that has given its state away takes entries as if it had it.
    HollowTakesEntries,
    /// A leader reads without being certain that it still is one.
    LeaseIgnored,
    /// A follower reads without asking how far it has to be.
    ReadIndexIgnored,
}

/// Whether a bug was put in; never in a server.
#[cfg(not(any(feature = "sim", feature = "bugs")))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "sim")]
pub(crate) use crate::sim::planted;

#[cfg(all(feature = "bugs", not(feature = "sim")))]
pub(crate) use crate::bugs::planted;
