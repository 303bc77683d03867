//! Symlinks.

use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::{InodeId, Name, NewAttributes};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

impl Client {
    /// Makes a symlink; the name must be free.
    pub async fn symlink(
        &self,
        dir: InodeId,
        name: &Name,
        target: &[u8],
        attributes: NewAttributes,
    ) -> Result<InodeId, ClientError> {
        let change = ShardChange::Symlink {
            dir,
            name: name.clone(),
            target: target.to_vec(),
            attributes,
        };
        let reply = self.shard_change(dir.shard(), change).await?;
        let ShardReply::Linked { inode, .. } = reply else {
            return Err(unexpected(dir.shard()));
        };
        Ok(inode)
    }

    /// Where a symlink points.
    pub async fn read_link(&self, inode: InodeId) -> Result<Vec<u8>, ClientError> {
        let query = ShardQuery::ReadLink { inode };
        let reply = self.shard_query(inode.shard(), query).await?;
        let ShardReply::Target(target) = reply else {
            return Err(unexpected(inode.shard()));
        };
        Ok(target)
    }
}
