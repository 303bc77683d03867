//! Why something was not done.

use eggs_machine::Fault;
use eggs_proto::{GroupId, NodeId};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("bad configuration: {0}")]
    Config(String),
    /// The file system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A store does not open or cannot be read.
    #[error("the {store} store failed: {cause}")]
    Store {
        /// Which one.
        store: &'static str,
        /// What it said.
        cause: String,
    },
    /// A store holds something else than what was written to it.
    #[error("the {store} store is damaged: {cause}")]
    DamagedStore {
        /// Which one.
        store: &'static str,
        /// What it said.
        cause: String,
    },
    /// The log holds less than this replica has promised to others: its disk lost something. It must not
    /// vote with its old identity again.
    #[error("lost disk: the log ends before what was promised ({0}); do not reuse this identity")]
    LostDisk(String),
    /// A log record does not match its running hash, or one is missing in the middle.
    #[error("the log of {group} is damaged at {index}: {cause}")]
    DamagedLog {
        /// Whose.
        group: GroupId,
        /// Where.
        index: u64,
        /// How.
        cause: String,
    },
    /// The state is not what this version writes.
    #[error(transparent)]
    State(#[from] Fault),
    /// Consensus refused to start.
    #[error("{group} does not start: {cause}")]
    Group {
        /// Which group.
        group: GroupId,
        /// What it said.
        cause: String,
    },
}

impl StartError {
    /// Whether what this replica had is lost or damaged, so that it must never act under its old identity again. All else
    /// may pass, or is a mistake in how it was started.
    pub const fn is_lost(&self) -> bool {
        match self {
            Self::DamagedStore { .. } | Self::LostDisk(_) | Self::DamagedLog { .. } => true,
            Self::Config(_)
            | Self::Io { .. }
            | Self::Store { .. }
            | Self::State(_)
            | Self::Group { .. } => false,
        }
    }

    /// What a store said when it was opened or read from its beginning.
    pub(crate) fn of_store(store: &'static str, cause: crate::kv::Error) -> Self {
        let damaged = crate::kv::is_corruption(&cause);
        let cause = cause.into_string();
        if damaged {
            Self::DamagedStore { store, cause }
        } else {
            Self::Store { store, cause }
        }
    }
}

/// Why a command has no reply. Except for [`ProposeError::Overloaded`] and [`ProposeError::TooLarge`], the command
/// may still be applied later: only a retry with the same request id tells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another replica leads, or none is known to.
    #[error("this replica does not lead")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// Too many commands wait already. This one was not taken.
    #[error("too many commands are waiting")]
    Overloaded,
    /// It was not finished in time.
    #[error("the deadline has passed")]
    Deadline,
    /// The group has stopped on this node.
    #[error("the group has stopped")]
    Stopped,
    /// The command does not fit into a log entry. It was not taken.
    #[error("the command is too large")]
    TooLarge,
    /// The group is being filled from a backup. The command was not taken.
    #[error("the group is being restored")]
    Restoring,
}

/// Why a read was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Another replica leads, or none is known to.
    #[error("this replica does not lead")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// It was not certain in time that this replica still leads, or what the leader has committed was not applied in
    /// time.
    #[error("the deadline has passed")]
    Deadline,
    /// Too many reads wait already.
    #[error("too many reads are waiting")]
    Overloaded,
    /// The group is being filled from a backup.
    #[error("the group is being restored")]
    Restoring,
    /// The group has stopped on this node.
    #[error("the group has stopped")]
    Stopped,
}

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("{0} is unreachable: {1}")]
    Unreachable(NodeId, String),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(NodeId),
}
