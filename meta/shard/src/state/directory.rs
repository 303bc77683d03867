//! A directory opened for change: its dentries and snapshots, and with them its counts and times.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::Fault;
use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::{Replace, SnapshotKey};
use eggs_proto::{FileTime, InodeId, Name, Refusal};

use super::recount::{Counted, NameChange, Part, Weight};
use super::{FormerCarrier, Held, Reader, State};
use crate::keys;
use crate::records::{
    Carried, Carrier, DentryRecord, DirectoryRecord, InodeRecord, SnapshotRecord,
};
use crate::step::Step;

/// Whether a snapshot owns its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The inode goes when the snapshot goes.
    Owned,
    /// The inode lives on under another name.
    Elsewhere,
}

impl Reader<'_> {
    /// The dentry of a name, locked ones and placeholders included.
    pub(crate) fn dentry(self, dir: InodeId, name: &Name) -> Result<Option<DentryRecord>, Fault> {
        let key = keys::dentry(dir, name.hash_in(dir), name);
        self.get(keys::DENTRIES, &key)
    }

    /// A snapshot dentry.
    pub(crate) fn snapshot(
        self,
        dir: InodeId,
        key: &SnapshotKey,
    ) -> Result<Option<SnapshotRecord>, Fault> {
        self.get(keys::SNAPSHOTS, &keys::snapshot(dir, key))
    }
}

/// A directory being changed. Nothing of the directory itself is written before it is closed.
pub(crate) struct OpenDirectory {
    pub(crate) id: InodeId,
    pub(crate) record: DirectoryRecord,
    /// What is stored of it.
    stored: InodeRecord,
    /// What more, or less, stands for each inode.
    held: BTreeMap<InodeId, Held>,
    /// Files whose carrier was removed.
    uncarried: BTreeSet<InodeId>,
    /// For a count of the directory that is under way.
    changes: Vec<NameChange>,
}

impl OpenDirectory {
    /// Opens a directory of this shard, removed or not.
    pub(crate) fn open(state: &State<'_>, id: InodeId) -> Step<Self> {
        let record = state.read().directory(id)?;
        Ok(Self {
            id,
            stored: InodeRecord::Directory(record.clone()),
            record,
            held: BTreeMap::new(),
            uncarried: BTreeSet::new(),
            changes: Vec::new(),
        })
    }

    /// Opens a directory that may get entries.
    pub(crate) fn open_attached(state: &State<'_>, id: InodeId) -> Step<Self> {
        let dir = Self::open(state, id)?;
        dir.record.accepts_entries()?;
        Ok(dir)
    }

    /// Writes the directory back, with the time of the change.
    pub(crate) fn close(mut self, state: &mut State<'_>) -> Step<()> {
        let now = FileTime::from(state.now);
        self.record.attributes.mtime = now;
        self.record.attributes.ctime = now;
        self.close_untouched(state)
    }

    /// Writes the directory back after something that users do not see.
    pub(crate) fn close_untouched(self, state: &mut State<'_>) -> Step<()> {
        state.recount_names(&self.changes)?;
        state.hold(self.id, &self.held)?;
        let record = InodeRecord::Directory(self.record);
        Ok(state.put_over(self.id, Some(&self.stored), &record)?)
    }

    /// The dentry of a name, whatever its state.
    pub(crate) fn get(&self, state: &State<'_>, name: &Name) -> Step<Option<DentryRecord>> {
        Ok(state.read().dentry(self.id, name)?)
    }

    /// The dentry of a name that must exist and not be locked: also gives its inode.
    pub(crate) fn get_unlocked(
        &self,
        state: &State<'_>,
        name: &Name,
    ) -> Step<(DentryRecord, InodeId)> {
        let dentry = self.get(state, name)?.ok_or(Refusal::NotFound)?;
        let inode = dentry.unlocked()?;
        Ok((dentry, inode))
    }

    /// Sets or removes a dentry.
    pub(crate) fn set(
        &mut self,
        state: &mut State<'_>,
        name: &Name,
        dentry: Option<DentryRecord>,
    ) -> Step<()> {
        let key = keys::dentry(self.id, name.hash_in(self.id), name);
        let known = self.get(state, name)?;
        let (old, new) = (
            known.as_ref().map(Counted::from),
            dentry.as_ref().map(Counted::from),
        );
        self.note(state, (Part::Dentries, &key), old, new);
        match known {
            Some(DentryRecord {
                inode: Some(inode),
                carried,
                ..
            }) => {
                if carried.is_some() && dentry.is_none() {
                    self.uncarried.insert(inode);
                }
                lower(&mut self.record.entries)?;
                self.held.entry(inode).or_default().current -= 1;
            }
            Some(_) => lower(&mut self.record.placeholders)?,
            None => {}
        }
        match dentry {
            Some(new) => {
                match new.inode {
                    Some(inode) => {
                        self.record.entries += 1;
                        self.held.entry(inode).or_default().current += 1;
                    }
                    None => self.record.placeholders += 1,
                }
                state.put(keys::DENTRIES, &key, &new);
            }
            None => state.store.delete(keys::DENTRIES, &key),
        }
        Ok(())
    }

