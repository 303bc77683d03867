//! One pass over all shards.

use std::time::Instant;

use eggs_client::ClientError;
use eggs_proto::shard::Usage;
use eggs_proto::{GroupId, SHARD_COUNT, ShardId};
use futures::{StreamExt, stream};

use crate::cluster::Cluster;
use crate::planning::{PassFacts, ShardMemory};
use crate::shard_visit::{Shared, usage, visit};
use crate::tally::Tally;

/// Shards being asked for their counters at a time.
const USAGE_PARALLEL: usize = 16;
/// Shards being worked on at a time.
const VISITS_PARALLEL: usize = 8;

/// What is remembered from pass to pass; without it everything is looked at.
pub struct Memory {
    shards: Vec<ShardMemory>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            shards: vec![ShardMemory::default(); SHARD_COUNT],
        }
    }
}

/// What a pass came to.
pub struct Pass {
    /// What it did.
    pub tally: Tally,
    /// What matters for the next one.
    pub facts: PassFacts,
}

/// An answer that does not belong to the question.
pub(crate) fn nonsense(shard: ShardId) -> ClientError {
    ClientError::Protocol {
        what: GroupId::of_shard(shard).to_string(),
    }
}

/// Goes over all shards once.
pub async fn run(cluster: &impl Cluster, memory: &mut Memory) -> Pass {
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut usages: Vec<Option<Usage>> = vec![None; SHARD_COUNT];
    let mut answers = stream::iter(ShardId::all())
        .map(|shard| async move { (shard, usage(cluster, shard).await) })
        .buffer_unordered(USAGE_PARALLEL);
    while let Some((shard, answer)) = answers.next().await {
        match answer {
            Ok(usage) => usages[usize::from(shard.0)] = Some(usage),
            Err(error) => tally.fail(error),
        }
    }
    drop(answers);
    let known = usages.iter().zip(&memory.shards);
    let changed = known
        .filter_map(|(usage, memory)| Some(memory.is_outdated(usage.as_ref()?)))
        .any(|outdated| outdated);
    let shared = Shared {
        cluster,
        directories: Default::default(),
        down: Default::default(),
        cluster_changed: changed,
    };
    let shards = ShardId::all().zip(&usages).zip(&mut memory.shards);
    let visits = shards.filter_map(|((shard, usage), memory)| {
        let usage = usage.as_ref()?;
        Some(visit(&shared, shard, usage, memory))
    });
    let mut visits = stream::iter(visits).buffer_unordered(VISITS_PARALLEL);
    while let Some(visited) = visits.next().await {
        tally += visited;
    }
    drop(visits);
    let facts = PassFacts {
        productive: tally.is_productive(),
        changed,
        took: started.elapsed(),
        due_in_ms: due_in_ms(&usages, memory),
    };
    Pass { tally, facts }
}

/// The soonest deadline, by the clock of the shard that has it.
fn due_in_ms(usages: &[Option<Usage>], memory: &Memory) -> Option<u64> {
    let known = usages.iter().zip(&memory.shards);
    known
        .filter_map(|(usage, memory)| Some(memory.next_due()?.ms_since(usage.as_ref()?.now)))
        .min()
}
