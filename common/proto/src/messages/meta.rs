//! Messages about the replicas of Raft groups, to any process that has some. For servers only.

use serde::{Deserialize, Serialize};

use bytes::Bytes;

use crate::image::{PieceId, StateKey, TableDigest};
use crate::registry::SpaceReport;
use crate::{GroupId, NodeId};

/// A request about replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaRequest {
    /// How the replicas of this process are: of one group, or of all that it takes part in. → `Replicas`
    Replicas {
        /// Which group, or all.
        group: Option<GroupId>,
    },
    /// The leader hands over to another voter. Whether that happens shows in `Replicas`. → `Done`
    Transfer {
        /// Which group.
        group: GroupId,
        /// To whom.
        to: NodeId,
    },
    /// The leader does one step of a change of the members. What is so already is done; a repeat is fine.
    /// → `Done` or `Waits`
    Change {
        /// Which group.
        group: GroupId,
        /// What to do.
        change: MemberStep,
    },
    /// Whether this process has a past. A registry process answers that also before its replica has started.
    /// → `Standing`
    Standing,
    /// The coordinator begins no transaction for so long; those under way go on. Zero ends that. → `Done`
    Hold {
        /// Milliseconds, at most [`HOLD_MS_MAX`].
        ms: u32,
    },
    /// Keeps the present state of every group that this process leads, as of one moment each, until it is let go or
    /// nobody has asked for it for a minute. → `Pinned`
    Pin {
        /// Names it; drawn by the one who asks.
        pin: u64,
    },
    /// A piece of a state that is kept. → `Piece`
    Piece {
        /// Which.
        pin: u64,
        /// Of which group.
        group: GroupId,
        /// The last row of the piece before; `None` for the first piece.
        after: Option<StateKey>,
        /// A piece that need not be sent if it is this one.
        known: Option<PieceId>,
    },
    /// Lets what is kept go. → `Done`
    Unpin {
        /// Which.
        pin: u64,
    },
    /// The leader puts a step of filling an empty group into the log. A repeat is fine. → `Restoring`
    Restore {
        /// Which group.
        group: GroupId,
        /// Names the attempt; all groups are given the same.
        restore: u64,
        /// What to do.
        step: RestoreStep,
    },
    /// The leader has every replica make a digest of its state as of one place in the log. → `Done`
    Digest {
        /// Which group.
        group: GroupId,
        /// Names it; drawn by the one who asks.
        id: u64,
    },
    /// The digest of the replica of this process. → `Digest`, `None` if there is none (yet)
    DigestOf {
        /// Which group.
        group: GroupId,
        /// Which.
        id: u64,
    },
    /// How much space this process has for metadata. → `Space`
    Space,
}

/// Longest time for which the coordinator may be held, in milliseconds.
pub const HOLD_MS_MAX: u32 = 30_000;

/// A step of filling an empty group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreStep {
    /// Only says how far it is.
    Look,
    /// From now on the group serves nobody. Begins again if this was begun before.
    Begin,
    /// The next part of its state.
    Part {
        /// Counts parts from zero.
        sequence: u32,
        /// Rows, see [`crate::image`].
        chunk: Bytes,
    },
    /// All parts are there: the group serves.
    End {
        /// How many.
        parts: u32,
    },
}

/// How far the filling of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreState {
    /// It has not begun, and nothing is in the group.
    Empty,
    /// It has not begun, and something is in the group.
    InUse,
    /// It has begun.
    Under {
        /// Its name.
        restore: u64,
        /// The part that comes next.
        next: u32,
    },
    /// It is over.
    Done {
        /// Its name.
        restore: u64,
    },
    /// What was given is not what this version of the program can take; nothing has changed.
    Unreadable,
}

/// A group of which the state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedGroup {
    /// Which.
    pub group: GroupId,
    /// Term of the last entry that is applied in it.
    pub term: u64,
    /// Index of that entry.
    pub index: u64,
}

/// A piece of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePiece {
    /// Its name.
    pub id: PieceId,
    /// Its bytes, a chunk as in [`crate::image`]; `None` if they are known.
    pub bytes: Option<Bytes>,
    /// Its last row, if there are more after it.
    pub next: Option<StateKey>,
}

/// What the replica of one process holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDigest {
    /// The entry as of which.
    pub index: u64,
    /// Tables with rows, in order.
    pub tables: Vec<TableDigest>,
}

/// Whether a process has a past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// No replica has ever started in its directory.
    New {
        /// The random number of the directory.
        incarnation: u64,
    },
    /// It may have promised something.
    Settled {
        /// Those with whom it founded its group, if it did: the random numbers of their directories, which were new.
        founders: Vec<u64>,
    },
}

/// One step of a change of the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberStep {
    /// Begins to send the log to a process, which does not vote yet.
    AddLearner(NodeId),
    /// Gives a learner that is up to date a vote, and takes that of another process, which leaves.
    Promote {
        /// Who votes from now on.
        add: NodeId,
        /// Who leaves, if anybody.
        remove: Option<NodeId>,
    },
    /// Takes a process out.
    Remove(NodeId),
    /// Finishes a change that was interrupted.
    Settle,
}

/// How one replica is, as its process knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaInfo {
    /// Which group.
    pub group: GroupId,
    /// The term of Raft.
    pub term: u64,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
    /// Index of the last log entry.
    pub last_log: u64,
    /// Index of the last applied entry.
    pub applied: u64,
    /// Index of the log entry that says who the members are.
    pub version: u64,
    /// Who votes; in the middle of a change, those of both sides. Ascending.
    pub voters: Vec<NodeId>,
    /// Whether it is in the middle of a change of voters.
    pub changing: bool,
    /// Who only receives the log. Ascending.
    pub learners: Vec<NodeId>,
    /// How far the members are, if this replica leads.
    pub progress: Vec<ReplicaProgress>,
}

/// How far a member is, as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaProgress {
    /// Who.
    pub node: NodeId,
    /// Index of the last entry it is known to have.
    pub matched: Option<u64>,
    /// Milliseconds since it answered.
    pub heard_ms: Option<u64>,
}

/// Answers about replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaReply {
    /// It is so.
    Done,
    /// In order of their groups.
    Replicas(Vec<ReplicaInfo>),
    /// Not now; ask again later.
    Waits(Wait),
    /// Whether it has a past.
    Standing(Standing),
    /// What is kept, in order of the groups.
    Pinned(Vec<PinnedGroup>),
    /// A piece of a state.
    Piece(StatePiece),
    /// How far the filling of a group is.
    Restoring(RestoreState),
    /// A digest, if it is there.
    Digest(Option<StateDigest>),
    /// How the disk is.
    Space(SpaceReport),
}

/// Why a step has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// Another change of this group is under way.
    Busy,
    /// A learner is not up to date yet.
    Behind(NodeId),
    /// Not a member yet.
    NotMember(NodeId),
    /// Too few of those who would vote answer.
    NoMajority,
    /// There would be too many members.
    TooMany,
}

/// Who votes in a group, as of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMembers {
    /// Which group.
    pub group: GroupId,
    /// Index of the log entry that says so; a larger one is newer.
    pub version: u64,
    /// Who votes. Ascending.
    pub voters: Vec<NodeId>,
}
