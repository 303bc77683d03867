//! Extended attributes.

use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::{InodeId, Xattr, XattrMode, XattrName};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::{done, unexpected};

impl Client {
    /// The value of one; `NoAttribute` if there is none.
    pub async fn xattr(&self, inode: InodeId, name: &XattrName) -> Result<Vec<u8>, ClientError> {
        let name = name.clone();
        let query = ShardQuery::GetXattr { inode, name };
        match self.shard_query(inode.shard(), query).await? {
            ShardReply::Xattr(value) => Ok(value),
            _other => Err(unexpected(inode.shard())),
        }
    }

    /// All of an inode, with their values, in order of their names.
    pub async fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>, ClientError> {
        let query = ShardQuery::ListXattrs { inode };
        match self.shard_query(inode.shard(), query).await? {
            ShardReply::Xattrs(all) => Ok(all),
            _other => Err(unexpected(inode.shard())),
        }
    }

    /// Sets one of a file, linked or being written, directory or symlink.
    pub async fn set_xattr(
        &self,
        inode: InodeId,
        xattr: Xattr,
        mode: XattrMode,
    ) -> Result<(), ClientError> {
        let Xattr { name, value } = xattr;
        let change = ShardChange::SetXattr {
            inode,
            name,
            value,
            mode,
        };
        let reply = self.shard_change(inode.shard(), change).await?;
        done(inode.shard(), &reply)
    }

    /// Removes one; `NoAttribute` if there is none.
    pub async fn remove_xattr(&self, inode: InodeId, name: &XattrName) -> Result<(), ClientError> {
        let name = name.clone();
        let change = ShardChange::RemoveXattr { inode, name };
        let reply = self.shard_change(inode.shard(), change).await?;
        done(inode.shard(), &reply)
    }
}
