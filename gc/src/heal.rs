//! Heals what is missing or lost: one pass over the files that have blocks nowhere or on abandoned services.
//!
//! **Invariant:** which blocks, and how many at once, is decided in [`planning`](crate::planning); each extent is healed
//! by requests that may stop anywhere.

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::time::Duration;

use eggs_client::ClientError;
use eggs_proto::shard::ShardQuery;
use eggs_proto::{BlockServiceId, Extent, InodeId, Refusal, ShardId};
use futures::{StreamExt, stream};

use crate::healer::{Healer, extents, files};
use crate::planning::{abandoned, found_under, lost_blocks, next_batch};

/// Files per query.
const PAGE: u32 = 256;
/// Shards being worked on at a time, each with one extent in memory.
const PARALLEL: usize = 4;

/// What a pass, or a part of it, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HealTally {
    /// Blocks that are whole again.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that wait for room, or for others of their extent to be in reach.
    pub waiting: u64,
    /// Extents of which too little is left.
    pub beyond: u64,
    /// Requests that failed.
    pub failures: u64,
    /// One of the failures, in words.
    pub failure: Option<String>,
}

impl HealTally {
    pub(crate) fn fail(&mut self, failure: impl ToString) {
        self.failures += 1;
        self.failure.get_or_insert_with(|| failure.to_string());
    }
}

impl AddAssign for HealTally {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.waiting += other.waiting;
        self.beyond += other.beyond;
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
    }
}

/// Goes over all shards once.
pub(crate) async fn pass(healer: &impl Healer, patience: Duration) -> HealTally {
    let abandoned = abandoned(&healer.map(), patience);
    let mut shards = stream::iter(ShardId::all())
        .map(|shard| heal_shard(healer, shard, &abandoned))
        .buffer_unordered(PARALLEL);
    let mut tally = HealTally::default();
    while let Some(part) = shards.next().await {
        tally += part;
    }
    tally
}

async fn heal_shard(
    healer: &impl Healer,
    shard: ShardId,
    abandoned: &BTreeSet<BlockServiceId>,
) -> HealTally {
    let mut tally = HealTally::default();
    let nowhere = [BlockServiceId::NOWHERE];
    for service in nowhere.iter().chain(abandoned) {
        let mut after = None;
        loop {
            let query = ShardQuery::FilesOnService {
                service: *service,
                after,
                limit: PAGE,
            };
            let (page, more) = match files(healer, shard, query).await {
                Ok(page) => page,
                Err(error) => {
                    tally.fail(error);
                    return tally;
                }
            };
            for file in &page {
                if let Err(error) =
                    heal_file(healer, (*service, *file), abandoned, &mut tally).await
                {
                    tally.fail(error);
                }
            }
            after = page.last().copied();
            if !more || after.is_none() {
                break;
            }
        }
    }
    tally
}

/// Heals what is to be healed of a file that was found under a service.
async fn heal_file(
    healer: &impl Healer,
    (service, file): (BlockServiceId, InodeId),
    abandoned: &BTreeSet<BlockServiceId>,
    tally: &mut HealTally,
) -> Result<(), ClientError> {
    let mut offset = 0;
    loop {
        let (page, more) = extents(healer, file, offset).await?;
        for extent in &page {
            let lost = lost_blocks(extent, abandoned);
            if found_under(extent, &lost) == Some(service) {
                heal_blocks(healer, file, extent, &lost, tally).await;
            }
        }
        offset = page.last().map_or(offset, Extent::end);
        if !more || page.is_empty() {
            return Ok(());
        }
    }
}

/// Heals as many blocks of an extent as can be at once; the rest is for the next pass.
pub(crate) async fn heal_blocks(
    healer: &impl Healer,
    file: InodeId,
    extent: &Extent,
    lost: &[u8],
    tally: &mut HealTally,
) {
    let indexes = next_batch(&healer.map(), extent, lost);
    let count = |indexes: &[u8]| indexes.len() as u64;
    if indexes.is_empty() {
        tally.waiting += count(lost);
        return;
    }
    match healer.heal(file, extent, &indexes).await {
        Ok(healed) => {
            tally.blocks += healed.blocks;
            tally.bytes += healed.bytes;
            tally.waiting += count(lost).saturating_sub(healed.blocks);
        }
        Err(ClientError::Refused(refusal)) => match refusal {
            // It was deleted, or healed by another, or is being written.
            Refusal::Changed | Refusal::NotFound => {}
            Refusal::NoSpace { .. } => tally.waiting += count(lost),
            other => tally.fail(other),
        },
        Err(ClientError::TooFewBlocks { .. }) => tally.waiting += count(lost),
        Err(error @ ClientError::Damaged { .. }) => {
            tally.beyond += 1;
            tally.fail(error);
        }
        Err(error) => tally.fail(error),
    }
}
