//! What goes into the log of a shard.

use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardChange;
use eggs_proto::{BlockFacts, BlockId, BlockServiceId, Cookie, Refusal, StorageClass};
use serde::{Deserialize, Serialize};

/// A change together with what the leader decided about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCommand {
    /// As asked.
    pub change: ShardChange,
    /// Who asked.
    pub origin: PeerRole,
    /// The leader's part.
    pub prepared: Prepared,
}

impl ShardCommand {
    /// A change that is refused because the metadata has no space. It is not kept: what it would have been is not worth
    /// the space.
    pub const fn metadata_full() -> Self {
        Self {
            change: ShardChange::AdvanceTime,
            origin: PeerRole::Server,
            prepared: Prepared::Refused(Refusal::MetadataFull),
        }
    }

    /// Whether the leader's map had too few disks for it. A newer map may have enough.
    pub const fn is_short_of_space(&self) -> bool {
        matches!(self.prepared, Prepared::Refused(Refusal::NoSpace { .. }))
    }
}

/// What only the leader can decide. The position of a variant is its number in the log: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prepared {
    /// Nothing is needed.
    Nothing,
    /// The change is refused for a reason only the leader can know. It goes through the log all the
    /// same, because a retry of a change that was accepted before must get the first answer.
    Refused(Refusal),
    /// A fresh cookie.
    Cookie(Cookie),
    /// Services for a new extent.
    Placed {
        /// The class they are of; not the one asked for if that had too few failure domains.
        class: StorageClass,
        /// One for each block; `None` where no failure domain was left.
        services: Vec<Option<BlockServiceId>>,
        /// For `AddExtent::certify`: see [`Prepared::Proved`].
        certified: Option<Vec<CheckedProof>>,
    },
    /// Services for blocks that replace others.
    Replaced {
        /// The blocks of the extent that the leader saw; the change is refused if they are others by now.
        seen: Vec<BlockId>,
        /// One for each index asked for.
        services: Vec<Option<BlockServiceId>>,
    },
    /// What the leader found, one for each block of the extent; empty if it knew no such extent.
    Proved(Vec<CheckedProof>),
    /// The facts whose erasure was proved.
    Erased(Vec<BlockFacts>),
    /// For a file with its first extent.
    Started {
        /// A fresh cookie.
        cookie: Cookie,
        /// As in [`Prepared::Placed`].
        class: StorageClass,
        /// As in [`Prepared::Placed`].
        services: Vec<Option<BlockServiceId>>,
    },
    /// [`Prepared::Proved`] for several extents, in the order in which they were asked for.
    ProvedAll(Vec<Vec<CheckedProof>>),
    /// For blocks to be healed.
    Healing {
        /// A fresh cookie for their transient file.
        cookie: Cookie,
        /// One for each position asked for; `None` where no failure domain was left.
        services: Vec<Option<BlockServiceId>>,
    },
}

/// What the leader found about a block of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedProof {
    /// The block as the leader knew it.
    pub facts: BlockFacts,
    /// Whether it is proved to be written.
    pub verdict: Verdict,
}

/// Of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// None was given.
    Absent,
    /// It proves the facts.
    Genuine,
    /// It does not.
    Forged,
    /// The leader does not know the key of the service (yet).
    NoKey,
}
