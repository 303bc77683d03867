//! Changing attributes.

use eggs_proto::shard::{ShardChange, ShardReply};
use eggs_proto::{AttributeChange, Attributes, InodeId};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

impl Client {
    /// Changes attributes and returns the new ones.
    pub async fn set_attributes(
        &self,
        inode: InodeId,
        change: AttributeChange,
    ) -> Result<Attributes, ClientError> {
        let shard = inode.shard();
        let change = ShardChange::SetAttributes { inode, change };
        let ShardReply::Attributes(attributes) = self.shard_change(shard, change).await? else {
            return Err(unexpected(shard));
        };
        Ok(attributes)
    }
}
