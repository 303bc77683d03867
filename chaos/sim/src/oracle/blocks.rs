//! Blocks: where shards say that they may be, and where they are.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, BlockState, ExtentBlock, ExtentBody, ExtentLayout,
    InodeId, ShardId,
};

use crate::world::World;

/// Where blocks are, in the eyes of the shards.
#[derive(Default)]
pub(super) struct Blocks {
    /// Proved to be stored.
    pub(super) stored: BTreeMap<BlockId, BlockFacts>,
    /// Named: stored, to be written, or garbage.
    known: BTreeSet<BlockId>,
    /// To be erased on disks that can be asked.
    pub(super) garbage: u64,
}

impl World {
    /// Every block is where some shard says that it may be, and where it says that it is, unless a disk has lost it.
    pub(super) fn check_blocks(&mut self) {
        let blocks = self.gather_blocks();
        for disk in self.disks.values() {
            for (block, facts) in &disk.blocks {
                if !blocks.known.contains(block) {
                    let service = disk.service;
                    self.wrong.get_or_insert_with(|| {
                        format!("block {block} on {service} is leaked: {facts:?}")
                    });
                }
            }
        }
        for (block, facts) in &blocks.stored {
            let disk = self.disks.get(&facts.service);
            let found = disk.and_then(|disk| disk.blocks.get(block));
            let lost = disk.is_some_and(|disk| disk.lost.contains(block));
            if found != Some(facts) && !lost {
                self.wrong.get_or_insert_with(|| {
                    format!("block {block} is lost: {facts:?}, found {found:?}")
                });
            }
        }
    }

    pub(super) fn gather_blocks(&mut self) -> Blocks {
        let mut blocks = Blocks::default();
        let shards: Vec<ShardId> = self.shards().map(|(shard, _)| shard).collect();
        for shard in shards {
            self.gather_garbage(shard, &mut blocks);
            let mut after = None;
            loop {
                let limit = 1000;
                let query = ShardQuery::VisitFiles { after, limit };
                let Ok(ShardReply::Inodes { inodes, more }) = self.look(shard, &query) else {
                    break;
                };
                after = inodes.last().copied();
                for file in inodes {
                    self.gather_file(shard, file, &mut blocks);
                }
                if !more {
                    break;
                }
            }
        }
        blocks
    }

    fn gather_garbage(&mut self, shard: ShardId, blocks: &mut Blocks) {
        let query = ShardQuery::VisitGarbage {
            after: None,
            limit: eggs_proto::LIST_ENTRIES_MAX,
        };
        if let Ok(ShardReply::Garbage { blocks: found, .. }) = self.look(shard, &query) {
            for block in found {
                blocks.known.insert(block.facts.block);
                if self.is_dead(block.facts.service) {
                    self.coverage.hit("garbage on a dead disk");
                } else {
                    blocks.garbage += 1;
                }
            }
        }
    }

    fn is_dead(&self, service: BlockServiceId) -> bool {
        self.disks.get(&service).is_some_and(|disk| disk.dead)
    }

    fn gather_file(&mut self, shard: ShardId, file: InodeId, blocks: &mut Blocks) {
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 1000,
            cookie: None,
        };
        let Ok(ShardReply::Extents { extents, .. }) = self.look(shard, &query) else {
            return;
        };
        for extent in extents {
            let ExtentBody::Blocks {
                layout,
                blocks: placed,
                ..
            } = extent.body
            else {
                continue;
            };
            for block in &placed {
                blocks.known.insert(block.block);
                if block.state == BlockState::Stored {
                    let facts = BlockFacts {
                        service: block.service,
                        block: block.block,
                        size: layout.block_bytes(),
                        checksum: block.checksum,
                    };
                    blocks.stored.insert(block.block, facts);
                }
            }
            if !self.oracle.deadlines.contains_key(&file) {
                self.check_readable(file, &layout, &placed);
            }
        }
    }

    /// A linked file has enough blocks to lose one, and each of them on another disk: as many disks may be lost as
    /// there are more blocks than are needed.
    fn check_readable(&mut self, file: InodeId, layout: &ExtentLayout, placed: &[ExtentBlock]) {
        let scheme = layout.scheme;
        let stored = placed
            .iter()
            .filter(|block| block.state == BlockState::Stored);
        let stored: Vec<(BlockServiceId, BlockId)> =
            stored.map(|block| (block.service, block.block)).collect();
        let services: BTreeSet<BlockServiceId> =
            stored.iter().map(|(service, _)| *service).collect();
        let holds = |service: &BlockServiceId, block: &BlockId| {
            let disk = self.disks.get(service);
            disk.is_some_and(|disk| disk.blocks.contains_key(block))
        };
        let left = stored
            .iter()
            .filter(|(service, block)| holds(service, block))
            .count();
        if stored.len() < scheme.blocks_min() || services.len() != stored.len() {
            self.violate(|| format!("{file} is linked with the blocks {stored:?} of {scheme}"));
        }
        let faulty = self.disks.values().filter(|disk| disk.was_hit).count();
        let needed = usize::from(scheme.data);
        if left < needed && stored.len() - needed >= faulty {
            self.violate(|| format!("{file} cannot be read: of {stored:?} there are {left} left"));
        }
        if left < stored.len() && left >= needed {
            self.coverage.hit("a file lost blocks and can be read");
        }
    }
}
