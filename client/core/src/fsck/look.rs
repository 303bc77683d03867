//! One look at some shards and the coordinator.

use std::collections::BTreeSet;

use eggs_audit::{Join, Remainder, ShardJoin};
use eggs_proto::audit::{Finding, TreeAuditPage};
use eggs_proto::cdc::{CdcReply, CdcRequest};
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{AUDIT_RECORDS_MAX, LIST_ENTRIES_MAX, ShardId};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Checked, FsckScope};
use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Shards that are asked at the same time.
const SHARDS_IN_FLIGHT: usize = 8;

/// How much is asked for at once.
#[derive(Clone, Copy)]
pub(super) enum PageSize {
    Usual,
    Large,
}

impl PageSize {
    const fn records(self) -> u32 {
        match self {
            Self::Usual => 4096,
            Self::Large => AUDIT_RECORDS_MAX,
        }
    }
}

/// One look.
#[derive(Default)]
pub(super) struct Look {
    pub(super) certain: BTreeSet<Finding>,
    /// Shards that changed while they were looked at.
    pub(super) moved: BTreeSet<ShardId>,
    pub(super) checked: Checked,
    within: Vec<Finding>,
    join: Join,
}

struct ShardLook {
    shard: ShardId,
    certain: Vec<Finding>,
    within: Vec<Finding>,
    left: Remainder,
    trees: Vec<TreeAuditPage>,
    moved: bool,
    checked: Checked,
}

impl Look {
    pub(super) async fn take(
        client: &Client,
        shards: &[ShardId],
        size: PageSize,
    ) -> Result<Self, ClientError> {
        let all = stream::iter(shards.iter().map(|shard| of_shard(client, *shard, size)));
        let mut all = all.buffer_unordered(SHARDS_IN_FLIGHT);
        let mut look = Self::default();
        while let Some(shard) = all.try_next().await? {
            look.certain.extend(shard.certain);
            look.within.extend(shard.within);
            if shard.moved {
                look.moved.insert(shard.shard);
            }
            look.checked.shards += 1;
            look.checked.inodes += shard.checked.inodes;
            look.checked.names += shard.checked.names;
            look.checked.blocks += shard.checked.blocks;
            look.join.add_shard(shard.left);
            for page in shard.trees {
                look.join.add_trees(page);
            }
        }
        Ok(look)
    }

    /// Has to come after the shards.
    pub(super) async fn ask_cdc(&mut self, client: &Client) -> Result<(), ClientError> {
        let mut after = None;
        loop {
            let limit = LIST_ENTRIES_MAX;
            let asked = client.cdc_ask(&CdcRequest::Audit { after, limit }).await?;
            let CdcReply::Audit(page) = asked else {
                let what = "the CDC".to_owned();
                return Err(ClientError::Protocol { what });
            };
            after = page.parents.last().map(|(dir, _)| *dir);
            let more = page.more && after.is_some();
            self.join.add_cdc(page);
            if !more {
                return Ok(());
            }
        }
    }

    /// What needs another look.
    pub(super) fn suspects(self, scope: FsckScope) -> Vec<Finding> {
        let mut suspects = self.within;
        match scope {
            FsckScope::Everything => suspects.extend(self.join.finish()),
            FsckScope::Shard(_) => {} // one shard alone says nothing about the others
        }
        suspects
    }
}

async fn of_shard(
    client: &Client,
    shard: ShardId,
    size: PageSize,
) -> Result<ShardLook, ClientError> {
    let (mut join, mut certain, mut after) = (ShardJoin::default(), Vec::new(), None);
    let mut checked = Checked::default();
    let moved = loop {
        let limit = size.records();
        let query = ShardQuery::Audit { after, limit };
        let ShardReply::Audit(mut page) = client.shard_query(shard, query).await? else {
            return Err(unexpected(shard));
        };
        certain.append(&mut page.findings);
        checked.inodes += page.inodes.len() as u64;
        checked.names += page.claims.len() as u64;
        checked.blocks += page.blocks.len() as u64;
        after = page.next.take();
        let moved = page.moved;
        join.add(page);
        if after.is_none() {
            break moved;
        }
    };
    let (within, left) = join.finish(shard);
    let trees = trees_of_shard(client, shard).await?;
    Ok(ShardLook {
        shard,
        certain,
        within,
        left,
        trees,
        moved,
        checked,
    })
}

async fn trees_of_shard(
    client: &Client,
    shard: ShardId,
) -> Result<Vec<TreeAuditPage>, ClientError> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let limit = LIST_ENTRIES_MAX;
        let query = ShardQuery::AuditTrees { after, limit };
        let ShardReply::TreeAudit(page) = client.shard_query(shard, query).await? else {
            return Err(unexpected(shard));
        };
        after = page.next;
        pages.push(page);
        if after.is_none() {
            return Ok(pages);
        }
    }
}
