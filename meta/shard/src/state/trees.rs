//! What is below each directory, counted.
//!
//! A directory keeps the *direct* sums of the inodes that its dentries and owned snapshots stand for, and a record for
//! each *child* that it cannot count by itself: a directory, or a file of another shard. A child directory reports its
//! total to its parent when it has changed; that it has to is a record in the state (`tree_dirty`), and so is that
//! the size of a file of another shard is wanted (`tree_wanted`). Who leads the shard carries both out
//! ([`crate::trees`]), so each level above sees a change a moment later, and a burst of changes as one.
//!
//! **Invariant:** a directory's total is the sum of its direct sums and of its child records; it is kept with each
//! change.
//!
//! **Invariant:** a child record exists exactly while a dentry or an owned snapshot of the directory stands for the child.
//!
//! **Invariant:** once nothing is dirty or wanted anywhere, every total is that of the tree below.
//!
//! Physical bytes of a linked file do not change. An operation that changes them has to change the sums as well.

use std::collections::BTreeMap;

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Fault, Stored};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{InodeId, Malformed, Time, decode};
use serde::{Deserialize, Serialize};

use super::recount::CountedNames;
use super::{Reader, State};
use crate::keys;
use crate::records::InodeRecord;

/// The sums of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    /// Of what the shard can count by itself.
    pub(crate) direct: TreeTotals,
    /// Of the child records.
    pub(crate) children: TreeTotals,
}

/// What a directory knows of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeChild {
    /// How many dentries stand for it.
    pub(crate) current: u32,
    /// How many owned snapshots do.
    pub(crate) old: u32,
    /// Of the last report.
    pub(crate) version: Time,
    /// As reported.
    pub(crate) totals: TreeTotals,
    /// Names that a count of the directory has met so far.
    pub(crate) counted: Option<CountedNames>,
}

/// Version 1 of [`TreeChild`].
#[derive(Deserialize)]
struct TreeChild1 {
    current: u32,
    old: u32,
    version: Time,
    totals: TreeTotals,
}

/// Since when a directory's total differs from what was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeDirty(pub(crate) Time);

impl Stored for TreeRecord {
    const WHAT: &'static str = "trees";
}
impl Stored for TreeChild {
    const WHAT: &'static str = "tree_children";
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        let uncounted = |old: TreeChild1| Self {
            current: old.current,
            old: old.old,
            version: old.version,
            totals: old.totals,
            counted: None,
        };
        (version == 1).then(|| decode(bytes).map(uncounted))
    }
}
impl Stored for TreeDirty {
    const WHAT: &'static str = "tree_dirty";
}

/// How many more dentries and owned snapshots stand for an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) current: i64,
    pub(crate) old: i64,
}

impl TreeRecord {
    pub(crate) const fn total(&self) -> TreeTotals {
        self.direct.plus(self.children)
    }
}

impl TreeChild {
    /// Whether anything stands for the child. A record of which nothing does is there for a count under way only.
    pub(crate) const fn stands(&self) -> bool {
        self.current > 0 || self.old > 0
    }

    /// What the count that began then has met.
    pub(crate) fn names_counted_since(&self, began: Time) -> CountedNames {
        let none = CountedNames {
            began,
            ..CountedNames::default()
        };
        self.counted
            .filter(|names| names.began == began)
            .unwrap_or(none)
    }

    /// What it adds to the sums of the directory. A file that only a snapshot owns is old.
    pub(crate) fn adds(&self, child: InodeId) -> TreeTotals {
        if !self.stands() {
            return TreeTotals::default();
        }
        if child.is_directory() || self.current > 0 {
            return self.totals;
        }
        TreeTotals {
            current: TreeSums::default(),
            old: self.totals.current,
        }
    }
}

/// What a file of this shard adds: its own bytes.
pub(crate) fn bytes_of(record: &InodeRecord) -> TreeSums {
    match record {
        InodeRecord::Directory(_) => TreeSums::default(),
        InodeRecord::File(file) => TreeSums {
            bytes: file.content_bytes(),
            physical_bytes: u128::from(file.physical_bytes()),
            ..TreeSums::default()
        },
    }
}

/// One inode of a kind.
pub(crate) fn one(inode: InodeId) -> TreeSums {
    let directories = u64::from(inode.is_directory());
    TreeSums {
        files: 1 - directories,
        directories,
        ..TreeSums::default()
    }
}

impl Reader<'_> {
    /// The sums of a directory.
    pub(crate) fn tree(self, dir: InodeId) -> Result<TreeRecord, Fault> {
        Ok(self
            .get(keys::TREES, &keys::inode(dir))?
            .unwrap_or_default())
    }

    /// What a directory knows of a child.
    pub(crate) fn tree_child(
        self,
        dir: InodeId,
        child: InodeId,
    ) -> Result<Option<TreeChild>, Fault> {
        self.get(keys::TREE_CHILDREN, &keys::tree_child(dir, child))
    }

    /// Whether the directory keeps a record of the inode, because it cannot count it by itself.
    pub(crate) fn is_child(self, inode: InodeId) -> bool {
        inode.is_directory() || inode.shard() != self.shard
    }
}

