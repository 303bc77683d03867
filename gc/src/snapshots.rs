//! Walks the directories of a shard and collects their due snapshots.
//!
//! What is listed may have come back before it is collected (`Undelete`, `UndeleteDirectory`), so no step here is
//! taken on the word of the list:
//!
//! **Invariant:** a file is doomed only with its snapshot: by the change that removes it, or, on another shard, after a
//! mark that no undelete passes. A snapshot of a directory is removed only after the directory, which is refused from the
//! first step of bringing it back on. Both are named by snapshot and inode; a snapshot that came back is never that
//! one again.

use eggs_client::ClientError;
use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply, SnapshotKey};
use eggs_proto::{InodeId, Refusal, ShardId, Time};
use futures::{StreamExt, stream};

use crate::cluster::Cluster;
use crate::directories::Directories;
use crate::pass::nonsense;
use crate::planning::{DueSnapshot, How, ShardMemory, SnapshotPlan};
use crate::tally::Tally;

/// Directories or snapshots per query.
const PAGE: u32 = 1024;
/// Directories of one shard being looked at at a time.
const DIRECTORIES_PARALLEL: usize = 16;
/// Snapshots of one directory being collected at a time; the shard batches their changes.
const SNAPSHOTS_PARALLEL: usize = 16;
/// Snapshots of one directory collected per pass.
const SNAPSHOTS_MAX: usize = 16_384;

/// What was found in one directory.
#[derive(Debug, Default)]
struct Found {
    tally: Tally,
    has_snapshots: bool,
    next_due: Option<Time>,
    unfinished: bool,
}

/// Looks at all directories of a shard. `now` is the shard's log time.
pub(crate) async fn collect_due(
    cluster: &impl Cluster,
    directories: &Directories,
    shard: ShardId,
    now: Time,
    memory: &mut ShardMemory,
    tally: &mut Tally,
) -> Result<(), ClientError> {
    let (mut has_snapshots, mut next_due) = (false, None);
    let mut after = None;
    loop {
        let query = ShardQuery::VisitDirectories { after, limit: PAGE };
        let ShardReply::Inodes { inodes, more } = cluster.query(shard, query).await? else {
            return Err(nonsense(shard));
        };
        after = inodes.last().copied();
        let mut found = stream::iter(inodes)
            .map(|dir| async move {
                let found = look_into(cluster, directories, dir, now).await;
                found.unwrap_or_else(|error| Found::failed(&error))
            })
            .buffer_unordered(DIRECTORIES_PARALLEL);
        while let Some(found) = found.next().await {
            *tally += found.tally;
            has_snapshots |= found.has_snapshots;
            memory.unfinished |= found.unfinished;
            next_due = next_due.into_iter().chain(found.next_due).min();
        }
        if !more || after.is_none() {
            break;
        }
    }
    memory.has_snapshots = has_snapshots;
    memory.next_snapshot = next_due;
    Ok(())
}

impl Found {
    fn failed(error: &ClientError) -> Self {
        let mut found = Self {
            unfinished: true,
            has_snapshots: true,
            ..Self::default()
        };
        found.tally.fail(error);
        found
    }
}

async fn look_into(
    cluster: &impl Cluster,
    directories: &Directories,
    dir: InodeId,
    now: Time,
) -> Result<Found, ClientError> {
    let mut found = Found::default();
    let snapshots = directories
        .fetch(cluster, dir)
        .await?
        .map(|info| info.snapshots);
    if snapshots.unwrap_or(0) == 0 {
        return Ok(found);
    }
    found.has_snapshots = true;
    let policy = directories.snapshot_policy(cluster, dir).await?;
    let mut plan = SnapshotPlan::new(dir, policy, now);
    let mut after = None;
    let mut collected = 0;
    loop {
        let page = page(cluster, dir, after.take()).await?;
        after = page.last;
        page.snapshots
            .into_iter()
            .for_each(|snapshot| plan.push(snapshot));
        if !page.more {
            plan.end();
        }
        let due = plan.take_due();
        collected += due.len();
        collect(cluster, directories, dir, due, &mut found).await;
        if !page.more {
            break;
        }
        if collected >= SNAPSHOTS_MAX {
            found.unfinished = true;
            break;
        }
    }
    found.next_due = plan.next_due();
    Ok(found)
}

