//! From a path to what it stood for.
//!
//! Each name is looked for among the current dentry and the old versions of its directory, so paths lead through
//! directories that were removed. Symlinks are not followed: where they led then is not what they lead to now.

use eggs_proto::shard::{Dentry, ShardQuery, ShardReply, Snapshot};
use eggs_proto::{InodeId, Name, Refusal, Time};

use super::walk::{Step, Walk};
use crate::client::Client;
use crate::error::ClientError;
use crate::namespace::{held_at, is_kept};
use crate::raw::shard::unexpected;

/// A directory, removed or not, and a name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldEntry {
    /// The directory.
    pub dir: InodeId,
    /// The name.
    pub name: Name,
}

/// All that a name stands and stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Where it is.
    pub entry: OldEntry,
    /// What it stands for now.
    pub current: Option<Dentry>,
    /// Old versions, in order of their creation.
    pub old: Vec<Snapshot>,
}

impl Versions {
    /// What the name stood for at a time.
    pub fn at(&self, time: Time) -> Option<InodeId> {
        let now = self.current.filter(|dentry| dentry.created <= time);
        let then = self.old.iter().rev().find(|old| held_at(old, time));
        now.map(|dentry| dentry.inode).or(then.map(|old| old.inode))
    }

    /// The newest old version that can come back.
    pub fn newest_kept(&self) -> Option<&Snapshot> {
        self.old.iter().rev().find(|old| is_kept(old))
    }
}

impl Client {
    /// The versions of a path's last name. Where a name on the way is free, the way leads through the newest
    /// directory that had it and can come back.
    pub async fn versions(&self, path: impl AsRef<[u8]>) -> Result<Versions, ClientError> {
        self.old_walk(path.as_ref(), |versions| {
            let kept = versions.newest_kept().map(|old| old.inode);
            versions.current.map(|dentry| dentry.inode).or(kept)
        })
        .await
    }

    /// The versions of a path's last name, with the names on the way as they were at a time, in the log time of
    /// their shards. [`Versions::at`] tells what the path stood for.
    pub async fn versions_at(
        &self,
        path: impl AsRef<[u8]>,
        time: Time,
    ) -> Result<Versions, ClientError> {
        self.old_walk(path.as_ref(), |versions| versions.at(time))
            .await
    }

    async fn old_walk(
        &self,
        path: &[u8],
        choose: impl Fn(&Versions) -> Option<InodeId>,
    ) -> Result<Versions, ClientError> {
        let mut walk = Walk::new(path)?;
        let last = walk.split_last().ok_or(Refusal::NotFound)?;
        let mut way = vec![InodeId::ROOT];
        while let Some(step) = walk.next() {
            let name = match step {
                Step::Up => {
                    if way.len() > 1 {
                        way.pop();
                    }
                    continue;
                }
                Step::Down(name) => name,
            };
            let versions = self.name_versions(&way, name).await?;
            let found = choose(&versions).ok_or(Refusal::NotFound)?;
            if !found.is_directory() {
                return Err(Refusal::NotDirectory.into());
            }
            way.push(found);
        }
        self.name_versions(&way, last).await
    }

    async fn name_versions(&self, way: &[InodeId], name: Name) -> Result<Versions, ClientError> {
        let dir = way.last().copied().unwrap_or(InodeId::ROOT);
        let query = ShardQuery::Lookup {
            dir,
            name: name.clone(),
        };
        let current = match self.shard_query(dir.shard(), query).await {
            Ok(ShardReply::Dentry(dentry)) => Some(dentry),
            Ok(_) => return Err(unexpected(dir.shard())),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let old = self.history(dir, &name).await?;
        let entry = OldEntry { dir, name };
        Ok(Versions {
            entry,
            current,
            old,
        })
    }
}
