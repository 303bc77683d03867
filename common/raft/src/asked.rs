//! What makes a replica certain that it leads, and what it then tells its followers.

use std::sync::Arc;
use std::time::Duration;

use eggs_proto::NodeId;
use openraft::LinearizerOption;
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::linearizable_read::Linearizer;

use crate::certainty::Certainty;
use crate::state::Slot;
use crate::types::{Raft, TypeConfig};
use crate::{ReadError, Timing};

/// What this replica must have applied before a read, if it leads for certain: by its lease, or because a quorum says so. `None` if
/// none did in time; the lease may come back.
async fn linearizer(
    raft: &Raft,
    timing: Timing,
    patience: Duration,
) -> Result<Option<Linearizer<TypeConfig>>, ReadError> {
    let option = LinearizerOption::new(Some(timing.read_lease()), true).with_wait_timeout(patience);
    match raft.get_read_linearizer(option).await {
        Ok(linearizer) => Ok(Some(linearizer)),
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Ok(None),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
            let leader = forward.leader_id.and_then(NodeId::from_u64);
            Err(ReadError::NotLeader { leader })
        }
        Err(RaftError::Fatal(_)) => Err(ReadError::Stopped),
    }
}

/// One replica as those see it who read: it answers if it is certain that it leads.
pub(crate) struct Asked {
    pub(crate) raft: Raft,
    pub(crate) node: NodeId,
    pub(crate) timing: Timing,
    pub(crate) certainty: Certainty,
    pub(crate) slot: Arc<Slot>,
}

impl Asked {
    /// Whether it leads for certain, and has applied everything that was answered, without asking anybody.
    pub(crate) fn is_certain(&self) -> bool {
        let lease = self.timing.read_lease();
        self.certainty.holds(&self.raft, self.node, lease)
    }

    /// Makes that certain: asks the core, or a quorum if the lease has lapsed, for so long at most, and waits for what is to be applied. The index of
    /// that; `None` without a quorum.
    pub(crate) async fn confirm(
        &self,
        asking: Duration,
        applying: Duration,
    ) -> Result<Option<u64>, ReadError> {
        let before = Certainty::before(&self.raft, self.node);
        let Some(linearizer) = linearizer(&self.raft, self.timing, asking).await? else {
            return Ok(None);
        };
        let index = linearizer.read_log_id().index();
        match linearizer.try_await_ready(&self.raft, Some(applying)).await {
            Ok(Ok(_)) => {
                self.certainty.confirm(&self.raft, self.node, before);
                Ok(Some(index))
            }
            Ok(Err(_)) => Err(ReadError::Deadline),
            Err(_) => Err(ReadError::Stopped),
        }
    }

    /// What a replica must have applied to know everything that was answered so far, if this one leads for certain: while it does
    /// by its lease, what it has applied itself, because it answers nothing before.
    pub(crate) async fn index(&self, patience: Duration) -> Result<u64, ReadError> {
        if self.is_certain()
            && let Some(reach) = self.slot.reach()
        {
            return Ok(reach);
        }
        let confirmed = self.confirm(patience, patience).await?;
        confirmed.ok_or(ReadError::Deadline)
    }
}