struct SnapshotPage {
    snapshots: Vec<eggs_proto::shard::Snapshot>,
    last: Option<SnapshotKey>,
    more: bool,
}

async fn page(
    cluster: &impl Cluster,
    dir: InodeId,
    after: Option<SnapshotKey>,
) -> Result<SnapshotPage, ClientError> {
    let limit = PAGE;
    let query = ShardQuery::Snapshots { dir, after, limit };
    match cluster.query(dir.shard(), query).await {
        Ok(ShardReply::Snapshots { snapshots, more }) => Ok(SnapshotPage {
            last: snapshots.last().map(|snapshot| snapshot.key.clone()),
            more: more && !snapshots.is_empty(),
            snapshots,
        }),
        Ok(_) => Err(nonsense(dir.shard())),
        Err(error) => Err(error),
    }
}

/// What became of one snapshot.
enum Collected {
    Gone,
    WithDirectory,
    /// Something has to happen before: a directory still holds something, or a move has not ended.
    Waiting,
}

async fn collect(
    cluster: &impl Cluster,
    directories: &Directories,
    dir: InodeId,
    due: Vec<DueSnapshot>,
    found: &mut Found,
) {
    let mut results = stream::iter(due)
        .map(|due| collect_one(cluster, directories, dir, due))
        .buffer_unordered(SNAPSHOTS_PARALLEL);
    while let Some(result) = results.next().await {
        match result {
            Ok(Collected::Gone) => found.tally.snapshots += 1,
            Ok(Collected::WithDirectory) => {
                found.tally.snapshots += 1;
                found.tally.directories += 1;
            }
            Ok(Collected::Waiting) => found.tally.waiting += 1,
            // Somebody else collected it, or it was brought back.
            Err(ClientError::Refused(Refusal::NoSnapshot | Refusal::NotFound)) => {}
            Err(error) => {
                found.unfinished = true;
                found.tally.fail(error);
            }
        }
    }
}

async fn collect_one(
    cluster: &impl Cluster,
    directories: &Directories,
    dir: InodeId,
    due: DueSnapshot,
) -> Result<Collected, ClientError> {
    let (key, inode) = (due.snapshot.key, due.snapshot.inode);
    let mut outcome = Collected::Gone;
    match due.how {
        How::Drop => {}
        How::Foreign => {
            if !due.snapshot.collecting {
                let begin = ShardChange::BeginCollect {
                    dir,
                    key: key.clone(),
                    inode,
                };
                done(cluster, dir.shard(), begin).await?;
            }
            let scrap = ShardChange::ScrapForeign { inode };
            match done(cluster, inode.shard(), scrap).await {
                Ok(()) => {}
                // The move that took it from its shard has not ended there yet.
                Err(ClientError::Refused(Refusal::NoSnapshot)) => return Ok(Collected::Waiting),
                Err(error) => return Err(error),
            }
        }
        How::Directory => {
            // Asked first, so that a change that would be refused does not go through the log.
            if let Some(info) = directories.fetch(cluster, inode).await? {
                if !info.removed || info.snapshots > 0 || info.attributes.size > 0 {
                    return Ok(Collected::Waiting);
                }
                let remove = ShardChange::RemoveDirectory { dir: inode };
                match done(cluster, inode.shard(), remove).await {
                    Ok(()) => outcome = Collected::WithDirectory,
                    Err(ClientError::Refused(
                        Refusal::NotEmpty | Refusal::Locked | Refusal::Changed,
                    )) => return Ok(Collected::Waiting),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let collect = ShardChange::CollectSnapshot { dir, key, inode };
    done(cluster, dir.shard(), collect).await?;
    Ok(outcome)
}

async fn done(
    cluster: &impl Cluster,
    shard: ShardId,
    change: ShardChange,
) -> Result<(), ClientError> {
    match cluster.change(shard, change).await? {
        ShardReply::Done => Ok(()),
        _ => Err(nonsense(shard)),
    }
}
