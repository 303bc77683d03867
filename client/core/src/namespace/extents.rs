//! Where the bytes of a file are.

use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{Cookie, Extent, InodeId};

use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Extents asked for at once.
pub(crate) const EXTENTS_LIMIT: u32 = 64;

/// Some extents of a file, from one that was asked for on.
#[derive(Debug)]
pub(crate) struct ExtentPage {
    pub(crate) extents: Vec<Extent>,
    pub(crate) more: bool,
}

impl Client {
    /// All extents of a linked file.
    pub async fn extents(&self, file: InodeId) -> Result<Vec<Extent>, ClientError> {
        let deadline = self.deadline();
        let mut all: Vec<Extent> = Vec::new();
        loop {
            let offset = all.last().map_or(0, Extent::end);
            let page = self.inner.extents(file, None, offset, deadline).await?;
            let nothing_new = page.extents.is_empty();
            all.extend(page.extents);
            if nothing_new || !page.more {
                return Ok(all);
            }
        }
    }
}

impl Inner {
    pub(crate) async fn extents(
        &self,
        file: InodeId,
        cookie: Option<Cookie>,
        offset: u64,
        deadline: Deadline,
    ) -> Result<ExtentPage, ClientError> {
        let query = ShardQuery::Extents {
            file,
            offset,
            limit: EXTENTS_LIMIT,
            cookie,
        };
        let reply = self.query(file.shard(), query, deadline).await?;
        let ShardReply::Extents { extents, more } = reply else {
            return Err(unexpected(file.shard()));
        };
        Ok(ExtentPage { extents, more })
    }
}
