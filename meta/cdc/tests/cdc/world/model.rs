//! What each operation does if it runs alone: the specification, in the fewest words. And the search for an
//! order of operations that explains what was observed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::{Replace, SnapshotKey};
use eggs_proto::{InodeId, Refusal};

/// What somebody did.
#[derive(Clone, Debug)]
pub enum Action {
    Run(CdcOperation),
    CreateFile(EntryName),
    Unlink(EntryName),
    Lookup(EntryName),
    UndeleteFile(EntryName, Version),
    /// From now on it cannot come back.
    Collect(InodeId),
}

/// An old version of what had a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub key: SnapshotKey,
    pub inode: InodeId,
}

/// What came of it: an inode where there is one to be told.
pub type Outcome = Result<Option<InodeId>, Refusal>;

/// Names and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model {
    entries: BTreeMap<EntryNameKey, InodeId>,
    /// What can come back, and where it was.
    removed: BTreeMap<InodeId, EntryNameKey>,
    /// How often each was removed from each name.
    removals: BTreeMap<(InodeId, EntryNameKey), u32>,
    collected: BTreeSet<InodeId>,
}

type EntryNameKey = (InodeId, Vec<u8>);

fn key(entry: &EntryName) -> EntryNameKey {
    (entry.dir, entry.name.as_bytes().to_vec())
}

impl Model {
    fn get(&self, entry: &EntryName) -> Option<InodeId> {
        self.entries.get(&key(entry)).copied()
    }

    fn is_gone(&self, dir: InodeId) -> bool {
        self.removed.contains_key(&dir) || self.collected.contains(&dir)
    }

    fn is_empty(&self, dir: InodeId) -> bool {
        self.entries.keys().all(|(d, _)| *d != dir)
    }

    fn is_inside(&self, mut dir: InodeId, ancestor: InodeId) -> bool {
        loop {
            if dir == ancestor {
                return true;
            }
            match self.entries.iter().find(|(_, inode)| **inode == dir) {
                Some(((parent, _), _)) => dir = *parent,
                None => return false,
            }
        }
    }

    /// Does what `action` does, if its outcome can be this one.
    fn step(&self, action: &Action, outcome: &Outcome) -> Option<Self> {
        if *outcome == Err(Refusal::Locked) {
            return Some(self.clone()); // always possible, never with an effect
        }
        let mut next = self.clone();
        let possible = match action {
            Action::Lookup(entry) => self.get(entry).map(Some).ok_or(Refusal::NotFound),
            Action::CreateFile(entry) => next.create(entry, outcome),
            Action::Unlink(entry) => next.unlink(entry),
            Action::Run(CdcOperation::MakeDirectory { entry, .. }) => next.create(entry, outcome),
            Action::Run(CdcOperation::RemoveDirectory { entry }) => next.remove(entry),
            Action::Run(CdcOperation::Rename {
                source,
                target,
                replace,
            }) => next.rename(source, target, *replace),
            Action::Run(CdcOperation::UndeleteDirectory { entry, key, inode }) => {
                let (key, inode) = (key.clone(), *inode);
                next.undelete(entry, &Version { key, inode }, outcome)
            }
            Action::UndeleteFile(entry, version) => next.undelete(entry, version, outcome),
            Action::Collect(inode) => next.collect(*inode),
        };
        (possible == *outcome).then_some(if outcome.is_ok() { next } else { self.clone() })
    }

    fn create(&mut self, entry: &EntryName, outcome: &Outcome) -> Outcome {
        if self.is_gone(entry.dir) {
            return Err(Refusal::NotFound);
        }
        if self.get(entry).is_some() {
            return Err(Refusal::Exists);
        }
        // Which inode it becomes is not specified.
        let made = outcome.clone().ok().flatten();
        if let Some(inode) = made {
            self.entries.insert(key(entry), inode);
        }
        Ok(made)
    }

    fn unlink(&mut self, entry: &EntryName) -> Outcome {
        let inode = self.get(entry).ok_or(Refusal::NotFound)?;
        if inode.is_directory() {
            return Err(Refusal::IsDirectory);
        }
        self.entries.remove(&key(entry));
        self.bury(inode, entry);
        Ok(None)
    }

    fn remove(&mut self, entry: &EntryName) -> Outcome {
        let dir = self.get(entry).ok_or(Refusal::NotFound)?;
        if !dir.is_directory() {
            return Err(Refusal::NotDirectory);
        }
        if !self.is_empty(dir) {
            return Err(Refusal::NotEmpty);
        }
        self.entries.remove(&key(entry));
        self.bury(dir, entry);
        Ok(None)
    }

