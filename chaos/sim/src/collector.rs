//! The collector: the passes of `eggs_gc`, its requests going over the simulated network.

use std::time::Duration;

use eggs_client::ClientError;
use eggs_gc::planning::{Pace, PassFacts};
use eggs_gc::{Cluster, Erasure, Memory, Pass};
use eggs_machine::bugs::{Bug, planted};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::shard::{GarbageBlock, ShardChange, ShardQuery, ShardReply, Usage};
use eggs_proto::{FileTime, GroupId, InodeId, MacTag, ShardId};

use crate::client::{Client, Failure};

/// How long the collector waits for anything, in seconds.
const PATIENCE_S: u64 = 5;
/// Between passes while the cluster is in use.
const INTERVAL: Duration = Duration::from_secs(10);

/// Collects until its process dies.
pub(crate) async fn collect_for_ever(client: Client) {
    let pace = Pace { interval: INTERVAL };
    let mut memory = Memory::default();
    let cluster = Simulated(client);
    loop {
        let began_us = cluster.0.sim.now_us();
        let Pass { tally, facts } = eggs_gc::pass(&cluster, &mut memory).await;
        let took = Duration::from_micros(cluster.0.sim.now_us() - began_us);
        let pause = pace.pause(&PassFacts { took, ..facts });
        cluster.0.sim.with(|world| {
            for (count, what) in [
                (tally.files, "files"),
                (tally.snapshots, "snapshots"),
                (tally.directories, "directories"),
                (tally.blocks, "blocks"),
                (tally.waiting, "waiting"),
                (tally.failures, "failures"),
            ] {
                if count > 0 {
                    world.coverage.hit(format!("a pass with {what}"));
                }
            }
        });
        cluster.0.sim.sleep_us(pause.as_micros() as u64).await;
    }
}

/// The simulated cluster as the collector sees it.
struct Simulated(Client);

impl Cluster for Simulated {
    async fn query(&self, shard: ShardId, query: ShardQuery) -> Result<ShardReply, ClientError> {
        // Shards that nobody has asked for anything are known to be empty.
        let group = GroupId::of_shard(shard);
        let untouched = shard != InodeId::ROOT.shard()
            && self.0.sim.with(|world| !world.groups.contains_key(&group));
        if untouched && query == ShardQuery::Usage {
            return Ok(ShardReply::Usage(Usage::default()));
        }
        let deadline_us = self.0.deadline(PATIENCE_S);
        let mut answer = self.0.query(shard, query, deadline_us).await;
        if let Ok(ShardReply::Usage(usage)) = &mut answer
            && planted(Bug::SnapshotCollectedTooYoung)
        {
            // As if ages counted by a clock that is ahead.
            usage.changed = FileTime::from(usage.now.plus_ms(3_600_000));
        }
        answer.map_err(error)
    }

    async fn change(&self, shard: ShardId, change: ShardChange) -> Result<ShardReply, ClientError> {
        let deadline_us = self.0.deadline(PATIENCE_S);
        self.0
            .change(shard, change, deadline_us)
            .await
            .map_err(error)
    }

    async fn erase(&self, block: &GarbageBlock, certificate: MacTag) -> Erasure {
        let request = BlockRequest::Erase {
            facts: block.facts,
            write_expiry: block.write_expiry,
            certificate,
        };
        match self.0.block(block.facts.service, request).await {
            Ok(BlockReply::Erased { proof }) => Erasure::Erased(proof),
            Err(Failure::Block(BlockRefusal::WrongService | BlockRefusal::Overloaded)) => {
                Erasure::ServiceDown
            }
            Err(Failure::Block(refusal)) => Erasure::Refused(refusal),
            Ok(_) | Err(Failure::TooLate | Failure::Refused(_)) => Erasure::ServiceDown,
        }
    }
}

fn error(failure: Failure) -> ClientError {
    match failure {
        Failure::Refused(refusal) => ClientError::Refused(refusal),
        Failure::Block(_) | Failure::TooLate => ClientError::Unreachable {
            what: "a shard".into(),
            cause: "simulated".into(),
        },
    }
}
