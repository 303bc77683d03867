//! Dentries and snapshots, and the inodes of this shard that they stand for.

use eggs_machine::{Fault, from_bytes};
use eggs_proto::audit::{Claim, Finding, FindingCode, HeldLock, OwnerKey, RepairStep, ShardRepair};
use eggs_proto::cdc::EntryName;
use eggs_proto::{InodeId, Name, NameHash};

use super::tally::Tally;
use super::trees::Holding;
use super::walk::Walk;
use crate::keys;
use crate::records::{Carried, Carrier, DentryRecord, InodeRecord, Life, SnapshotRecord};

/// About what a name adds to a page besides its bytes.
const NAME_BYTES: usize = 60;

impl Walk<'_> {
    pub(super) fn dentry(
        &mut self,
        dir_record: Option<&InodeRecord>,
        tally: &mut Tally,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let (dir, hash, name) = keys::parse_dentry(key)?;
        let record: DentryRecord = from_bytes(value)?;
        self.spend(NAME_BYTES + name.as_bytes().len());
        tally.dentry(&record);
        let in_place = self.check_place(dir_record, dir, (hash, &name));
        let entry = || EntryName {
            dir,
            name: name.clone(),
        };
        if let Some(lock) = record.lock {
            self.page.locks.push(HeldLock {
                name: entry(),
                transaction: lock.transaction,
            });
        }
        let Some(inode) = record.inode else {
            if record.lock.is_none() {
                let repair = RepairStep::Shard(ShardRepair::Directory { dir });
                let finding = Finding::new(FindingCode::PlaceholderUnlocked, "");
                self.find(finding.of_name(dir, name).repaired_by(repair));
            }
            return Ok(());
        };
        let found = self.check_inode(dir, &name, inode)?;
        if in_place {
            let carrier = Carrier { dir, hash };
            self.check_carried(carrier, &name, &record, found.as_ref());
        }
        self.holds(tally, inode, Holding::Current)?;
        self.page.claims.push(Claim {
            inode,
            owner: OwnerKey::Current {
                name: entry(),
                created: record.created,
            },
            owned: true,
            collecting: false,
            lock: record.lock.map(|lock| lock.transaction),
        });
        Ok(())
    }

    pub(super) fn snapshot(
        &mut self,
        dir_record: Option<&InodeRecord>,
        tally: &mut Tally,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let (dir, key) = keys::parse_snapshot(key)?;
        let record: SnapshotRecord = from_bytes(value)?;
        self.spend(NAME_BYTES + key.name.as_bytes().len());
        tally.snapshots += 1;
        self.check_place(dir_record, dir, (key.hash, &key.name));
        // A removed directory goes before its snapshot.
        if record.owned && !record.inode.is_directory() {
            self.check_inode(dir, &key.name, record.inode)?;
        }
        if record.owned {
            self.holds(tally, record.inode, Holding::Old)?;
        }
        self.page.claims.push(Claim {
            inode: record.inode,
            owner: OwnerKey::Snapshot { dir, key },
            owned: record.owned,
            collecting: record.collecting,
            lock: None,
        });
        Ok(())
    }

    /// Whether a name is where it belongs.
    fn check_place(
        &mut self,
        dir_record: Option<&InodeRecord>,
        dir: InodeId,
        (hash, name): (NameHash, &Name),
    ) -> bool {
        let code = match dir_record {
            Some(InodeRecord::Directory(_)) if name.hash_in(dir) == hash => return true,
            Some(InodeRecord::Directory(_)) => FindingCode::NameMisplaced,
            Some(InodeRecord::File(_)) | None => FindingCode::NameWithoutDirectory,
        };
        self.find(Finding::new(code, "").of_name(dir, name.clone()));
        false
    }

    /// What a dentry carries is what the inode says, which knows the dentry. What has no inode was said already.
    fn check_carried(
        &mut self,
        carrier: Carrier,
        name: &Name,
        record: &DentryRecord,
        inode: Option<&InodeRecord>,
    ) {
        let (Some(carried), Some(id)) = (record.carried, record.inode) else {
            return;
        };
        let fine = match inode {
            Some(InodeRecord::File(file)) => {
                file.carrier == Some(carrier) && Carried::of(file) == carried
            }
            Some(InodeRecord::Directory(_)) => false,
            None => id.shard() == self.read.shard,
        };
        if !fine {
            let dir = carrier.dir;
            let repair = RepairStep::Shard(ShardRepair::Carry {
                dir,
                name: name.clone(),
            });
            let finding = Finding::new(FindingCode::CarriedAttributes, "");
            let finding = finding.of_name(dir, name.clone()).of_inode(id);
            self.find(finding.repaired_by(repair));
        }
    }

    /// What a name owns has to be there, if it is of this shard: files linked.
    fn check_inode(
        &mut self,
        dir: InodeId,
        name: &Name,
        inode: InodeId,
    ) -> Result<Option<InodeRecord>, Fault> {
        if inode.shard() != self.read.shard {
            return Ok(None);
        }
        let found = self.read.inode(inode)?;
        let (fine, code) = match &found {
            Some(InodeRecord::File(file)) => (
                matches!(file.life, Life::Linked { .. }),
                FindingCode::NameWithoutFile,
            ),
            Some(InodeRecord::Directory(_)) => (true, FindingCode::NameWithoutInode),
            None if inode.is_directory() => (false, FindingCode::NameWithoutInode),
            None => (false, FindingCode::NameWithoutFile),
        };
        if !fine {
            let finding = Finding::new(code, "");
            self.find(finding.of_name(dir, name.clone()).of_inode(inode));
        }
        Ok(found)
    }
}
