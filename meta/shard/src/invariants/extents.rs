//! Files and their extents.

use std::collections::BTreeSet;

use eggs_machine::{Fault, from_bytes};
use eggs_proto::audit::{Finding, FindingCode, RepairStep, ShardRepair};
use eggs_proto::{
    BlockServiceId, BlockState, Extent, ExtentBlock, ExtentBody, INLINE_BYTES_MAX, InodeId,
};

use super::tally::{Tally, blocks_on_disk};
use super::walk::Walk;
use crate::keys;
use crate::records::{
    BlockCount, Content, ExtentRecord, FileRecord, InodeRecord, Life, WHOLE_BYTES_MAX,
};

/// About what a block adds to a page.
const BLOCK_BYTES: usize = 16;

impl Walk<'_> {
    pub(super) fn extent(
        &mut self,
        (file, record): (InodeId, Option<&InodeRecord>),
        tally: &mut Tally,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let (_, offset) = keys::parse_extent(key)?;
        let ExtentRecord { extent, .. } = from_bytes(value)?;
        self.spend(BLOCK_BYTES * (1 + blocks_on_disk(&extent)));
        if offset != tally.end || extent.offset != offset {
            let detail = format!("at byte {offset}, {} expected", tally.end);
            self.find(Finding::new(FindingCode::ExtentGap, detail).of_inode(file));
        }
        tally.extent(&extent);
        if !self.is_well_formed(file, &extent)? {
            let detail = format!("at byte {offset}");
            self.find(Finding::new(FindingCode::ExtentMalformed, detail).of_inode(file));
        }
        let linked = record.is_some_and(|record| match record {
            InodeRecord::File(file) => matches!(file.life, Life::Linked { .. }),
            InodeRecord::Directory(_) => false,
        });
        if linked && !extent.is_certified() {
            let detail = format!("at byte {offset}");
            self.find(Finding::new(FindingCode::LinkedUncertified, detail).of_inode(file));
        }
        Ok(())
    }

    fn is_well_formed(&mut self, file: InodeId, extent: &Extent) -> Result<bool, Fault> {
        Ok(match &extent.body {
            ExtentBody::Hole => extent.size > 0,
            ExtentBody::Inline(content) => {
                content.len() as u64 == extent.size
                    && (1..=INLINE_BYTES_MAX).contains(&content.len())
            }
            ExtentBody::Blocks { layout, blocks, .. } => {
                let present = || blocks.iter().filter(|b| b.state != BlockState::Missing);
                for block in present() {
                    self.block(file, block)?;
                }
                let services: BTreeSet<BlockServiceId> = present().map(|b| b.service).collect();
                layout.fits(extent.size)
                    && blocks.len() == layout.scheme.blocks()
                    && services.len() == present().count()
                    && services.len() >= layout.scheme.blocks_min()
            }
        })
    }

    fn block(&mut self, file: InodeId, block: &ExtentBlock) -> Result<(), Fault> {
        let id = block.block;
        self.sums.next_block = self.sums.next_block.max((id.0 >> 8).saturating_add(1));
        self.page.blocks.push((id, file));
        if self.read.garbage(id)?.is_some() {
            let finding = Finding::new(FindingCode::BlockTwice, "in the file and in the garbage");
            self.find(finding.of_block(id).of_inode(file));
        }
        Ok(())
    }

    /// Compares what was counted with what the file and the indexes say.
    pub(super) fn judge_file(
        &mut self,
        id: InodeId,
        file: &FileRecord,
        tally: &Tally,
    ) -> Result<(), Fault> {
        let repair = || RepairStep::Shard(ShardRepair::File { file: id });
        self.judge_content(id, &file.content, tally);
        if let Life::Transient(transient) = &file.life {
            let (kept, found) = (transient.pending_extents, tally.pending);
            if kept != found {
                let detail = format!("{kept} pending extents are kept, {found} found");
                let finding = Finding::new(FindingCode::FileCounts, detail).of_inode(id);
                self.find(finding.repaired_by(repair()));
            }
            let key = keys::transient(transient.deadline, id);
            if self.read.store.get(keys::TRANSIENTS, &key)?.is_none() {
                let finding = Finding::new(FindingCode::DeadlineIndex, "it is not in the index");
                self.find(finding.of_inode(id).repaired_by(repair()));
            }
        }
        if tally.crowded {
            return Ok(()); // the index itself is gone through later
        }
        for (service, found) in &tally.services {
            let key = keys::service_file(*service, id);
            let kept: Option<BlockCount> = self.read.get(keys::SERVICE_FILES, &key)?;
            let kept = kept.map_or(0, |count| count.0);
            if kept != *found {
                self.find_service_index((*service, id), kept, *found);
            }
        }
        Ok(())
    }

    fn judge_content(&mut self, id: InodeId, content: &Content, tally: &Tally) {
        match *content {
            Content::Extents {
                size,
                physical_bytes,
            } => {
                let (end, found) = (tally.end, tally.physical_bytes);
                if end != size {
                    let detail = format!("the file has {size} bytes, its extents end at {end}");
                    self.find(Finding::new(FindingCode::ExtentGap, detail).of_inode(id));
                }
                if found != physical_bytes {
                    let detail = format!("{physical_bytes} bytes on disks are kept, {found} found");
                    let finding = Finding::new(FindingCode::FileCounts, detail).of_inode(id);
                    let file = ShardRepair::File { file: id };
                    self.find(finding.repaired_by(RepairStep::Shard(file)));
                }
            }
            Content::Whole(ref bytes) => {
                if bytes.len() > WHOLE_BYTES_MAX {
                    let detail = format!("{} bytes with the inode", bytes.len());
                    self.find(Finding::new(FindingCode::ExtentMalformed, detail).of_inode(id));
                }
                if tally.extents > 0 {
                    let extents = tally.extents;
                    let detail = format!("all bytes are with the inode, and {extents} extents");
                    self.find(Finding::new(FindingCode::ExtentGap, detail).of_inode(id));
                }
            }
            Content::Target(_) => {}
        }
    }

    pub(super) fn find_service_index(
        &mut self,
        (service, file): (BlockServiceId, InodeId),
        kept: u64,
        found: u64,
    ) {
        let detail = format!("{kept} blocks are indexed, {found} found");
        let finding = Finding::new(FindingCode::ServiceIndex, detail);
        let repair = RepairStep::Shard(ShardRepair::ServiceIndex { service, file });
        self.find(
            finding
                .of_inode(file)
                .of_service(service)
                .repaired_by(repair),
        );
    }
}
