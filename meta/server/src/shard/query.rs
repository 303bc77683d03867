//! A read: linearizable, answered from the state without the log.

use eggs_machine::StoreRead;
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{CallError, CallResult, ShardId};
use eggs_raft::Group;
use eggs_shard::QueryContext;

use super::service::{Asked, ShardService};
use crate::{call, clock};

impl ShardService {
    pub(super) async fn query(
        &self,
        group: &Group,
        shard: ShardId,
        asked: Asked,
        query: ShardQuery,
    ) -> CallResult<ShardReply> {
        group
            .ready_to_read(asked.deadline)
            .await
            .map_err(call::of_read)?;
        if let ShardQuery::Audit { .. } = query {
            return self.audit(group, shard, asked, query).await;
        }
        let look = |store: &dyn StoreRead| self.look(store, shard, asked, &query);
        group.read_local(look)
    }

    /// The same on any replica. Followers leave audits to the leader: they keep a replica busy for long.
    pub(super) async fn query_anywhere(
        &self,
        group: &Group,
        shard: ShardId,
        asked: Asked,
        query: ShardQuery,
    ) -> CallResult<ShardReply> {
        if let ShardQuery::Audit { .. } | ShardQuery::AuditTrees { .. } = query {
            return self.query(group, shard, asked, query).await;
        }
        let point = group.ready_to_read_anywhere(asked.deadline).await;
        let point = point.map_err(call::of_read)?;
        let look = |store: &dyn StoreRead| self.look(store, shard, asked, &query);
        let being_replaced = || {
            let what = "a checkpoint is being installed";
            Err(CallError::Unavailable(what.into()))
        };
        group.read_at(point, look).unwrap_or_else(being_replaced)
    }

    fn look(
        &self,
        store: &dyn StoreRead,
        shard: ShardId,
        asked: Asked,
        query: &ShardQuery,
    ) -> CallResult<ShardReply> {
        let view = self.view.current();
        let keys = |service| view.keys.get(&service).cloned();
        let context = QueryContext {
            keys: &keys,
            origin: asked.origin,
            now: clock::now(),
        };
        eggs_shard::query(shard, store, &context, query)
            .map_err(|fault| self.fault.report(&fault))?
            .map_err(CallError::Refused)
    }

    /// Longer than other reads, so on a thread that nobody waits for. The view is of one moment, and the shard goes on.
    async fn audit(
        &self,
        group: &Group,
        shard: ShardId,
        asked: Asked,
        query: ShardQuery,
    ) -> CallResult<ShardReply> {
        let group = group.clone();
        let read = tokio::task::spawn_blocking(move || {
            let context = QueryContext {
                keys: &|_| None, // for certificates only
                origin: asked.origin,
                now: clock::now(),
            };
            group.read_local(|store| eggs_shard::query(shard, store, &context, &query))
        });
        read.await
            .map_err(|_| CallError::Unavailable("the audit was cut off".into()))?
            .map_err(|fault| self.fault.report(&fault))?
            .map_err(CallError::Refused)
    }
}
