//! Destroys transient files whose deadline has passed.

use eggs_client::ClientError;
use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::{InodeId, Refusal, ShardId};
use futures::{StreamExt, stream};

use crate::cluster::Cluster;
use crate::pass::nonsense;
use crate::planning::ShardMemory;
use crate::tally::Tally;

/// Files per query.
const PAGE: u32 = 1024;
/// Queries per shard and pass.
const PAGES_MAX: u32 = 8;
/// Files of one shard being destroyed at a time; the shard batches their changes.
const PARALLEL: usize = 16;

/// Destroys what has expired, and remembers when the next one expires.
pub(crate) async fn destroy_expired(
    cluster: &impl Cluster,
    shard: ShardId,
    memory: &mut ShardMemory,
    tally: &mut Tally,
) -> Result<(), ClientError> {
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let query = ShardQuery::VisitTransients { after, limit: PAGE };
        let reply = cluster.query(shard, query).await?;
        let ShardReply::Transients {
            transients,
            more,
            now,
        } = reply
        else {
            return Err(nonsense(shard));
        };
        let expired = transients.partition_point(|info| info.deadline <= now);
        after = transients.last().map(|info| (info.deadline, info.file));
        let files = transients[..expired].iter().map(|info| info.file);
        let results: Vec<_> = stream::iter(files)
            .map(|file| destroy(cluster, file))
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        for result in results {
            match result {
                Ok(()) => tally.files += 1,
                // It was kept alive or linked since we looked.
                Err(ClientError::Refused(Refusal::Changed | Refusal::NotTransient)) => {}
                Err(error) => {
                    memory.unfinished = true;
                    tally.fail(error);
                }
            }
        }
        if let Some(next) = transients.get(expired) {
            memory.next_transient = Some(next.deadline);
            return Ok(());
        }
        if !more {
            memory.next_transient = None;
            return Ok(());
        }
    }
    memory.unfinished = true;
    Ok(())
}

async fn destroy(cluster: &impl Cluster, file: InodeId) -> Result<(), ClientError> {
    loop {
        let change = ShardChange::DestroyTransient { file };
        match cluster.change(file.shard(), change).await? {
            ShardReply::Progress { finished: true } => return Ok(()),
            ShardReply::Progress { finished: false } => {} // each request destroys a part
            _ => return Err(nonsense(file.shard())),
        }
    }
}