    /// Notes what becomes of a name, if the directory is being counted.
    fn note(
        &mut self,
        state: &State<'_>,
        (part, key): (Part, &[u8]),
        old: Option<Counted>,
        new: Option<Counted>,
    ) {
        if !state.recounts(self.id) {
            return;
        }
        for (counted, weight) in [(old, Weight::Less), (new, Weight::More)] {
            let key = key.to_vec();
            self.changes.extend(counted.map(|counted| NameChange {
                part,
                key,
                counted,
                weight,
            }));
        }
    }

    /// Gives a name to an inode from now on. It carries the attributes of a file that is on this shard.
    pub(crate) fn enter(&mut self, state: &mut State<'_>, name: &Name, inode: InodeId) -> Step<()> {
        // A rename removes the old name first, so nobody has to look for it.
        let former = match self.uncarried.contains(&inode) {
            true => FormerCarrier::Gone,
            false => FormerCarrier::Perhaps,
        };
        let carried = state.carry(inode, self.carrier(name), former)?;
        self.enter_carrying(state, name, inode, carried)
    }

    /// Gives a name to an inode, of which it carries what the caller has just written.
    pub(crate) fn enter_carrying(
        &mut self,
        state: &mut State<'_>,
        name: &Name,
        inode: InodeId,
        carried: Option<Carried>,
    ) -> Step<()> {
        let dentry = DentryRecord {
            inode: Some(inode),
            created: state.now,
            lock: None,
            carried,
        };
        self.set(state, name, Some(dentry))
    }

    /// The carrier that the dentry of a name would be.
    pub(crate) fn carrier(&self, name: &Name) -> Carrier {
        Carrier {
            dir: self.id,
            hash: name.hash_in(self.id),
        }
    }

    /// Makes way for a new file or symlink: what has the name becomes an owned snapshot, if it may.
    pub(crate) fn make_way(
        &mut self,
        state: &mut State<'_>,
        name: &Name,
        replace: Replace,
    ) -> Step<()> {
        let Some(old) = self.get(state, name)? else {
            return Ok(());
        };
        let inode = old.unlocked()?;
        match replace {
            Replace::Never => Err(Refusal::Exists.into()),
            Replace::Exchange => Err(Refusal::Unsupported.into()),
            Replace::Files if inode.is_directory() => Err(Refusal::IsDirectory.into()),
            Replace::Files if planted(Bug::ReplacedFileNotOwned) => {
                self.bury(state, name, Ownership::Elsewhere)
            }
            Replace::Files => self.bury(state, name, Ownership::Owned),
        }
    }

    /// Turns a dentry into a snapshot. A placeholder leaves none.
    pub(crate) fn bury(
        &mut self,
        state: &mut State<'_>,
        name: &Name,
        ownership: Ownership,
    ) -> Step<()> {
        let Some(old) = self.get(state, name)? else {
            return Ok(());
        };
        self.set(state, name, None)?;
        let Some(inode) = old.inode else {
            return Ok(());
        };
        let key = SnapshotKey {
            hash: name.hash_in(self.id),
            name: name.clone(),
            created: old.created,
        };
        let snapshot = SnapshotRecord {
            inode,
            removed: state.now,
            owned: ownership == Ownership::Owned,
            collecting: false,
        };
        self.set_snapshot(state, &key, Some(snapshot))
    }

    /// Sets or removes a snapshot dentry.
    pub(crate) fn set_snapshot(
        &mut self,
        state: &mut State<'_>,
        key: &SnapshotKey,
        snapshot: Option<SnapshotRecord>,
    ) -> Step<()> {
        let bytes = keys::snapshot(self.id, key);
        let known = state.read().snapshot(self.id, key)?;
        let (old, new) = (
            known.as_ref().map(Counted::from),
            snapshot.as_ref().map(Counted::from),
        );
        self.note(state, (Part::Snapshots, &bytes), old, new);
        if let Some(old) = known {
            lower(&mut self.record.snapshots)?;
            self.held.entry(old.inode).or_default().old -= i64::from(old.owned);
        }
        match snapshot {
            Some(new) => {
                self.record.snapshots += 1;
                self.held.entry(new.inode).or_default().old += i64::from(new.owned);
                state.put(keys::SNAPSHOTS, &bytes, &new);
            }
            None => state.store.delete(keys::SNAPSHOTS, &bytes),
        }
        Ok(())
    }
}

fn lower(count: &mut u64) -> Result<(), Fault> {
    *count = count
        .checked_sub(1)
        .ok_or_else(|| Fault::Damaged("a directory holds more than it counts".into()))?;
    Ok(())
}
