//! Blocks on their way to the garbage and out of it.

use eggs_machine::Fault;
use eggs_machine::bugs::{Bug, planted};
use eggs_proto::{BlockFacts, BlockId, BlockState, ExtentBlock, ExtentBody, ExtentLayout, Time};

use super::recount::Weight;
use super::{Reader, State};
use crate::keys;
use crate::records::{ExtentRecord, GarbageRecord};

/// What is certified and proved about a block of an extent.
pub(crate) fn block_facts(layout: &ExtentLayout, block: &ExtentBlock) -> BlockFacts {
    BlockFacts {
        service: block.service,
        block: block.block,
        size: layout.block_bytes(),
        checksum: block.checksum,
    }
}

impl Reader<'_> {
    /// A block waiting to be erased.
    pub(crate) fn garbage(self, block: BlockId) -> Result<Option<GarbageRecord>, Fault> {
        self.get(keys::GARBAGE, &keys::garbage(block))
    }
}

impl State<'_> {
    /// Adds a block that may have been written until `write_expiry`.
    pub(crate) fn discard(&mut self, facts: BlockFacts, write_expiry: Time) -> Result<(), Fault> {
        if self.read().garbage(facts.block)?.is_none() {
            self.counters.garbage_blocks = self.counters.garbage_blocks.wrapping_add(1);
            if let Some(recount) = &mut self.recount {
                recount.garbage_changed(facts.block, Weight::More);
            }
        }
        let record = GarbageRecord {
            facts,
            write_expiry,
        };
        self.put(keys::GARBAGE, &keys::garbage(facts.block), &record);
        Ok(())
    }

    /// Adds all blocks of an extent that are or may be on a disk.
    pub(crate) fn discard_extent(&mut self, record: &ExtentRecord) -> Result<(), Fault> {
        match &record.extent.body {
            ExtentBody::Inline(_) | ExtentBody::Hole => {}
            ExtentBody::Blocks { layout, blocks, .. } => {
                for (at, block) in blocks.iter().enumerate() {
                    let forgotten = match block.state {
                        BlockState::Missing => true,
                        BlockState::Pending => planted(Bug::PendingBlocksForgotten),
                        BlockState::Stored => false,
                    };
                    let dropped = planted(Bug::GarbageRecordDropped) && at + 1 == blocks.len();
                    if forgotten || dropped {
                        continue;
                    }
                    self.discard(block_facts(layout, block), record.write_expiry)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets a block that is proved to be erased; others stay.
    pub(crate) fn forget_erased(&mut self, facts: &BlockFacts) -> Result<(), Fault> {
        let known = self.read().garbage(facts.block)?;
        if known.is_some_and(|record| record.facts == *facts) {
            self.counters.garbage_blocks = self.counters.garbage_blocks.wrapping_sub(1);
            if let Some(recount) = &mut self.recount {
                recount.garbage_changed(facts.block, Weight::Less);
            }
            self.store
                .delete(keys::GARBAGE, &keys::garbage(facts.block));
        }
        Ok(())
    }
}
