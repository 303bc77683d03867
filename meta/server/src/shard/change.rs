//! A change: prepared by the leader, put into the log, finished on the way out.

use eggs_machine::{Command, CommandHeader};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardChange, ShardReply};
use eggs_proto::{CallError, CallResult, Refusal, RequestId, ShardId, Time, decode, encode};
use eggs_raft::Group;
use eggs_shard::{PrepareContext, ShardCommand};

use super::schemes::stored_by;
use super::service::{Asked, ShardService};
use crate::space::Room;
use crate::{call, clock, space};

impl ShardService {
    pub(super) async fn change(
        &self,
        group: &Group,
        shard: ShardId,
        asked: Asked,
        (id, change): (RequestId, ShardChange),
    ) -> CallResult<ShardReply> {
        if !group.is_leader() {
            let leader = group.leader();
            return Err(CallError::NotLeader { leader });
        }
        let now = clock::now();
        let used = stored_by(&change);
        let command = match space::room_for(change.growth(), asked.origin, group.space()) {
            Room::Enough => {
                self.command(group, (shard, now), asked.origin, change)
                    .await?
            }
            Room::OnlyToSayNo => ShardCommand::metadata_full(),
            Room::None => return Err(CallError::Refused(Refusal::MetadataFull)),
        };
        let view = self.view.current();
        let keys = |service| view.keys.get(&service).cloned();
        let body = encode(&command);
        let header = CommandHeader {
            now,
            request: Some(id),
        };
        let reply = group
            .propose(Command { header, body }, asked.deadline)
            .await
            .map_err(call::of_propose)?;
        let reply: Result<ShardReply, Refusal> = decode(&reply).map_err(|_| {
            // Our own reply; it can only be that of a change of another format under the same id.
            CallError::Unavailable("the remembered reply does not decode".into())
        })?;
        // What there is no room for has to be heard of most of all.
        if let (Some(used), Ok(_) | Err(Refusal::NoSpace { .. })) = (used, &reply) {
            self.schemes.note(used);
        }
        let mut reply = reply?;
        self.changed.note(shard);
        eggs_shard::finish(&mut reply, &keys);
        Ok(reply)
    }

    /// The change with the leader's part of it.
    async fn command(
        &self,
        group: &Group,
        (shard, now): (ShardId, Time),
        origin: PeerRole,
        change: ShardChange,
    ) -> CallResult<ShardCommand> {
        let command = self.prepare(group, (shard, now), origin, change)?;
        if command.is_short_of_space() && self.view.refresh().await.is_ok() {
            // Disks may have come since the map was fetched; a full cluster is not worth a stale "no".
            return self.prepare(group, (shard, now), origin, command.change);
        }
        Ok(command)
    }

    /// The leader's part.
    fn prepare(
        &self,
        group: &Group,
        (shard, now): (ShardId, Time),
        origin: PeerRole,
        change: ShardChange,
    ) -> CallResult<ShardCommand> {
        let view = self.view.current();
        let context = PrepareContext {
            map: &view.map,
            keys: &|service| view.keys.get(&service).cloned(),
            most_free: view.most_free,
            shares: &self.shares.current(),
            entropy: rand::random(),
            origin,
            now,
        };
        group
            .read_local(|store| eggs_shard::prepare(shard, store, &context, change))
            .map_err(|fault| self.fault.report(&fault))?
            .map_err(CallError::Refused)
    }
}
