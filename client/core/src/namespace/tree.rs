//! What is below a directory.

use eggs_proto::InodeId;
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::tree::TreeTotals;

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

impl Client {
    /// Counts of what is below a directory, from one record: changes far below are seen a few seconds later.
    pub async fn tree(&self, dir: InodeId) -> Result<TreeTotals, ClientError> {
        let query = ShardQuery::Tree { dir };
        match self.shard_query(dir.shard(), query).await? {
            ShardReply::Tree(totals) => Ok(totals),
            _nonsense => Err(unexpected(dir.shard())),
        }
    }
}
