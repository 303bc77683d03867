//! What is in a directory: its dentries, then its snapshots, then what it knows of its children.
//!
//! How many names stand for a child is counted in the child's record, marked with the time at which the count began, so
//! that what an earlier count has left there says nothing.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Table, from_bytes};
use eggs_proto::tree::{TreeSums, TreeTotals};
use eggs_proto::{InodeId, Time};
use serde::{Deserialize, Serialize};

use super::Recount;
use crate::keys;
use crate::records::{DentryRecord, InodeRecord, SnapshotRecord};
use crate::state::trees::times;
use crate::state::{Held, Range, State, TreeChild, TreeRecord, bytes_of, one, visit};

/// A count under way. Stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRecount {
    dir: InodeId,
    /// Log time when it began.
    began: Time,
    part: Part,
    /// The last key of the part that was counted; empty for none.
    #[serde(with = "serde_bytes")]
    after: Vec<u8>,
    entries: u64,
    placeholders: u64,
    snapshots: u64,
    direct: TreeTotals,
    children: TreeTotals,
}

type KeyAndValue = (Vec<u8>, Vec<u8>);

/// What is gone through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Dentries.
    Dentries,
    /// Snapshots.
    Snapshots,
    /// Records of children.
    Children,
}

/// What a dentry or snapshot counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// A dentry.
    Entry(InodeId),
    /// A free name that is locked.
    Placeholder,
    /// A free name that nobody holds: it is removed.
    Nothing,
    /// A snapshot that owns its inode.
    Owned(InodeId),
    /// Another snapshot.
    Trace,
}

/// Whether something is counted or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    More,
    Less,
}

/// A dentry or snapshot that comes or goes.
#[derive(Clone, Debug)]
pub(crate) struct NameChange {
    pub(crate) part: Part,
    pub(crate) key: Vec<u8>,
    pub(crate) counted: Counted,
    pub(crate) weight: Weight,
}

/// How many names of a child a count has met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedNames {
    /// When the count began.
    pub(crate) began: Time,
    pub(crate) current: u32,
    pub(crate) old: u32,
}

impl Weight {
    pub(crate) const fn sign(self) -> i64 {
        match self {
            Self::More => 1,
            Self::Less => -1,
        }
    }
}

impl From<&DentryRecord> for Counted {
    fn from(dentry: &DentryRecord) -> Self {
        match (dentry.inode, dentry.lock) {
            (Some(inode), _) => Self::Entry(inode),
            (None, Some(_)) => Self::Placeholder,
            (None, None) => Self::Nothing,
        }
    }
}

impl From<&SnapshotRecord> for Counted {
    fn from(snapshot: &SnapshotRecord) -> Self {
        if snapshot.owned {
            Self::Owned(snapshot.inode)
        } else {
            Self::Trace
        }
    }
}

impl DirectoryRecount {
    pub(super) const fn dir(&self) -> InodeId {
        self.dir
    }

    fn covers(&self, part: Part, key: &[u8]) -> bool {
        part < self.part || (part == self.part && *key <= *self.after)
    }

    /// The keys that come next.
    fn range(&self) -> Range {
        let prefix = keys::inode(self.dir);
        let table: Table = match self.part {
            Part::Dentries => keys::DENTRIES,
            Part::Snapshots => keys::SNAPSHOTS,
            Part::Children => keys::TREE_CHILDREN,
        };
        let from = if self.after.is_empty() {
            prefix.to_vec()
        } else {
            keys::after(&self.after)
        };
        Range::prefix(table, &prefix, from)
    }

    /// The record of a child at the end, if it has one, and what a count has met is forgotten.
    fn settled(&self, known: &TreeChild) -> Option<TreeChild> {
        let names = known.names_counted_since(self.began);
        let settled = TreeChild {
            current: names.current,
            old: names.old,
            counted: None,
            ..*known
        };
        settled.stands().then_some(settled)
    }
}

