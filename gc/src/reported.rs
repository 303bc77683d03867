//! Heals what readers found damaged: block services tell which blocks were reported and are damaged indeed.
//!
//! **Invariant:** a report is a hint. What is healed has to be a block of a linked file, on the service that told of it, and is
//! verified on its disk once more.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use eggs_proto::block::DamagedBlock;
use eggs_proto::{
    BlockServiceId, BlockState, ClusterMap, Extent, ExtentBody, NodeId, ServiceState,
};
use futures::{StreamExt, stream};

use crate::heal::{HealTally, heal_blocks};
use crate::healer::{Condition, Healer, extents};
use crate::planning::{ReportedExtent, Tried};

/// Processes that are asked at a time.
const ASKED_AT_ONCE: usize = 32;
/// Extents being healed at a time, each in memory.
const PARALLEL: usize = 4;

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedTally {
    /// Blocks that are damaged.
    pub damaged: u64,
    /// What became of them.
    pub healed: HealTally,
}

impl AddAssign for ReportedTally {
    fn add_assign(&mut self, other: Self) {
        self.damaged += other.damaged;
        self.healed += other.healed;
    }
}

/// Asks every process with block services once and heals what is due; `now` is since any beginning.
pub(crate) async fn round(healer: &impl Healer, tried: &mut Tried, now: Duration) -> ReportedTally {
    let asked = one_service_of_each_process(&healer.map());
    let answers = stream::iter(asked)
        .map(|service| healer.damaged(service))
        .buffer_unordered(ASKED_AT_ONCE);
    // Who does not answer now does so in the next round.
    let told = answers.filter_map(|answer| async { answer.ok() });
    let reported: Vec<DamagedBlock> = told.collect::<Vec<_>>().await.concat();
    let due = tried.due(&reported, now);
    let mut healing = stream::iter(&due)
        .map(|extent| heal_reported(healer, extent))
        .buffer_unordered(PARALLEL);
    let mut tally = ReportedTally::default();
    while let Some(part) = healing.next().await {
        tally += part;
    }
    tally
}

fn one_service_of_each_process(map: &ClusterMap) -> Vec<BlockServiceId> {
    let mut chosen: BTreeMap<NodeId, BlockServiceId> = BTreeMap::new();
    for info in &map.services {
        match info.state {
            ServiceState::Active
            | ServiceState::NoRead
            | ServiceState::NoWrite
            | ServiceState::Decommissioned => {
                chosen.entry(info.node).or_insert(info.service);
            }
            ServiceState::Stale => {}
        }
    }
    chosen.into_values().collect()
}

async fn heal_reported(healer: &impl Healer, reported: &ReportedExtent) -> ReportedTally {
    let mut tally = ReportedTally::default();
    let (file, offset) = (reported.file, reported.offset);
    let found = match extents(healer, file, offset).await {
        Ok((page, _)) => page.into_iter().next(),
        Err(error) => {
            tally.healed.fail(error);
            return tally;
        }
    };
    let Some(extent) = found.filter(|extent| extent.offset == offset) else {
        return tally;
    };
    let damaged = damaged_blocks(healer, &extent, &reported.blocks).await;
    if damaged.is_empty() {
        return tally;
    }
    tracing::warn!(%file, offset, blocks = ?damaged, "readers found damaged blocks; healing them");
    tally.damaged = damaged.len() as u64;
    heal_blocks(healer, file, &extent, &damaged, &mut tally.healed).await;
    tally
}

/// Positions of those reported blocks that are of this extent, and damaged.
async fn damaged_blocks(
    healer: &impl Healer,
    extent: &Extent,
    reported: &[DamagedBlock],
) -> Vec<u8> {
    let ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
        return Vec::new();
    };
    let mut damaged = Vec::new();
    for (index, block) in (0u8..).zip(blocks) {
        let same = |told: &DamagedBlock| (told.service, told.block) == (block.service, block.block);
        if block.state != BlockState::Stored || !reported.iter().any(same) {
            continue;
        }
        match healer.check(block, layout.block_bytes()).await {
            Condition::Damaged => damaged.push(index),
            Condition::Whole | Condition::Unknown => {}
        }
    }
    damaged
}
