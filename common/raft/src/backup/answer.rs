//! Answers to requests about states: keeping them, filling empty groups, comparing replicas.

use std::time::{Duration, Instant};

use eggs_proto::meta::{MetaReply, RestoreState, RestoreStep};
use eggs_proto::{CallError, CallResult, GroupId, Time};
use openraft::errors::{ClientWriteError, RaftError};

use crate::order::Order;
use crate::state::{GroupView, restore_state};
use crate::{Group, Node, ReadError};

/// How long to wait for the certainty that a group is led from here.
const CERTAINTY: Duration = Duration::from_secs(2);

impl Node {
    /// Keeps the state of all groups that are led from here for certain.
    pub(crate) async fn pin(&self, pin: u64, deadline: Instant) -> CallResult<MetaReply> {
        let deadline = deadline.min(Instant::now() + CERTAINTY);
        let led = self.groups().filter(Group::is_leader);
        let ready = led.map(|group| async move {
            let ready = group.ready_to_read(deadline).await;
            ready.is_ok().then(|| group.id())
        });
        let ready = futures::future::join_all(ready).await;
        let groups = ready.into_iter().flatten().collect();
        let pinned = self.shared.pins.pin(&self.shared.state, pin, groups);
        pinned.await.map(MetaReply::Pinned)
    }

    /// Has all replicas of a group make digests.
    pub(crate) async fn order_digest(
        &self,
        (group, id): (GroupId, u64),
        deadline: Instant,
    ) -> CallResult<MetaReply> {
        let group = self.group(group).ok_or(CallError::NotHosted)?;
        group.order(&Order::Digest { id }, deadline).await?;
        Ok(MetaReply::Done)
    }

    /// Does a step of filling an empty group.
    pub(crate) async fn restore(
        &self,
        (group, restore): (GroupId, u64),
        step: RestoreStep,
        deadline: Instant,
    ) -> CallResult<MetaReply> {
        let group = self.group(group).ok_or(CallError::NotHosted)?;
        let order = match step {
            RestoreStep::Look => return group.look(deadline).await.map(MetaReply::Restoring),
            RestoreStep::Begin => Order::RestoreBegin { restore },
            RestoreStep::Part { sequence, chunk } => Order::RestorePart {
                restore,
                sequence,
                now: now(),
                chunk,
            },
            RestoreStep::End { parts } => Order::RestoreEnd { restore, parts },
        };
        let reply = group.order(&order, deadline).await?;
        let state = postcard::from_bytes(&reply)
            .map_err(|_| CallError::Unavailable("the log answered nonsense".into()))?;
        Ok(MetaReply::Restoring(state))
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Time(u64::try_from(ms).unwrap_or(u64::MAX))
}

impl Group {
    async fn look(&self, deadline: Instant) -> CallResult<RestoreState> {
        match self.certain_to_lead(deadline).await {
            Ok(()) => {}
            Err(ReadError::NotLeader { leader }) => return Err(CallError::NotLeader { leader }),
            Err(ReadError::Deadline | ReadError::Overloaded) => return Err(CallError::Deadline),
            Err(error @ (ReadError::Stopped | ReadError::Restoring)) => {
                return Err(CallError::Unavailable(error.to_string()));
            }
        }
        let view = GroupView::moment(&self.replica.state, self.replica.group);
        restore_state(&view, self.replica.machine.as_ref())
            .map_err(|fault| CallError::Unavailable(fault.to_string()))
    }

    /// Puts an order into the log and waits for this replica's answer.
    async fn order(&self, order: &Order, deadline: Instant) -> CallResult<Vec<u8>> {
        self.wake(deadline.into()).await; // consensus refuses orders of a group that rests
        let writing = self.replica.raft.client_write(order.encode());
        let written = tokio::time::timeout_at(deadline.into(), writing).await;
        match written.map_err(|_| CallError::Deadline)? {
            Ok(response) => Ok(response.data.0.into_iter().next().unwrap_or_default()),
            Err(RaftError::APIError(
                ClientWriteError::ForwardToLeader(forward)
                | ClientWriteError::LogEntryDiscarded(forward),
            )) => Err(CallError::NotLeader {
                leader: forward.leader_id.and_then(eggs_proto::NodeId::from_u64),
            }),
            Err(RaftError::APIError(
                error @ (ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_)),
            )) => Err(CallError::Unavailable(error.to_string())),
            Err(RaftError::Fatal(_)) => Err(CallError::Unavailable("the group has stopped".into())),
        }
    }
}
