//! One shard in one pass.

use eggs_client::ClientError;
use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply, Usage};
use eggs_proto::{ShardId, Time};

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

/// The log time of a shard, by which ages count: the clock of whoever leads may be wrong. It stands still on a quiet
/// shard, so that it is advanced when something is due by the clock.
async fn log_time(
    cluster: &impl Cluster,
    shard: ShardId,
    known: &Usage,
    memory: &mut ShardMemory,
) -> Result<Time, ClientError> {
    let log = known.log_time();
    let due = memory.next_snapshot;
    if !due.is_some_and(|due| log < due && due <= known.now) {
        return Ok(log);
    }
    cluster.change(shard, ShardChange::AdvanceTime).await?;
    let advanced = usage(cluster, shard).await?;
    // Our own doing is no reason to look again.
    memory.changed = Some(advanced.changed);
    Ok(advanced.log_time())
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
            let now = log_time(cluster, shard, usage, memory).await?;
            snapshots::collect_due(cluster, directories, shard, now, memory, &mut tally).await?;
            // How long ago that was is a matter of clocks: log time stands still on a quiet shard.
            memory.walked = Some(usage.now);
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