    fn rename(&mut self, source: &EntryName, target: &EntryName, replace: Replace) -> Outcome {
        let moved = self.get(source).ok_or(Refusal::NotFound)?;
        if self.is_gone(target.dir) {
            return Err(Refusal::NotFound);
        }
        let old = self.get(target);
        if replace == Replace::Exchange {
            let old = old.ok_or(Refusal::NotFound)?;
            if source == target {
                return Ok(None);
            }
            let loops = |moved: InodeId, to| moved.is_directory() && self.is_inside(to, moved);
            if loops(moved, target.dir) || loops(old, source.dir) {
                return Err(Refusal::Loop);
            }
            self.entries.insert(key(source), old);
            self.entries.insert(key(target), moved);
            return Ok(None);
        }
        if old.is_some() && replace == Replace::Never {
            return Err(Refusal::Exists);
        }
        if source == target {
            return Ok(None);
        }
        if moved.is_directory() && self.is_inside(target.dir, moved) {
            return Err(Refusal::Loop);
        }
        match old.map(|old| (moved.is_directory(), old.is_directory(), old)) {
            Some((false, true, _)) => return Err(Refusal::IsDirectory),
            Some((true, false, _)) => return Err(Refusal::NotDirectory),
            Some((true, true, old)) if !self.is_empty(old) => return Err(Refusal::NotEmpty),
            Some((_, _, old)) => self.bury(old, target),
            None => {}
        }
        self.entries.remove(&key(source));
        self.entries.insert(key(target), moved);
        Ok(None)
    }
}

impl Model {
    /// An inode loses the name that owns it and becomes an old version.
    fn bury(&mut self, inode: InodeId, entry: &EntryName) {
        self.removed.insert(inode, key(entry));
        *self.removals.entry((inode, key(entry))).or_default() += 1;
    }

    fn undelete(&mut self, entry: &EntryName, version: &Version, outcome: &Outcome) -> Outcome {
        let Version { key: old, inode } = version;
        let was = (entry.dir, old.name.as_bytes().to_vec());
        let (gone, here) = (
            Err(Refusal::NoSnapshot),
            self.removed.get(inode) == Some(&was),
        );
        if inode.is_directory() {
            if self.collected.contains(inode) {
                return Err(Refusal::NotFound);
            }
            if !self.removed.contains_key(inode) {
                return gone;
            }
            if self.get(entry).is_some() {
                return Err(Refusal::Exists);
            }
        }
        if self.is_gone(entry.dir) {
            return Err(Refusal::NotFound);
        }
        // Of several removals under one name this does not know which one is meant.
        let several = self.removals.get(&(*inode, was)).is_some_and(|n| *n > 1);
        if !here || (several && *outcome == gone) {
            return gone;
        }
        if self.get(entry).is_some() {
            return Err(Refusal::Exists);
        }
        self.removed.remove(inode);
        self.entries.insert(key(entry), *inode);
        Ok(None)
    }

    /// An old version is gone for good.
    fn collect(&mut self, inode: InodeId) -> Outcome {
        self.removed.remove(&inode).ok_or(Refusal::NoSnapshot)?;
        self.collected.insert(inode);
        Ok(None)
    }
}

/// One action with the moments between which it happened.
#[derive(Clone, Debug)]
pub struct Event {
    pub action: Action,
    pub began: u64,
    pub ended: u64,
    pub outcome: Outcome,
}

/// Finds an order that explains all outcomes, in which nothing comes before what had ended when it began.
pub fn is_linearizable(events: &[Event], start: &Model) -> Result<Model, String> {
    assert!(events.len() <= 128);
    let mut seen = HashSet::new();
    let mut best = 0u128;
    let all = if events.len() == 128 {
        u128::MAX
    } else {
        (1 << events.len()) - 1
    };
    let mut stack = vec![(0u128, start.clone())];
    while let Some((done, model)) = stack.pop() {
        if done == all {
            return Ok(model);
        }
        if !seen.insert((done, model.clone())) {
            continue;
        }
        if done.count_ones() > best.count_ones() {
            best = done;
        }
        let open = || (0..events.len()).filter(|i| done & (1 << i) == 0);
        let horizon = open().map(|i| events[i].ended).min().unwrap_or(u64::MAX);
        for i in open().filter(|i| events[*i].began <= horizon) {
            if let Some(next) = model.step(&events[i].action, &events[i].outcome) {
                stack.push((done | 1 << i, next));
            }
        }
    }
    let unexplained = (0..events.len()).filter(|i| best & (1 << i) == 0);
    let unexplained: Vec<_> = unexplained.map(|i| &events[i]).collect();
    Err(format!("no order explains {unexplained:#?}"))
}

impl Model {
    /// All names of live directories.
    pub fn entries(&self) -> impl Iterator<Item = (InodeId, &[u8], InodeId)> {
        self.entries
            .iter()
            .map(|((d, n), i)| (*d, n.as_slice(), *i))
    }
}
