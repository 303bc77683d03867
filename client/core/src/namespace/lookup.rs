//! The current dentry of a name, with attributes.

use eggs_proto::shard::{Dentry, ShardQuery, ShardReply};
use eggs_proto::{Attributes, InodeId, Name, Refusal};

use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// How often a name is looked up again because what it stood for was gone a moment later.
const RACES_MAX: u32 = 8;

impl Client {
    /// What a name stands for. The attributes are always there.
    pub async fn lookup(&self, dir: InodeId, name: &Name) -> Result<Dentry, ClientError> {
        self.inner.lookup(dir, name, self.deadline()).await
    }

    /// Attributes of an inode.
    pub async fn stat(&self, inode: InodeId) -> Result<Attributes, ClientError> {
        self.inner.stat(inode, self.deadline()).await
    }
}

impl Inner {
    pub(crate) async fn lookup(
        &self,
        dir: InodeId,
        name: &Name,
        deadline: Deadline,
    ) -> Result<Dentry, ClientError> {
        for _ in 0..RACES_MAX {
            let name = name.clone();
            let query = ShardQuery::Lookup { dir, name };
            let ShardReply::Dentry(mut dentry) = self.query(dir.shard(), query, deadline).await?
            else {
                return Err(unexpected(dir.shard()));
            };
            if dentry.attributes.is_some() {
                return Ok(dentry);
            }
            match self.stat(dentry.inode, deadline).await {
                Ok(attributes) => {
                    dentry.attributes = Some(attributes);
                    return Ok(dentry);
                }
                Err(error) if error.is_not_found() => {} // removed meanwhile: look again
                Err(error) => return Err(error),
            }
        }
        Err(Refusal::NotFound.into())
    }

    /// Goes down from a directory as far as its shard knows the way; at least one name. What ended the walk early,
    /// if it was not the last name passed, meets the next walk from there.
    pub(crate) async fn walk(
        &self,
        dir: InodeId,
        names: Vec<Name>,
        deadline: Deadline,
    ) -> Result<Vec<Dentry>, ClientError> {
        let count = names.len();
        let query = ShardQuery::Walk { dir, names };
        let reply = self.query(dir.shard(), query, deadline).await?;
        let ShardReply::Walked { dentries, refusal } = reply else {
            return Err(unexpected(dir.shard()));
        };
        if dentries.is_empty() || dentries.len() > count {
            return Err(unexpected(dir.shard()));
        }
        match refusal {
            None | Some(Refusal::Locked) => Ok(dentries),
            Some(refusal) => Err(refusal.into()),
        }
    }

    pub(crate) async fn stat(
        &self,
        inode: InodeId,
        deadline: Deadline,
    ) -> Result<Attributes, ClientError> {
        let query = ShardQuery::Stat { inode };
        let reply = self.query(inode.shard(), query, deadline).await?;
        let ShardReply::Attributes(attributes) = reply else {
            return Err(unexpected(inode.shard()));
        };
        Ok(attributes)
    }
}
