//! Messages to a shard.

use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{GroupId, InodeId, MessageKind, Refusal, RequestId, ShardId, encode};

use super::subject::subject;
use super::{CHANGE_ATTEMPT, QUERY_ATTEMPT};
use crate::ReadFrom;
use crate::client::{Client, Inner};
use crate::deadline::{Backoff, Deadline};
use crate::error::ClientError;
use crate::group_call::{By, GroupCall};

impl Client {
    /// A linearizable read of a shard. Waits for names that are locked by a transaction.
    pub async fn shard_query(
        &self,
        shard: ShardId,
        query: ShardQuery,
    ) -> Result<ShardReply, ClientError> {
        self.inner.query(shard, query, self.deadline()).await
    }

    /// A change of a shard, done exactly once if it is answered. Waits for names that are locked by a transaction.
    pub async fn shard_change(
        &self,
        shard: ShardId,
        change: ShardChange,
    ) -> Result<ShardReply, ClientError> {
        self.inner.change(shard, change, self.deadline()).await
    }
}

impl Inner {
    pub(crate) async fn query(
        &self,
        shard: ShardId,
        query: ShardQuery,
        deadline: Deadline,
    ) -> Result<ShardReply, ClientError> {
        self.touch();
        let (by, request) = match self.config.read_from {
            ReadFrom::Leader => (By::Leader, ShardRequest::Query(query)),
            ReadFrom::Any => {
                let about = subject(&query).map_or(0, InodeId::get);
                let by = By::Anybody(self.turn(about));
                (by, ShardRequest::QueryAny(query))
            }
        };
        let call = GroupCall {
            group: GroupId::of_shard(shard),
            kind: MessageKind::Shard,
            body: encode(&ShardCall { shard, request }).into(),
            attempt: QUERY_ATTEMPT,
            by,
        };
        let mut backoff = Backoff::new();
        loop {
            match self.call_group(&call, deadline).await {
                Err(ClientError::Refused(Refusal::Locked)) if backoff.pause(deadline).await => {}
                decided => return decided,
            }
        }
    }

    pub(crate) async fn change(
        &self,
        shard: ShardId,
        change: ShardChange,
        deadline: Deadline,
    ) -> Result<ShardReply, ClientError> {
        self.touch();
        let mut backoff = Backoff::new();
        loop {
            // `Locked` is remembered like any reply, so the next attempt needs an id of its own.
            let call = change_call(shard, self.next_request_id(), change.clone());
            match self.call_group(&call, deadline).await {
                Err(ClientError::Refused(Refusal::Locked)) if backoff.pause(deadline).await => {}
                decided => return decided,
            }
        }
    }
}

fn change_call(shard: ShardId, id: RequestId, change: ShardChange) -> GroupCall {
    let request = ShardRequest::Change { id, change };
    GroupCall {
        group: GroupId::of_shard(shard),
        kind: MessageKind::Shard,
        body: encode(&ShardCall { shard, request }).into(),
        attempt: CHANGE_ATTEMPT,
        by: By::Leader,
    }
}

/// The answer does not belong to the question.
pub(crate) fn unexpected(shard: ShardId) -> ClientError {
    ClientError::Protocol {
        what: GroupId::of_shard(shard).to_string(),
    }
}

/// For changes whose only good answer is `Done`.
pub(crate) fn done(shard: ShardId, reply: &ShardReply) -> Result<(), ClientError> {
    if *reply == ShardReply::Done {
        Ok(())
    } else {
        Err(unexpected(shard))
    }
}