impl State<'_> {
    /// A directory that is being changed holds other inodes than before.
    pub(crate) fn hold(
        &mut self,
        dir: InodeId,
        held: &BTreeMap<InodeId, Held>,
    ) -> Result<(), Fault> {
        if held.values().all(|held| *held == Held::default()) {
            return Ok(());
        }
        let before = self.read().tree(dir)?;
        let mut tree = before;
        for (inode, change) in held.iter().filter(|(_, held)| **held != Held::default()) {
            let mut each = one(*inode);
            if self.read().is_child(*inode) {
                self.hold_child(&mut tree, dir, (*inode, *change))?;
            } else if let Some(record) = self.read().inode(*inode)? {
                each = each.plus(bytes_of(&record));
            }
            tree.direct.current = times(tree.direct.current, each, change.current);
            tree.direct.old = times(tree.direct.old, each, change.old);
        }
        self.put_tree(dir, (before, tree))
    }

    fn hold_child(
        &mut self,
        tree: &mut TreeRecord,
        dir: InodeId,
        (child, change): (InodeId, Held),
    ) -> Result<(), Fault> {
        let known = self.read().tree_child(dir, child)?;
        let mut record = known.unwrap_or_default();
        // A name from before there were sums has no record. What is only counted stops nobody: an audit finds it.
        let added = |count: u32, change: i64| {
            let sum = i64::from(count).saturating_add(change);
            sum.clamp(0, i64::from(u32::MAX)) as u32
        };
        let before = record;
        record.current = added(record.current, change.current);
        record.old = added(record.old, change.old);
        let key = keys::tree_child(dir, child);
        if record.stands() || self.recount_needs(dir, &record) {
            self.put(keys::TREE_CHILDREN, &key, &record);
        } else {
            self.store.delete(keys::TREE_CHILDREN, &key);
        }
        if !record.stands() {
            self.store.delete(keys::TREE_WANTED, &key);
        } else if !before.stands() && !child.is_directory() {
            self.store.put(keys::TREE_WANTED, &key, &[]);
        }
        let (before, after) = (before.adds(child), record.adds(child));
        tree.children = tree.children.minus(before).plus(after);
        self.recount_child((dir, child), before, after);
        Ok(())
    }

    pub(super) fn put_tree(
        &mut self,
        dir: InodeId,
        (before, after): (TreeRecord, TreeRecord),
    ) -> Result<(), Fault> {
        if before == after {
            return Ok(());
        }
        if after == TreeRecord::default() {
            self.store.delete(keys::TREES, &keys::inode(dir));
        } else {
            self.put(keys::TREES, &keys::inode(dir), &after);
        }
        if before.total() != after.total() {
            self.mark_tree(dir);
        }
        Ok(())
    }

    /// A directory has to report its total: it has changed, or the parent has.
    pub(crate) fn mark_tree(&mut self, dir: InodeId) {
        if dir != InodeId::ROOT {
            let since = TreeDirty(self.now);
            self.put(keys::TREE_DIRTY, &keys::inode(dir), &since);
        }
    }

    /// A directory has reported the total that it has had since then.
    pub(crate) fn settle_tree(&mut self, dir: InodeId, version: Time) -> Result<(), Fault> {
        let key = keys::inode(dir);
        let known: Option<TreeDirty> = self.read().get(keys::TREE_DIRTY, &key)?;
        if known == Some(TreeDirty(version)) || planted(Bug::ChangedTotalsSettled) {
            self.store.delete(keys::TREE_DIRTY, &key);
        }
        Ok(())
    }

    /// Takes a report; says whether the directory has that child. An older report than the last one changes nothing.
    pub(crate) fn take_report(&mut self, report: &TreeReport) -> Result<bool, Fault> {
        let TreeReport { parent, child, .. } = *report;
        let known = self.read().tree_child(parent, child)?;
        let Some(mut record) = known.filter(TreeChild::stands) else {
            return Ok(false);
        };
        let key = keys::tree_child(parent, child);
        self.store.delete(keys::TREE_WANTED, &key);
        if record.version >= report.version && !planted(Bug::OldTotalsTaken) {
            return Ok(true);
        }
        let before = self.read().tree(parent)?;
        let mut tree = before;
        let adds_before = match planted(Bug::TotalsReportedTwice) {
            true => TreeTotals::default(),
            false => record.adds(child),
        };
        record.version = report.version;
        record.totals = report.totals;
        let adds = record.adds(child);
        tree.children = tree.children.minus(adds_before).plus(adds);
        self.recount_child((parent, child), adds_before, adds);
        self.put(keys::TREE_CHILDREN, &key, &record);
        self.put_tree(parent, (before, tree))?;
        Ok(true)
    }

    /// Forgets a directory that is removed; nothing is in it.
    pub(crate) fn forget_tree(&mut self, dir: InodeId) {
        self.store.delete(keys::TREES, &keys::inode(dir));
        self.store.delete(keys::TREE_DIRTY, &keys::inode(dir));
    }

    /// Forgets when a child has reported, so that its next report counts; of a file, its size is asked for.
    pub(crate) fn forget_report(&mut self, dir: InodeId, child: InodeId) -> Result<(), Fault> {
        let known = self.read().tree_child(dir, child)?;
        let Some(mut record) = known.filter(TreeChild::stands) else {
            return Ok(()); // it is not in the directory any more
        };
        record.version = Time(0);
        let key = keys::tree_child(dir, child);
        self.put(keys::TREE_CHILDREN, &key, &record);
        if !child.is_directory() {
            self.store.put(keys::TREE_WANTED, &key, &[]);
        }
        Ok(())
    }
}

/// Adds so many of one kind; few, because an inode has few names.
pub(super) fn times(mut sums: TreeSums, each: TreeSums, count: i64) -> TreeSums {
    for _ in 0..count.unsigned_abs() {
        sums = if count < 0 {
            sums.minus(each)
        } else {
            sums.plus(each)
        };
    }
    sums
}
