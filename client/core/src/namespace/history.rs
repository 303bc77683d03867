//! The versions of one name.

use eggs_proto::shard::{ShardQuery, ShardReply, Snapshot, SnapshotKey};
use eggs_proto::{InodeId, LIST_ENTRIES_MAX, Name, Time};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Most old versions of one name that are looked at; of more, the oldest.
const VERSIONS_MAX: usize = 1 << 16;

impl Client {
    /// Old versions of a name in a directory, which may have been removed itself, in order of their creation.
    pub async fn history(&self, dir: InodeId, name: &Name) -> Result<Vec<Snapshot>, ClientError> {
        let mut versions = Vec::new();
        let mut after = SnapshotKey {
            hash: name.hash_in(dir),
            name: name.clone(),
            created: Time(0),
        };
        loop {
            let query = ShardQuery::Snapshots {
                dir,
                after: Some(after),
                limit: LIST_ENTRIES_MAX.min(64 << (versions.len() / 64).min(6)),
            };
            let reply = self.shard_query(dir.shard(), query).await?;
            let ShardReply::Snapshots { snapshots, more } = reply else {
                return Err(unexpected(dir.shard()));
            };
            let seen = snapshots.len();
            let same = snapshots
                .into_iter()
                .take_while(|snapshot| snapshot.key.name == *name);
            let before = versions.len();
            versions.extend(same);
            let ended = versions.len() - before < seen || !more || versions.len() >= VERSIONS_MAX;
            match versions.last() {
                Some(last) if !ended => after = last.key.clone(),
                Some(_) | None => return Ok(versions),
            }
        }
    }
}

/// Whether a version can come back.
pub(crate) fn is_kept(version: &Snapshot) -> bool {
    version.owned && !version.collecting
}

/// Whether a version had its name at a time.
pub(crate) fn held_at(version: &Snapshot, time: Time) -> bool {
    version.key.created <= time && time < version.removed
}
