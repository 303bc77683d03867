//! Deliberate bugs, to see that the tests see them.
//!
//! Code that may be wrong on purpose asks [`planted`], which is `false` at compile time unless the feature `bugs` is on.
//! Only tests turn it on: `chaos/sim`, and `chaos/harness` for servers that are wrong on purpose. The programs that are
//! shipped refuse to be built with it: `common/raft` asserts that [`COMPILED_IN`] is false unless it has bugs of its own, and
//! the programs assert that it has none.

/// Whether bugs can be planted in this build.
pub const COMPILED_IN: bool = cfg!(feature = "bugs");

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The leader answers a change before it is committed.
    ReplyBeforeCommit,
    /// The reply table forgets.
    DedupRecordLost,
    /// Log time is whatever the leader's clock says.
    TimeRunsBackwards,
    /// A transaction that is rolled back leaves the lock on its source.
    LockLeakedOnAbort,
    /// A lock that is given up leaves the name with another creation time.
    RollbackWithWrongCreationTime,
    /// An expired transient file can still be linked.
    ExpiredTransientLinkable,
    /// Unlinking leaves a snapshot that owns nothing.
    UnlinkIgnoresOwnership,
    /// Collecting a snapshot that owns nothing takes the file all the same.
    CollectIgnoresOwnership,
    /// The proof of any block of the extent proves each of them.
    ProofOfAnotherBlockAccepted,
    /// Loops are looked for when a rename begins and not when it is decided.
    LoopCheckBeforeCommit,
    /// A page of a listing begins one entry too late.
    CursorThatSkips,
    /// What a file counted for before a change is not subtracted.
    UsageCountedTwice,
    /// A name goes on carrying what its file said before it changed.
    CarrierNotUpdated,
    /// A file that gets another name leaves with the former one what it carries.
    CarriedTwice,
    /// Erased blocks stay garbage.
    GarbageErasedForgotten,
    /// The last block of a destroyed extent does not become garbage.
    GarbageRecordDropped,
    /// An old leader's report about a step is taken for one about the current step.
    StaleReportApplied,
    /// The collector believes that it is an hour later.
    SnapshotCollectedTooYoung,
    /// Destroying a transient file forgets blocks that were never proved to be written.
    PendingBlocksForgotten,
    /// Deadlines are not checked again when a transient file is destroyed.
    DestroyWithoutDeadline,
    /// Unlinking ignores locks.
    UnlinkIgnoresLock,
    /// Lookups ignore locks.
    ReaderIgnoresLock,
    /// A directory with entries can be detached.
    DetachIgnoresEntries,
    /// What a link replaces leaves a snapshot that owns nothing.
    ReplacedFileNotOwned,
    /// The coordinator forgets to note where a directory has moved.
    ParentNotNoted,
    /// A refused command leaves its changes.
    RefusalLeavesTraces,
    /// Block services forget what they have erased.
    TombstoneForgotten,
    /// Extended attributes are set whether or not they have to exist.
    XattrModeIgnored,
    /// Extended attributes stay when their inode goes.
    XattrsOutliveInode,
    /// A report of totals is added to the last one of the same child.
    TotalsReportedTwice,
    /// A report of totals counts even if a later one was taken.
    OldTotalsTaken,
    /// A directory that was moved does not report its totals to its new parent.
    MovedTotalsForgotten,
    /// That totals were reported also settles what changed since.
    ChangedTotalsSettled,
    /// The heartbeat of a process counts for all its disks, also for those that it does not report.
    BeatCountsForDeadDisks,
    /// Time in which no leader listened counts as silence of everybody.
    OutageCountsAsSilence,
    /// Two blocks of an extent may be on one disk.
    ServiceTakenTwice,
    /// A counter that is no part of the state decides something.
    HiddenCounter,
    /// A clock decides something while a command is applied.
    ClockRead,
    /// The order of a hash map decides something.
    HashOrder,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 39] = [
        Self::ReplyBeforeCommit,
        Self::DedupRecordLost,
        Self::TimeRunsBackwards,
        Self::LockLeakedOnAbort,
        Self::RollbackWithWrongCreationTime,
        Self::ExpiredTransientLinkable,
        Self::UnlinkIgnoresOwnership,
        Self::CollectIgnoresOwnership,
        Self::ProofOfAnotherBlockAccepted,
        Self::LoopCheckBeforeCommit,
        Self::CursorThatSkips,
        Self::UsageCountedTwice,
        Self::CarrierNotUpdated,
        Self::CarriedTwice,
        Self::GarbageErasedForgotten,
        Self::GarbageRecordDropped,
        Self::StaleReportApplied,
        Self::SnapshotCollectedTooYoung,
        Self::PendingBlocksForgotten,
        Self::DestroyWithoutDeadline,
        Self::UnlinkIgnoresLock,
        Self::ReaderIgnoresLock,
        Self::DetachIgnoresEntries,
        Self::ReplacedFileNotOwned,
        Self::ParentNotNoted,
        Self::RefusalLeavesTraces,
        Self::TombstoneForgotten,
        Self::XattrModeIgnored,
        Self::XattrsOutliveInode,
        Self::TotalsReportedTwice,
        Self::OldTotalsTaken,
        Self::MovedTotalsForgotten,
        Self::ChangedTotalsSettled,
        Self::BeatCountsForDeadDisks,
        Self::OutageCountsAsSilence,
        Self::ServiceTakenTwice,
        Self::HiddenCounter,
        Self::ClockRead,
        Self::HashOrder,
    ];
}

/// Whether a bug is planted in this thread.
#[cfg(not(feature = "bugs"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

/// Something that no state machine may depend on; always 0 in real builds.
#[cfg(not(feature = "bugs"))]
#[inline(always)]
pub const fn impurity() -> u64 {
    0
}

#[cfg(feature = "bugs")]
mod switch {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Bug;

    /// For all threads, in a process that is one server.
    static EVERYWHERE: OnceLock<Bug> = OnceLock::new();

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static IMPURITY: Cell<fn() -> u64> = const { Cell::new(|| 0) };
    }

    /// Plants one bug in this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Plants a bug in all threads of this process, for good. The first one counts.
    pub fn plant_everywhere(bug: Bug) {
        let _ = EVERYWHERE.set(bug); // one is enough
    }

    /// Says what [`impurity`] gives in this thread.
    pub fn set_impurity(source: fn() -> u64) {
        IMPURITY.set(source);
    }

    /// Whether a bug is planted in this thread.
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug) || EVERYWHERE.get() == Some(&bug)
    }

    /// Something that no state machine may depend on.
    pub fn impurity() -> u64 {
        IMPURITY.get()()
    }
}

#[cfg(feature = "bugs")]
pub use switch::{impurity, plant, plant_everywhere, planted, set_impurity};
