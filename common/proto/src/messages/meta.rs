//! Messages about the replicas of Raft groups, to any process that has some. For servers only.

use serde::{Deserialize, Serialize};

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