impl State<'_> {
    /// Begins at the beginning.
    pub(crate) fn begin_recount_of_directory(&mut self, dir: InodeId) {
        self.recount = Some(Recount::Directory(DirectoryRecount {
            dir,
            began: self.now,
            part: Part::Dentries,
            after: Vec::new(),
            entries: 0,
            placeholders: 0,
            snapshots: 0,
            direct: TreeTotals::default(),
            children: TreeTotals::default(),
        }));
    }

    /// Whether what is in a directory is being counted, so that it has to be told of changes.
    pub(crate) fn recounts(&self, dir: InodeId) -> bool {
        match &self.recount {
            Some(Recount::Directory(recount)) => recount.dir == dir,
            Some(Recount::Shard(_) | Recount::File(_)) | None => false,
        }
    }

    /// Names have come or gone in a directory. Changes are gathered only while it is being counted.
    pub(crate) fn recount_names(&mut self, changes: &[NameChange]) -> Result<(), Fault> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut recount = self.recount.take();
        if let Some(Recount::Directory(recount)) = &mut recount {
            for change in changes {
                if recount.covers(change.part, &change.key) {
                    self.count_name(recount, change.counted, change.weight)?;
                }
            }
        }
        self.recount = recount;
        Ok(())
    }

    /// The record of a child changes: what it adds is part of the sums once it has been counted.
    pub(in crate::state) fn recount_child(
        &mut self,
        (dir, child): (InodeId, InodeId),
        before: TreeTotals,
        after: TreeTotals,
    ) {
        if let Some(Recount::Directory(recount)) = &mut self.recount
            && recount.dir == dir
            && recount.covers(Part::Children, &keys::tree_child(dir, child))
        {
            recount.children = recount.children.minus(before).plus(after);
        }
    }

    /// Whether a count under way has met names of a child, so that its record has to stay.
    pub(in crate::state) fn recount_needs(&self, dir: InodeId, record: &TreeChild) -> bool {
        match &self.recount {
            Some(Recount::Directory(recount)) if recount.dir == dir => {
                let names = record.names_counted_since(recount.began);
                names.current > 0 || names.old > 0
            }
            Some(Recount::Directory(_) | Recount::Shard(_) | Recount::File(_)) | None => false,
        }
    }

    pub(super) fn go_on_with_directory(
        &mut self,
        recount: &mut DirectoryRecount,
        records: usize,
    ) -> Result<bool, Fault> {
        let mut left = records;
        loop {
            let found = self.next_of(&recount.range(), left)?;
            left -= found.len();
            for (key, value) in found {
                match recount.part {
                    Part::Dentries => {
                        let counted = Counted::from(&from_bytes::<DentryRecord>(&value)?);
                        self.count_name(recount, counted, Weight::More)?;
                        if counted == Counted::Nothing {
                            self.drop_placeholder(&key);
                        }
                    }
                    Part::Snapshots => {
                        let counted = Counted::from(&from_bytes::<SnapshotRecord>(&value)?);
                        self.count_name(recount, counted, Weight::More)?;
                    }
                    Part::Children => self.settle_child(recount, &key, &from_bytes(&value)?)?,
                }
                recount.after = key;
            }
            if left == 0 {
                return Ok(false);
            }
            recount.after = Vec::new();
            recount.part = match recount.part {
                Part::Dentries => Part::Snapshots,
                Part::Snapshots => Part::Children,
                Part::Children => break,
            };
        }
        self.finish_directory(recount)?;
        Ok(true)
    }

    fn next_of(&self, range: &Range, count: usize) -> Result<Vec<KeyAndValue>, Fault> {
        let mut found = Vec::new();
        visit(self.store, range, |key, value| {
            if found.len() == count {
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            found.push((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn count_name(
        &mut self,
        recount: &mut DirectoryRecount,
        counted: Counted,
        weight: Weight,
    ) -> Result<(), Fault> {
        let one_more = |count: &mut u64| *count = count.wrapping_add_signed(weight.sign());
        let (inode, held) = match counted {
            Counted::Nothing => return Ok(()),
            Counted::Placeholder => {
                one_more(&mut recount.placeholders);
                return Ok(());
            }
            Counted::Trace => {
                one_more(&mut recount.snapshots);
                return Ok(());
            }
            Counted::Entry(inode) => {
                one_more(&mut recount.entries);
                let (current, old) = (weight.sign(), 0);
                (inode, Held { current, old })
            }
            Counted::Owned(inode) => {
                one_more(&mut recount.snapshots);
                let (current, old) = (0, weight.sign());
                (inode, Held { current, old })
            }
        };
        let mut each = one(inode);
        if self.read().is_child(inode) {
            self.count_child(recount, inode, held)?;
        } else {
            let record = self.read().inode(inode)?;
            each = each.plus(record.as_ref().map_or(TreeSums::default(), bytes_of));
        }
        let direct = &mut recount.direct;
        direct.current = times(direct.current, each, held.current);
        direct.old = times(direct.old, each, held.old);
        Ok(())
    }

    /// A child whose record is settled is kept right as ever.
    fn count_child(
        &mut self,
        recount: &DirectoryRecount,
        child: InodeId,
        held: Held,
    ) -> Result<(), Fault> {
        let key = keys::tree_child(recount.dir, child);
        if recount.covers(Part::Children, &key) {
            return Ok(());
        }
        let known = self.read().tree_child(recount.dir, child)?;
        let mut record = known.unwrap_or_default();
        let mut names = record.names_counted_since(recount.began);
        let sum = |count: u32, change: i64| {
            let sum = i64::from(count).saturating_add(change);
            sum.clamp(0, i64::from(u32::MAX)) as u32
        };
        names.current = sum(names.current, held.current);
        names.old = sum(names.old, held.old);
        record.counted = Some(names);
        self.put(keys::TREE_CHILDREN, &key, &record);
        Ok(())
    }

    fn settle_child(
        &mut self,
        recount: &mut DirectoryRecount,
        key: &[u8],
        known: &TreeChild,
    ) -> Result<(), Fault> {
        let (_, child) = keys::parse_tree_child(key)?;
        let Some(settled) = recount.settled(known) else {
            self.store.delete(keys::TREE_CHILDREN, key);
            self.store.delete(keys::TREE_WANTED, key);
            return Ok(());
        };
        recount.children = recount.children.plus(settled.adds(child));
        self.put(keys::TREE_CHILDREN, key, &settled);
        if !child.is_directory() {
            self.store.put(keys::TREE_WANTED, key, &[]);
        }
        Ok(())
    }

    fn finish_directory(&mut self, recount: &DirectoryRecount) -> Result<(), Fault> {
        let dir = recount.dir;
        let mut record = match self.read().inode(dir)? {
            Some(InodeRecord::Directory(record)) => record,
            Some(InodeRecord::File(_)) | None => return Ok(()), // it has gone meanwhile
        };
        record.entries = recount.entries;
        record.placeholders = recount.placeholders;
        record.snapshots = recount.snapshots;
        self.put_directory(dir, record)?;
        let before = self.read().tree(dir)?;
        let tree = TreeRecord {
            direct: recount.direct,
            children: recount.children,
        };
        self.put_tree(dir, (before, tree))?;
        self.mark_tree(dir);
        Ok(())
    }
}
