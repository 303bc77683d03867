//! What has to hold, in terms of what was committed.
//!
//! The oracle sees every command at the moment at which it is committed, every read at the moment at which it is
//! served, and every answer as its client gets it. It keeps its own idea of all names: a change of one shard happens when
//! it is committed there, a transaction when the coordinator's log decides it. So whatever a reader is told has
//! to be what the oracle knows at that very moment, which is linearizability with the order given.

mod answers;
mod blocks;
mod check;
mod effect;
mod files;
mod names;
mod reads;
mod registry;
mod shards;
mod totals;
mod transactions;
mod watch;

use std::collections::BTreeMap;

use eggs_cdc::TransactionOutcome;
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::{
    Checksum, GroupId, InodeId, Policy, PolicyKind, RequestId, Time, TransactionId, XattrName,
};

pub use names::{Directory, Names};
pub(crate) use watch::Before;

/// What is known of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub request: RequestId,
    pub operation: CdcOperation,
    /// Whether it has happened.
    pub decided: bool,
}

/// A part of a file as its writer made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Inline(Vec<u8>),
    Hole(u64),
    Blocks {
        offset: u64,
        size: u64,
        checksums: Vec<Checksum>,
    },
}

/// What has to hold.
#[derive(Debug, Default)]
pub struct Oracle {
    /// All names.
    pub names: Names,
    /// When names were given, where that is known.
    pub(crate) created: BTreeMap<InodeId, Time>,
    /// The first answer to each change.
    pub(crate) answers: BTreeMap<(GroupId, RequestId), Vec<u8>>,
    /// Transactions that have not ended.
    pub(crate) transactions: BTreeMap<TransactionId, Known>,
    /// How transactions ended.
    pub(crate) outcomes: BTreeMap<RequestId, TransactionOutcome>,
    /// Which transaction a request began.
    pub(crate) begun: BTreeMap<RequestId, TransactionId>,
    /// Until when transient files may be changed.
    pub(crate) deadlines: BTreeMap<InodeId, Time>,
    /// What files hold.
    pub(crate) contents: BTreeMap<InodeId, Vec<Part>>,
    /// Extended attributes.
    pub(crate) xattrs: BTreeMap<InodeId, BTreeMap<XattrName, Vec<u8>>>,
    /// Policies set on directories.
    pub(crate) policies: BTreeMap<(InodeId, PolicyKind), Policy>,
    /// Somewhere only so many versions were kept at some time.
    pub(crate) versions_count: bool,
    /// Every snapshot may be collected after this time, or a shorter one if a policy says so.
    pub keep_ms_min: u64,
    /// Whether the plan lets versions count.
    pub(crate) versions_may_count: bool,
    /// What the registry was told.
    pub(crate) heard: registry::Heard,
    /// Number of checks so far.
    pub(crate) checks: u64,
    /// The registry's epoch at the last check.
    pub(crate) epoch: u64,
    /// Changes that were answered with success.
    pub acknowledged: u64,
}

impl Oracle {
    /// Whether a running transaction may hold the lock of a name.
    pub(crate) fn is_busy(&self, at: &EntryName) -> bool {
        self.transactions
            .values()
            .any(|known| match &known.operation {
                CdcOperation::MakeDirectory { entry, .. }
                | CdcOperation::RemoveDirectory { entry }
                | CdcOperation::UndeleteDirectory { entry, .. } => entry == at,
                CdcOperation::Rename { source, target, .. } => source == at || target == at,
            })
    }

    /// Whether no transaction is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.transactions.is_empty()
    }
}
