//! Old versions in a directory.

use eggs_proto::shard::{ShardQuery, ShardReply, Snapshot, SnapshotKey};
use eggs_proto::{InodeId, LIST_ENTRIES_MAX};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Some old versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPage {
    /// In order of (hash, name, time).
    pub snapshots: Vec<Snapshot>,
    /// Whether there may be more.
    pub more: bool,
}

impl Client {
    /// At most `limit` old versions after a position.
    pub async fn snapshots(
        &self,
        dir: InodeId,
        after: Option<SnapshotKey>,
        limit: u32,
    ) -> Result<SnapshotPage, ClientError> {
        let limit = limit.clamp(1, LIST_ENTRIES_MAX);
        let query = ShardQuery::Snapshots { dir, after, limit };
        let reply = self.shard_query(dir.shard(), query).await?;
        let ShardReply::Snapshots { snapshots, more } = reply else {
            return Err(unexpected(dir.shard()));
        };
        Ok(SnapshotPage { snapshots, more })
    }
}
