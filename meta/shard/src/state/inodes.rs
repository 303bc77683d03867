//! Inodes, and with them the usage counters and the index of deadlines.

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Fault, from_bytes};
use eggs_proto::{InodeId, Refusal};

use super::{Reader, State};
use crate::keys;
use crate::records::{Counters, DirectoryRecord, FileRecord, InodeRecord, Life};
use crate::step::Step;

impl Reader<'_> {
    /// An inode of this shard, if it exists.
    pub(crate) fn inode(self, id: InodeId) -> Result<Option<InodeRecord>, Fault> {
        let stored = self.get(keys::INODES, &keys::inode(id))?;
        Ok(stored.or_else(|| self.untouched(id)))
    }

    /// Many inodes of this shard, in the order of the numbers.
    pub(crate) fn inodes(self, ids: &[InodeId]) -> Result<Vec<Option<InodeRecord>>, Fault> {
        let keys: Vec<_> = ids.iter().map(|id| keys::inode(*id).to_vec()).collect();
        let found = self.store.get_many(keys::INODES, &keys)?;
        let decode = |(id, bytes): (&InodeId, Option<Vec<u8>>)| match bytes {
            Some(bytes) => from_bytes(&bytes).map(Some),
            None => Ok(self.untouched(*id)),
        };
        ids.iter().zip(found).map(decode).collect()
    }

    /// What is there before it is first written: the root.
    fn untouched(self, id: InodeId) -> Option<InodeRecord> {
        let root = id == InodeId::ROOT && self.shard == id.shard();
        root.then(|| InodeRecord::Directory(DirectoryRecord::untouched_root()))
    }

    /// Refuses inodes that other shards answer for.
    pub(crate) fn check_shard(self, id: InodeId) -> Result<(), Refusal> {
        if id.shard() == self.shard {
            Ok(())
        } else {
            Err(Refusal::WrongShard)
        }
    }

    /// A directory of this shard.
    pub(crate) fn directory(self, id: InodeId) -> Step<DirectoryRecord> {
        self.check_shard(id)?;
        if !id.is_directory() {
            return Err(Refusal::NotDirectory.into());
        }
        match self.inode(id)? {
            Some(InodeRecord::Directory(directory)) => Ok(directory),
            Some(InodeRecord::File(_)) => Err(wrong_kind(id).into()),
            None => Err(Refusal::NotFound.into()),
        }
    }

    /// A file or symlink of this shard.
    pub(crate) fn file(self, id: InodeId) -> Step<FileRecord> {
        self.check_shard(id)?;
        if id.is_directory() {
            return Err(Refusal::IsDirectory.into());
        }
        match self.inode(id)? {
            Some(InodeRecord::File(file)) => Ok(file),
            Some(InodeRecord::Directory(_)) => Err(wrong_kind(id).into()),
            None => Err(Refusal::NotFound.into()),
        }
    }
}

fn wrong_kind(id: InodeId) -> Fault {
    Fault::Damaged(format!("inode {id} is stored as another kind"))
}

