//! What is written to the coordinator's log, and what applying it answers.

use eggs_proto::cdc::{CdcOperation, CdcReply};
use eggs_proto::shard::ShardReply;
use eggs_proto::{
    CallError, CallResult, InodeId, Refusal, RequestId, TransactionId, decode, encode,
};
use serde::{Deserialize, Serialize};

/// A command. The position of a variant is its number in the log: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdcCommand {
    /// Starts a transaction, unless one with this request id is known.
    Begin {
        /// Names the change.
        id: RequestId,
        /// What to do.
        operation: CdcOperation,
    },
    /// Reports what a step came to.
    StepDone {
        /// The transaction.
        transaction: TransactionId,
        /// Which of its steps; any other than the current one is ignored.
        serial: u32,
        /// What its shard answered.
        outcome: StepOutcome,
    },
    /// Corrects what is known of a directory's parent; see `CdcRequest::RepairParent`.
    RepairParent {
        /// The directory.
        dir: InodeId,
        /// Its parent as known.
        known: Option<InodeId>,
        /// Its parent.
        parent: Option<InodeId>,
    },
    /// Refuses what `Begin` would have started, unless a transaction with this request id is known: the leader knows a
    /// reason.
    Refuse {
        /// Names the change.
        id: RequestId,
        /// Why.
        refusal: Refusal,
    },
}

impl CdcCommand {
    /// As it goes into the log. The command needs no request id in its header.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

/// What a shard's answer to a step comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOutcome {
    /// It happened.
    Done,
    /// A dentry is locked.
    DentryLocked(Option<InodeId>),
    /// It did not happen and never will.
    Refused(Refusal),
}

impl StepOutcome {
    /// What an answer says about the step; `None` if it says nothing, so that the step has to be sent again.
    pub fn of_answer(answer: CallResult<ShardReply>) -> Option<Self> {
        match answer {
            Ok(ShardReply::DentryLocked { inode }) => Some(Self::DentryLocked(inode)),
            Ok(_) => Some(Self::Done),
            Err(CallError::Refused(refusal)) => Some(Self::Refused(refusal)),
            Err(
                CallError::NotLeader { .. }
                | CallError::NotHosted
                | CallError::Overloaded
                | CallError::Deadline
                | CallError::Unavailable(_)
                | CallError::Malformed
                | CallError::Forbidden,
            ) => None,
        }
    }
}

/// How a transaction ended. Stored: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionOutcome {
    /// It happened.
    Done,
    /// A directory was made.
    Made {
        /// The new directory.
        dir: InodeId,
    },
    /// It was rolled back.
    Refused(Refusal),
    /// It was decided, but a shard refused to carry out a part of it, which is a bug. See [`crate::stuck`].
    Stuck,
}

impl TransactionOutcome {
    /// What the client is told.
    pub fn into_answer(self) -> CallResult<CdcReply> {
        match self {
            Self::Done => Ok(CdcReply::Done),
            Self::Made { dir } => Ok(CdcReply::Made { dir }),
            Self::Refused(refusal) => Err(CallError::Refused(refusal)),
            Self::Stuck => Err(CallError::Unavailable(
                "a shard refused to carry out a decided transaction".into(),
            )),
        }
    }
}

/// What applying a command answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdcAnswer {
    /// The transaction is under way.
    Running(TransactionId),
    /// The transaction has ended.
    Finished {
        /// Who asked for it.
        request: RequestId,
        /// How.
        outcome: TransactionOutcome,
    },
    /// Too many transactions are under way; nothing was begun.
    Overloaded,
    /// The step is not the current one, or the transaction is gone.
    Ignored,
    /// What a repair came to.
    Repaired(Result<(), Refusal>),
}

impl CdcAnswer {
    /// Reads the reply of a command; `None` if it is not one, which is a bug.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).ok()
    }
}
