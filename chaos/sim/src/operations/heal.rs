//! A healer: makes blocks again that a disk has lost, as `client/core/src/heal.rs` does for `eggs-gc`, and now and then one
//! that is fine, or with proofs missing.

use eggs_proto::shard::{HealTarget, PlacedBlock, ShardChange as C, ShardQuery, ShardReply};
use eggs_proto::{BlockServiceId, BlockState, ExtentBlock, ExtentBody, HEAL_BLOCKS_MAX, InodeId};

use super::Act;
use crate::client::{Failure, Outcome};
use crate::random::Random;

impl Act {
    /// Heals what there is to heal in one file.
    pub(super) async fn heal(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |inode| !inode.is_directory());
        let known = self.client.sim.with(|world| world.oracle.names.get(&entry));
        let Some(file) = known else {
            return Ok(());
        };
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 100,
            cookie: None,
        };
        let reply = self
            .client
            .query(file.shard(), query, self.deadline_us)
            .await?;
        let ShardReply::Extents { extents, .. } = reply else {
            return Err(Failure::TooLate);
        };
        for extent in extents {
            if let ExtentBody::Blocks { blocks, .. } = extent.body {
                self.heal_extent((file, extent.offset), &blocks, random)
                    .await?;
            }
        }
        Ok(())
    }

    async fn heal_extent(
        &self,
        (file, offset): (InodeId, u64),
        blocks: &[ExtentBlock],
        random: &mut Random,
    ) -> Outcome<()> {
        let (indexes, exclude) = self.to_be_healed(blocks, random);
        if indexes.is_empty() {
            return Ok(());
        }
        let mut target = HealTarget {
            file,
            offset,
            indexes,
            seen: blocks.iter().map(|block| block.block).collect(),
        };
        let begin = C::BeginHeal {
            target: target.clone(),
            exclude,
        };
        let (shard, deadline_us) = (file.shard(), self.deadline_us);
        let begun = self.client.change(shard, begin, deadline_us).await?;
        let ShardReply::Started {
            file: scratch,
            cookie,
            blocks: placed,
        } = begun
        else {
            return Err(Failure::TooLate);
        };
        target.indexes = placed.iter().map(|block| block.index).collect();
        let mut proofs = Vec::new();
        for block in &placed {
            let skipped = random.permille(50);
            let written = self.written(block, skipped).await;
            proofs.push(written);
        }
        if random.permille(50) {
            return Ok(()); // the healer is gone: what it has written expires
        }
        let finish = C::FinishHeal {
            scratch,
            cookie,
            target,
            proofs,
        };
        self.client.change(shard, finish, deadline_us).await?;
        Ok(())
    }

    async fn written(&self, block: &PlacedBlock, skipped: bool) -> Option<eggs_proto::MacTag> {
        if skipped {
            return None;
        }
        self.write_block(block).await.ok()
    }

    /// Positions of blocks that are missing or lost, or else seldom of any; and the disks that have lost some.
    fn to_be_healed(
        &self,
        blocks: &[ExtentBlock],
        random: &mut Random,
    ) -> (Vec<u8>, Vec<BlockServiceId>) {
        self.client.sim.with(|world| {
            let is_lost = |block: &ExtentBlock| {
                let disk = world.disks.get(&block.service);
                block.state == BlockState::Missing
                    || disk.is_some_and(|disk| disk.lost.contains(&block.block))
            };
            let lost = (0u8..).zip(blocks).filter(|(_, block)| is_lost(block));
            let mut indexes: Vec<u8> = lost.map(|(index, _)| index).collect();
            if indexes.is_empty() && random.permille(200) {
                indexes.push(random.below(blocks.len() as u64) as u8);
            }
            indexes.truncate(HEAL_BLOCKS_MAX);
            let gone = world.disks.values().filter(|disk| disk.dead);
            (indexes, gone.map(|disk| disk.service).collect())
        })
    }
}