impl State<'_> {
    /// Writes an inode.
    pub(crate) fn put_inode(&mut self, id: InodeId, record: &InodeRecord) -> Result<(), Fault> {
        let old = self.read().inode(id)?;
        self.put_over(id, old.as_ref(), record)
    }

    /// Writes an inode that is known not to be there: its number was drawn in this change, or the caller has looked.
    pub(crate) fn put_fresh_inode(&mut self, id: InodeId, record: &InodeRecord) {
        self.write_inode(id, None, record);
    }

    /// Writes an inode over what the caller has read, so that nobody has to look for it once more. What its carrier has
    /// of it is changed as well.
    pub(crate) fn put_over(
        &mut self,
        id: InodeId,
        old: Option<&InodeRecord>,
        record: &InodeRecord,
    ) -> Result<(), Fault> {
        self.write_inode(id, old, record);
        self.update_carrier(id, old, record)
    }

    fn write_inode(&mut self, id: InodeId, old: Option<&InodeRecord>, record: &InodeRecord) {
        if cfg!(any(test, debug_assertions)) {
            let there = self.read().inode(id);
            assert!(matches!(&there, Ok(there) if there.as_ref() == old), "{id}");
        }
        self.account(id, old, Some(record));
        self.put(keys::INODES, &keys::inode(id), record);
    }

    /// Writes a file or symlink.
    pub(crate) fn put_file(&mut self, id: InodeId, record: FileRecord) -> Result<(), Fault> {
        self.put_inode(id, &InodeRecord::File(record))
    }

    /// Writes a directory.
    pub(crate) fn put_directory(
        &mut self,
        id: InodeId,
        record: DirectoryRecord,
    ) -> Result<(), Fault> {
        self.put_inode(id, &InodeRecord::Directory(record))
    }

    /// Removes an inode, with its extended attributes.
    pub(crate) fn remove_inode(&mut self, id: InodeId) -> Result<(), Fault> {
        let old = self.read().inode(id)?;
        self.account(id, old.as_ref(), None);
        self.remove_xattrs(id)?;
        self.store.delete(keys::INODES, &keys::inode(id));
        Ok(())
    }

    /// Adds to the number of dentries of this shard that own an inode; foreign inodes and directories are not counted.
    pub(crate) fn own(&mut self, id: InodeId) -> Step<()> {
        self.change_owners(id, |owners| owners.saturating_add(1))
    }

    /// Subtracts from the number of dentries that own an inode.
    pub(crate) fn disown(&mut self, id: InodeId) -> Step<()> {
        self.change_owners(id, |owners| owners.saturating_sub(1))
    }

    fn change_owners(&mut self, id: InodeId, change: impl Fn(u32) -> u32) -> Step<()> {
        if id.is_directory() || id.shard() != self.shard {
            return Ok(());
        }
        let mut file = self.read().file(id)?;
        let Life::Linked { owners } = &mut file.life else {
            return Err(Refusal::NotFound.into()); // transient files have no dentries
        };
        *owners = change(*owners);
        Ok(self.put_file(id, file)?)
    }

    fn account(&mut self, id: InodeId, old: Option<&InodeRecord>, new: Option<&InodeRecord>) {
        if let Some(old) = old
            && !planted(Bug::UsageCountedTwice)
        {
            subtract(&mut self.counters, old);
        }
        if let Some(new) = new {
            add(&mut self.counters, new);
        }
        if let Some(recount) = &mut self.recount {
            recount.inode_changed(id, old, new);
        }
        let (before, after) = (old.and_then(deadline), new.and_then(deadline));
        if before != after {
            if let Some(before) = before {
                let key = keys::transient(before, id);
                self.store.delete(keys::TRANSIENTS, &key);
            }
            if let Some(after) = after {
                let key = keys::transient(after, id);
                self.store.put(keys::TRANSIENTS, &key, &[]);
            }
        }
    }
}

fn deadline(record: &InodeRecord) -> Option<eggs_proto::Time> {
    match record {
        InodeRecord::File(file) => file.deadline(),
        InodeRecord::Directory(_) => None,
    }
}

/// What one inode counts for. Bytes are those of files, linked or not; targets of symlinks are metadata.
pub(crate) fn add(counters: &mut Counters, record: &InodeRecord) {
    match record {
        InodeRecord::Directory(_) => counters.directories = counters.directories.wrapping_add(1),
        InodeRecord::File(file) => {
            match file.life {
                Life::Transient(_) => counters.transients = counters.transients.wrapping_add(1),
                Life::Linked { .. } => counters.files = counters.files.wrapping_add(1),
            }
            counters.bytes = counters.bytes.wrapping_add(file.content_bytes());
            counters.physical_bytes = counters
                .physical_bytes
                .wrapping_add(u128::from(file.physical_bytes()));
        }
    }
}

/// The opposite of [`add`].
pub(crate) fn subtract(counters: &mut Counters, record: &InodeRecord) {
    match record {
        InodeRecord::Directory(_) => counters.directories = counters.directories.wrapping_sub(1),
        InodeRecord::File(file) => {
            match file.life {
                Life::Transient(_) => counters.transients = counters.transients.wrapping_sub(1),
                Life::Linked { .. } => counters.files = counters.files.wrapping_sub(1),
            }
            counters.bytes = counters.bytes.wrapping_sub(file.content_bytes());
            counters.physical_bytes = counters
                .physical_bytes
                .wrapping_sub(u128::from(file.physical_bytes()));
        }
    }
}
