//! Messages of a metadata shard.

mod arguments;
mod change;
mod query;
mod reply;

use serde::{Deserialize, Serialize};

use crate::{RequestId, ShardId};

pub use arguments::{
    AddExtent, DirectoryOutcome, ErasedBlock, ExtentProofs, HealTarget, LockPurpose, NewExtent,
    ReleaseAction, Replace, SnapshotKey,
};
pub use change::ShardChange;
pub use query::{DirectoryCursor, ShardQuery};
pub use reply::{
    Dentry, DirectoryInfo, GarbageBlock, ListEntry, PlacedBlock, ShardReply, Snapshot,
    TransientInfo, Usage,
};

/// A request and the shard it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCall {
    /// A process that does not host it answers `NotHosted`.
    pub shard: ShardId,
    /// What is asked.
    pub request: ShardRequest,
}

/// Asks or changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // lives only between the socket and the machine
pub enum ShardRequest {
    /// Linearizable read.
    Query(ShardQuery),
    /// Replicated change; a retry carries the same id.
    Change {
        /// Names the change.
        id: RequestId,
        /// The change.
        change: ShardChange,
    },
    /// Linearizable read that any replica may answer: a follower asks the leader how far it has to be. Audits are
    /// answered by the leader all the same.
    QueryAny(ShardQuery),
}
