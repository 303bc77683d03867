//! Listing a directory.

use eggs_proto::shard::{DirectoryCursor, ListEntry, ShardQuery, ShardReply};
use eggs_proto::{InodeId, LIST_ENTRIES_MAX};
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
        let elsewhere = |entry: &&mut ListEntry| entry.dentry.attributes.is_none();
        let fill = entries
            .iter_mut()
            .filter(elsewhere)
            .map(|entry| self.fill(entry));
        let filled = stream::iter(fill).buffer_unordered(STATS_IN_FLIGHT);
        let gone = filled.try_fold(false, |gone, there| async move { Ok(gone || !there) });
        if gone.await? {
            entries.retain(|entry| entry.dentry.attributes.is_some());
        }
        Ok(Page { entries, more })
    }

    /// Fetches the attributes of an entry from its shard; whether it is still there.
    async fn fill(&self, entry: &mut ListEntry) -> Result<bool, ClientError> {
        match self.stat(entry.dentry.inode).await {
            Ok(attributes) => {
                entry.dentry.attributes = Some(attributes);
                Ok(true)
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
