//! Listing a directory.

use eggs_proto::shard::{DirectoryCursor, ListEntry, ShardQuery, ShardReply};
use eggs_proto::{Attributes, InodeId, LIST_ENTRIES_MAX};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Attributes fetched from other shards at the same time.
const STATS_IN_FLIGHT: usize = 32;

/// Part of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order of (hash, name).
    pub entries: Vec<ListEntry>,
    /// Whether there may be more.
    pub more: bool,
}

impl Page {
    /// Where the next page begins.
    pub fn cursor(&self) -> Option<DirectoryCursor> {
        self.entries.last().map(|last| DirectoryCursor {
            hash: last.hash,
            name: Some(last.name.clone()),
        })
    }
}

impl Client {
    /// At most `limit` entries after a position. Attributes are there where the inode is on the directory's
    /// shard.
    pub async fn list(
        &self,
        dir: InodeId,
        after: Option<DirectoryCursor>,
        limit: u32,
    ) -> Result<Page, ClientError> {
        let limit = limit.clamp(1, LIST_ENTRIES_MAX);
        let query = ShardQuery::List { dir, after, limit };
        let reply = self.shard_query(dir.shard(), query).await?;
        let ShardReply::Listing { entries, more } = reply else {
            return Err(unexpected(dir.shard()));
        };
        Ok(Page { entries, more })
    }

    /// Like [`Client::list`], with the attributes of all entries. Entries that go meanwhile are left out.
    pub async fn list_with_attributes(
        &self,
        dir: InodeId,
        after: Option<DirectoryCursor>,
        limit: u32,
    ) -> Result<Page, ClientError> {
        let Page { mut entries, more } = self.list(dir, after, limit).await?;
        let elsewhere = entries.iter().enumerate();
        let elsewhere = elsewhere.filter(|(_, entry)| entry.dentry.attributes.is_none());
        let stats: Vec<_> = elsewhere
            .map(|(at, entry)| self.stat_if_there(at, entry.dentry.inode))
            .collect();
        let mut stats = stream::iter(stats).buffer_unordered(STATS_IN_FLIGHT);
        let mut gone = false;
        while let Some((at, found)) = stats.try_next().await? {
            match found {
                Some(attributes) => entries[at].dentry.attributes = Some(attributes),
                None => gone = true,
            }
        }
        if gone {
            entries.retain(|entry| entry.dentry.attributes.is_some());
        }
        Ok(Page { entries, more })
    }

    /// The attributes of an entry from its shard.
    async fn stat_if_there(
        &self,
        at: usize,
        inode: InodeId,
    ) -> Result<(usize, Option<Attributes>), ClientError> {
        match self.stat(inode).await {
            Ok(attributes) => Ok((at, Some(attributes))),
            Err(error) if error.is_not_found() => Ok((at, None)),
            Err(error) => Err(error),
        }
    }
}
