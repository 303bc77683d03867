//! The counters of the whole shard, compared at the end of an audit during which nothing has changed.

use eggs_machine::Fault;
use eggs_proto::Time;
use eggs_proto::audit::{Finding, FindingCode, RecountFrom, RepairStep, ShardRepair};

use super::walk::Walk;
use crate::records::Counters;

impl Walk<'_> {
    pub(super) fn compare_sums(&mut self, began: Time) -> Result<(), Fault> {
        let kept = self.read.counters()?;
        if kept.now != began {
            self.page.moved = true;
            return Ok(());
        }
        let counted = Counters {
            next_inode: kept.next_inode,
            next_block: kept.next_block,
            now: kept.now,
            ..self.sums
        };
        if kept != counted {
            let shard = self.read.shard;
            let detail = format!(
                "shard {shard} keeps {}; found are {}",
                show(&kept),
                show(&counted)
            );
            let from = RecountFrom::Beginning;
            let repair = RepairStep::Shard(ShardRepair::Recount { shard, from });
            self.find(Finding::new(FindingCode::UsageCounters, detail).repaired_by(repair));
        }
        if self.sums.next_inode > kept.next_inode || self.sums.next_block > kept.next_block {
            let detail = format!(
                "the next numbers are inode {} and block {}; in use are numbers before {} and {}",
                kept.next_inode, kept.next_block, self.sums.next_inode, self.sums.next_block
            );
            self.find(Finding::new(FindingCode::NumberReused, detail));
        }
        Ok(())
    }
}

fn show(counters: &Counters) -> String {
    format!(
        "{} files, {} directories, {} transient files, {} bytes, {} on disks, {} blocks in the garbage",
        counters.files,
        counters.directories,
        counters.transients,
        counters.bytes,
        counters.physical_bytes,
        counters.garbage_blocks
    )
}
