//! One inode with all that belongs to it.

use eggs_machine::{Fault, to_bytes};
use eggs_proto::InodeId;
use eggs_proto::audit::{Finding, FindingCode, PresentInode, RepairStep, ShardRepair};

use super::cursor::{At, Part, Steadiness, Within};
use super::tally::Tally;
use super::walk::Walk;
use crate::keys;
use crate::records::{Condition, DirectoryRecord, InodeRecord, Life};
use crate::state::{Range, add};

/// About what an inode adds to a page.
const INODE_BYTES: usize = 20;

impl Walk<'_> {
    pub(super) fn begin_inode(&mut self, raw: u64) -> Result<At, Fault> {
        let id = parse(raw)?;
        let record = self.read.inode(id)?;
        self.spend(INODE_BYTES);
        if let Some(record) = &record {
            add(&mut self.sums, record);
            if !id.is_directory() {
                self.sums.next_inode = self.sums.next_inode.max(id.counter().saturating_add(1));
            }
            if id.shard() != self.read.shard {
                let code = FindingCode::InodeOnWrongShard;
                self.find(
                    Finding::new(code, format!("it is on shard {}", self.read.shard)).of_inode(id),
                );
            }
            self.page.inodes.extend(present(id, record));
        }
        self.inode(Within {
            inode: raw,
            part: Part::Dentries,
            from: keys::inode(id).to_vec(),
            tally: Tally::default(),
            record: self.bytes_of(id, record.as_ref())?,
            steadiness: Steadiness::Still,
        })
    }

    pub(super) fn inode(&mut self, mut within: Within) -> Result<At, Fault> {
        let id = parse(within.inode)?;
        let record = self.read.inode(id)?;
        let now = self.bytes_of(id, record.as_ref())?;
        let moved = now != within.record || within.tally.held > 0;
        if moved && within.tally != Tally::default() {
            within.steadiness = Steadiness::Moved;
        }
        let prefix = keys::inode(id);
        loop {
            let from = std::mem::take(&mut within.from);
            let range = |table| Range::prefix(table, &prefix, from.clone());
            let (part, tally) = (within.part, &mut within.tally);
            let rest = match part {
                Part::Dentries => self.scan(&range(keys::DENTRIES), |walk, key, value| {
                    walk.dentry(record.as_ref(), tally, key, value)
                })?,
                Part::Snapshots => self.scan(&range(keys::SNAPSHOTS), |walk, key, value| {
                    walk.snapshot(record.as_ref(), tally, key, value)
                })?,
                Part::Extents => self.scan(&range(keys::EXTENTS), |walk, key, value| {
                    walk.extent((id, record.as_ref()), tally, key, value)
                })?,
                Part::Children => self.scan(&range(keys::TREE_CHILDREN), |walk, key, value| {
                    walk.child(tally, key, value)
                })?,
                Part::Xattrs => self.scan(&range(keys::XATTRS), |walk, key, value| {
                    walk.xattr(tally, key, value)
                })?,
            };
            if let Some(rest) = rest {
                within.from = rest;
                return Ok(At::Within(Box::new(within)));
            }
            within.from = prefix.to_vec();
            within.part = match part {
                Part::Dentries => Part::Snapshots,
                Part::Snapshots => Part::Extents,
                Part::Extents => Part::Children,
                Part::Children => Part::Xattrs,
                Part::Xattrs => break,
            };
        }
        if within.steadiness == Steadiness::Still {
            self.judge(id, record.as_ref(), &within.tally)?;
        }
        Ok(match within.inode.checked_add(1) {
            Some(from) => At::Inodes { from },
            None => At::Deadlines { from: Vec::new() },
        })
    }

    /// What is the same as long as nothing is added to an inode or taken away.
    fn bytes_of(&self, id: InodeId, record: Option<&InodeRecord>) -> Result<Vec<u8>, Fault> {
        let mut bytes = record.map_or_else(Vec::new, to_bytes);
        bytes.append(&mut to_bytes(&self.read.tree(id)?));
        Ok(bytes)
    }

    /// Compares what was counted with what is kept.
    fn judge(
        &mut self,
        id: InodeId,
        record: Option<&InodeRecord>,
        tally: &Tally,
    ) -> Result<(), Fault> {
        self.judge_tree(id, record, tally)?;
        self.judge_xattrs(id, record, tally);
        match record {
            None => {
                if tally.extents > 0 {
                    let detail = format!("{} extents", tally.extents);
                    self.find(Finding::new(FindingCode::ExtentWithoutFile, detail).of_inode(id));
                }
            }
            Some(InodeRecord::Directory(directory)) => {
                if tally.extents > 0 {
                    let detail = "a directory has extents";
                    self.find(Finding::new(FindingCode::ExtentWithoutFile, detail).of_inode(id));
                }
                self.judge_directory(id, directory, tally);
            }
            Some(InodeRecord::File(file)) => self.judge_file(id, file, tally)?,
        }
        Ok(())
    }

    fn judge_directory(&mut self, dir: InodeId, kept: &DirectoryRecord, tally: &Tally) {
        let counts = |record: (u64, u64, u64)| {
            let (entries, placeholders, snapshots) = record;
            format!("{entries} entries, {placeholders} placeholders, {snapshots} snapshots")
        };
        let kept_counts = (kept.entries, kept.placeholders, kept.snapshots);
        let counted = (tally.entries, tally.placeholders, tally.snapshots);
        if kept_counts != counted {
            let detail = format!(
                "{} are kept, {} found",
                counts(kept_counts),
                counts(counted)
            );
            let repair = RepairStep::Shard(ShardRepair::Directory { dir });
            let finding = Finding::new(FindingCode::DirectoryCounts, detail);
            self.find(finding.of_inode(dir).repaired_by(repair));
        }
        match kept.condition {
            Condition::Attached => {}
            Condition::Detaching(_) | Condition::Removed(_) => {
                if tally.entries + tally.placeholders > 0 {
                    let finding = Finding::new(FindingCode::DetachedWithEntries, counts(counted));
                    self.find(finding.of_inode(dir));
                }
            }
        }
    }
}

/// What an inode needs an owner as.
fn present(inode: InodeId, record: &InodeRecord) -> Option<PresentInode> {
    match record {
        InodeRecord::File(file) => match &file.life {
            Life::Transient(_) => None,
            Life::Linked { owners } => Some(PresentInode::Linked {
                inode,
                owners: *owners,
            }),
        },
        InodeRecord::Directory(directory) => {
            let attached = |barred| PresentInode::Directory {
                inode,
                parent: directory.parent,
                barred,
            };
            Some(match directory.condition {
                Condition::Attached => attached(None),
                Condition::Detaching(transaction) => attached(Some(transaction)),
                Condition::Removed(_) => PresentInode::Removed { inode },
            })
        }
    }
}

fn parse(raw: u64) -> Result<InodeId, Fault> {
    InodeId::try_from(raw).map_err(|_| Fault::Damaged("a key does not begin with an inode".into()))
}
