//! One shard in one pass.

use eggs_client::ClientError;
use eggs_proto::ShardId;
use eggs_proto::shard::{ShardQuery, ShardReply, Usage};

use crate::cluster::Cluster;
use crate::directories::Directories;
use crate::garbage::Down;
use crate::pass::nonsense;
use crate::planning::ShardMemory;
use crate::tally::Tally;
use crate::{garbage, snapshots, transients};

/// The counters of a shard.
pub(crate) async fn usage(cluster: &impl Cluster, shard: ShardId) -> Result<Usage, ClientError> {
    match cluster.query(shard, ShardQuery::Usage).await? {
        ShardReply::Usage(usage) => Ok(usage),
        _ => Err(nonsense(shard)),
    }
}

/// What all shards of a pass share.
pub(crate) struct Shared<'a, C> {
    pub cluster: &'a C,
    pub directories: Directories,
    pub down: Down,
    /// Some shard has changed since the last pass.
    pub cluster_changed: bool,
}

/// Does what is to be done on a shard. Snapshots come first, because they leave transient files, which leave garbage.
pub(crate) async fn visit<C: Cluster>(
    shared: &Shared<'_, C>,
    shard: ShardId,
    usage: &Usage,
    memory: &mut ShardMemory,
) -> Tally {
    let mut tally = Tally::default();
    let wanted = memory.wanted(usage, shared.cluster_changed);
    // As it was before we looked: whatever changes from now on is seen in the next pass.
    memory.changed = Some(usage.changed);
    memory.unfinished = false;
    let cluster = shared.cluster;
    let result = async {
        if wanted.snapshots {
            let directories = &shared.directories;
            let now = usage.now;
            snapshots::collect_due(cluster, directories, shard, now, memory, &mut tally).await?;
        }
        if wanted.transients || tally.snapshots > 0 {
            transients::destroy_expired(cluster, shard, memory, &mut tally).await?;
        }
        if wanted.garbage || tally.files > 0 {
            garbage::erase(cluster, &shared.down, shard, memory, &mut tally).await?;
        }
        Ok::<_, ClientError>(())
    };
    if let Err(error) = result.await {
        memory.unfinished = true;
        tally.fail(error);
    }
    tally
}
