//! Deleting files and symlinks.

use eggs_proto::shard::ShardChange;
use eggs_proto::{InodeId, Name};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::done;

impl Client {
    /// Deletes a file or symlink, which becomes a snapshot. With `expected`, only if the name stands for it.
    pub async fn unlink(
        &self,
        dir: InodeId,
        name: &Name,
        expected: Option<InodeId>,
    ) -> Result<(), ClientError> {
        let change = ShardChange::Unlink {
            dir,
            name: name.clone(),
            expected,
        };
        let reply = self.shard_change(dir.shard(), change).await?;
        done(dir.shard(), &reply)
    }
}
