//! Sums of directory trees, as far as one directory knows them.

use eggs_machine::{Fault, from_bytes};
use eggs_proto::InodeId;
use eggs_proto::audit::{Finding, FindingCode, RepairStep, ShardRepair};

use super::tally::Tally;
use super::walk::Walk;
use crate::keys;
use crate::records::InodeRecord;
use crate::state::{TreeChild, TreeRecord, bytes_of, one};

/// Whether what stands for an inode is a name or an old version.
#[derive(Clone, Copy)]
pub(super) enum Holding {
    Current,
    Old,
}

impl Walk<'_> {
    /// A name or an owned snapshot stands for an inode.
    pub(super) fn holds(
        &self,
        tally: &mut Tally,
        inode: InodeId,
        holding: Holding,
    ) -> Result<(), Fault> {
        let mut each = one(inode);
        if self.read.is_child(inode) {
            tally.references += 1;
        } else if let Some(record) = self.read.inode(inode)? {
            each = each.plus(bytes_of(&record));
        }
        let sums = match holding {
            Holding::Current => &mut tally.direct.current,
            Holding::Old => &mut tally.direct.old,
        };
        *sums = sums.plus(each);
        Ok(())
    }

    pub(super) fn child(
        &mut self,
        tally: &mut Tally,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let (_, child) = keys::parse_tree_child(key)?;
        let record: TreeChild = from_bytes(value)?;
        self.spend(0);
        tally.children = tally.children.plus(record.adds(child));
        tally.recorded += u64::from(record.current) + u64::from(record.old);
        Ok(())
    }

    pub(super) fn judge_tree(
        &mut self,
        dir: InodeId,
        record: Option<&InodeRecord>,
        tally: &Tally,
    ) -> Result<(), Fault> {
        let kept = self.read.tree(dir)?;
        let (found, references) = match record {
            Some(InodeRecord::Directory(_)) => {
                let found = TreeRecord {
                    direct: tally.direct,
                    children: tally.children,
                };
                (found, tally.references)
            }
            Some(InodeRecord::File(_)) | None => (TreeRecord::default(), 0),
        };
        if kept == found && tally.recorded == references {
            return Ok(());
        }
        let detail = format!(
            "kept are {} and {} of children, found are {} and {}; {} children are recorded, {references} found",
            kept.direct, kept.children, found.direct, found.children, tally.recorded,
        );
        let mut finding = Finding::new(FindingCode::TreeSums, detail).of_inode(dir);
        if let Some(InodeRecord::Directory(_)) = record {
            let repair = RepairStep::Shard(ShardRepair::Directory { dir });
            finding = finding.repaired_by(repair);
        }
        self.find(finding);
        Ok(())
    }
}
