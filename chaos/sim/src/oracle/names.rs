//! All names there are, and what may become of them.

use std::collections::BTreeMap;

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, Name, NameHash};

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub parent: InodeId,
    /// What it holds, in the order of listings.
    pub entries: BTreeMap<(NameHash, Name), InodeId>,
    /// Whether it was removed.
    pub removed: bool,
}

/// All names.
#[derive(Clone, Debug)]
pub struct Names {
    /// All directories there have been.
    pub directories: BTreeMap<InodeId, Directory>,
    /// Where each inode that has a name has it.
    pub places: BTreeMap<InodeId, EntryName>,
}

type Checked<T> = Result<T, String>;

impl Default for Names {
    fn default() -> Self {
        Self {
            directories: BTreeMap::from([(InodeId::ROOT, Directory::new(InodeId::ROOT))]),
            places: BTreeMap::new(),
        }
    }
}

impl Directory {
    const fn new(parent: InodeId) -> Self {
        Self {
            parent,
            entries: BTreeMap::new(),
            removed: false,
        }
    }
}

fn key(entry: &EntryName) -> (NameHash, Name) {
    (entry.name.hash_in(entry.dir), entry.name.clone())
}

impl Names {
    /// What a name stands for.
    pub fn get(&self, entry: &EntryName) -> Option<InodeId> {
        let directory = self.directories.get(&entry.dir)?;
        directory.entries.get(&key(entry)).copied()
    }

    /// A directory that is part of the tree.
    pub fn attached(&self, dir: InodeId) -> Option<&Directory> {
        self.directories
            .get(&dir)
            .filter(|directory| !directory.removed)
    }

    /// Gives a name to an inode that has none.
    pub fn enter(&mut self, entry: &EntryName, inode: InodeId) -> Checked<()> {
        if let Some(other) = self.places.get(&inode) {
            return Err(format!("{inode} gets the name {entry:?} and has {other:?}"));
        }
        let directory = self.directories.get_mut(&entry.dir);
        let Some(directory) = directory.filter(|directory| !directory.removed) else {
            return Err(format!("{entry:?} is made in a directory that is removed"));
        };
        if let Some(other) = directory.entries.insert(key(entry), inode) {
            return Err(format!("{entry:?} is made and stands for {other}"));
        }
        self.places.insert(inode, entry.clone());
        Ok(())
    }

    /// Takes a name away.
    pub fn leave(&mut self, entry: &EntryName) -> Checked<InodeId> {
        let missing = || format!("{entry:?} is taken away and does not exist");
        let directory = self.directories.get_mut(&entry.dir).ok_or_else(missing)?;
        let inode = directory.entries.remove(&key(entry)).ok_or_else(missing)?;
        self.places.remove(&inode);
        Ok(inode)
    }

    /// Makes way for a new file.
    pub fn make_way(&mut self, entry: &EntryName, replace: Replace) -> Checked<()> {
        match (self.get(entry), replace) {
            (None, _) => Ok(()),
            (Some(known), Replace::Files) if !known.is_directory() => self.leave(entry).map(|_| ()),
            (Some(known), _) => Err(format!("{entry:?} is {known}, which is replaced")),
        }
    }

    /// A directory is made.
    pub fn make_directory(&mut self, entry: &EntryName, dir: InodeId) -> Checked<()> {
        self.enter(entry, dir)?;
        self.directories.insert(dir, Directory::new(entry.dir));
        Ok(())
    }

    /// A directory is removed.
    pub fn remove_directory(&mut self, entry: &EntryName) -> Checked<()> {
        let dir = self.leave(entry)?;
        self.bury(dir)
    }

    /// A removed directory comes back.
    pub fn undelete_directory(&mut self, entry: &EntryName, dir: InodeId) -> Checked<()> {
        self.enter(entry, dir)?;
        match self.directories.get_mut(&dir) {
            Some(directory) if directory.removed => {
                directory.removed = false;
                directory.parent = entry.dir;
                Ok(())
            }
            Some(_) | None => Err(format!("{dir} comes back and was not removed")),
        }
    }

    fn bury(&mut self, dir: InodeId) -> Checked<()> {
        match self.directories.get_mut(&dir) {
            Some(directory) if directory.entries.is_empty() => {
                directory.removed = true;
                Ok(())
            }
            Some(_) => Err(format!("{dir} is removed and not empty")),
            None => Err(format!("{dir} is removed and no directory")),
        }
    }

    /// Renames anything anywhere.
    pub fn rename(
        &mut self,
        source: &EntryName,
        target: &EntryName,
        replace: Replace,
    ) -> Checked<()> {
        if source == target {
            return match self.get(source) {
                Some(_) => Ok(()),
                None => Err(format!("{source:?} is renamed and does not exist")),
            };
        }
        let moved = self.leave(source)?;
        self.check_no_loop(moved, target.dir)?;
        match (replace, self.get(target)) {
            (Replace::Never | Replace::Files, None) => {}
            (Replace::Files, Some(other)) => {
                if other.is_directory() != moved.is_directory() {
                    return Err(format!(
                        "{moved} replaces {other}, which is of another kind"
                    ));
                }
                self.leave(target)?;
                if other.is_directory() {
                    self.bury(other)?;
                }
            }
            (Replace::Exchange, Some(other)) => {
                self.leave(target)?;
                self.check_no_loop(other, source.dir)?;
                self.enter(source, other)?;
                self.move_to(other, source.dir);
            }
            (Replace::Never, Some(other)) => {
                return Err(format!("{target:?} is replaced and is {other}"));
            }
            (Replace::Exchange, None) => {
                return Err(format!("{target:?} is exchanged and does not exist"));
            }
        }
        self.enter(target, moved)?;
        self.move_to(moved, target.dir);
        Ok(())
    }

    fn move_to(&mut self, inode: InodeId, parent: InodeId) {
        if let Some(directory) = self.directories.get_mut(&inode) {
            directory.parent = parent;
        }
    }

    fn check_no_loop(&self, moved: InodeId, into: InodeId) -> Checked<()> {
        let mut at = into;
        while at != InodeId::ROOT {
            if at == moved {
                return Err(format!("{moved} is moved below itself into {into}"));
            }
            match self.directories.get(&at) {
                Some(directory) if directory.parent != at => at = directory.parent,
                Some(_) | None => return Ok(()),
            }
        }
        Ok(())
    }
}
