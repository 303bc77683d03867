//! The operations.

use std::collections::BTreeMap;

use eggs_proto::shard::Replace;
use eggs_proto::{
    ExtentProblem, InodeId, InvalidArgument, MODE_MASK, Name, Policy, PolicyKind, Refusal,
    XattrMode, XattrName,
};

use crate::{Directory, File, Mode, OldVersion, Piece};

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The directory.
    pub dir: InodeId,
    /// The name in it.
    pub name: Name,
}

/// A whole file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// All directories, removed ones included until they are collected.
    pub directories: BTreeMap<InodeId, Directory>,
    /// All files and symlinks.
    pub files: BTreeMap<InodeId, File>,
    /// Extended attributes.
    pub xattrs: BTreeMap<InodeId, BTreeMap<XattrName, Vec<u8>>>,
    /// What `chmod` and `chown` have set; everything else is as it was made.
    pub modes: BTreeMap<InodeId, Mode>,
    /// Policies set on directories.
    pub policies: BTreeMap<InodeId, BTreeMap<PolicyKind, Policy>>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            directories: BTreeMap::from([(InodeId::ROOT, Directory::default())]),
            files: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            modes: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }
}

impl Model {
    /// A directory that is part of the tree.
    pub fn attached(&mut self, dir: InodeId) -> Result<&mut Directory, Refusal> {
        match self.directories.get_mut(&dir) {
            Some(directory) if !directory.removed => Ok(directory),
            Some(_) | None => Err(Refusal::NotFound),
        }
    }

    fn named(&mut self, entry: &Entry) -> Result<InodeId, Refusal> {
        let dir = self.attached(entry.dir)?;
        dir.entries
            .get(&entry.name)
            .copied()
            .ok_or(Refusal::NotFound)
    }

    /// A file is going to be written for a directory. `Ok` if it may; then tell its inode to [`Self::started`].
    pub fn may_start(&mut self, dir: InodeId) -> Result<(), Refusal> {
        self.attached(dir).map(|_| ())
    }

    /// A transient file exists.
    pub fn started(&mut self, file: InodeId) {
        let empty = File::Transient {
            content: Vec::new(),
            unproved: None,
        };
        self.files.insert(file, empty);
    }

    fn transient(&mut self, file: InodeId) -> Result<(&mut Vec<Piece>, &mut Option<u64>), Refusal> {
        match self.files.get_mut(&file) {
            Some(File::Transient { content, unproved }) => Ok((content, unproved)),
            Some(File::Linked(_) | File::Symlink(_)) => Err(Refusal::NotTransient),
            None => Err(Refusal::NotFound),
        }
    }

    /// Appends to a transient file. Blocks are unproved at first; [`Self::prove`] them.
    pub fn append(&mut self, file: InodeId, piece: Piece) -> Result<(), Refusal> {
        let (content, unproved) = self.transient(file)?;
        if piece.size() == 0 {
            return Err(Refusal::BadExtent(ExtentProblem::Sizes));
        }
        match &piece {
            Piece::Blocks { .. } => {
                let end = content.iter().map(Piece::size).sum();
                unproved.get_or_insert(end);
            }
            Piece::Bytes(_) | Piece::Zeros(_) => {}
        }
        content.push(piece);
        Ok(())
    }

    /// All blocks of a transient file are written.
    pub fn prove(&mut self, file: InodeId) -> Result<(), Refusal> {
        *self.transient(file)?.1 = None;
        Ok(())
    }

    /// Gives up a transient file.
    pub fn scrap(&mut self, file: InodeId) -> Result<(), Refusal> {
        self.transient(file)?;
        self.forget(file);
        Ok(())
    }

    /// Makes a transient file visible.
    pub fn link(&mut self, file: InodeId, at: &Entry, replace: Replace) -> Result<(), Refusal> {
        let (content, unproved) = self.transient(file)?;
        if unproved.is_some() {
            return Err(Refusal::NotCertified);
        }
        let content = std::mem::take(content);
        let linked = self.enter(at, file, replace);
        let file_now = match linked {
            Ok(()) => File::Linked(content),
            Err(_) => File::Transient {
                content,
                unproved: None,
            },
        };
        self.files.insert(file, file_now);
        linked
    }

    /// Proves all blocks of a transient file and makes it visible, or does neither.
    pub fn prove_and_link(
        &mut self,
        file: InodeId,
        at: &Entry,
        replace: Replace,
    ) -> Result<(), Refusal> {
        let before = self.clone();
        let linked = self.prove(file).and_then(|()| self.link(file, at, replace));
        if linked.is_err() {
            *self = before;
        }
        linked
    }

    /// Gives a name to a new file, symlink or directory; what a file replaces becomes an old version.
    fn enter(&mut self, at: &Entry, inode: InodeId, replace: Replace) -> Result<(), Refusal> {
        let dir = self.attached(at.dir)?;
        if let Some(known) = dir.entries.get(&at.name).copied() {
            match replace {
                Replace::Never => return Err(Refusal::Exists),
                Replace::Exchange => return Err(Refusal::Unsupported),
                Replace::Files if known.is_directory() => return Err(Refusal::IsDirectory),
                Replace::Files => dir.bury(&at.name, true),
            }
        }
        dir.entries.insert(at.name.clone(), inode);
        Ok(())
    }

    /// An inode is gone, and all that belonged to it.
    fn forget(&mut self, inode: InodeId) {
        self.directories.remove(&inode);
        self.files.remove(&inode);
        self.xattrs.remove(&inode);
        self.modes.remove(&inode);
        self.policies.remove(&inode);
    }

    /// An inode in whatever state.
    fn exists(&self, inode: InodeId) -> Result<(), Refusal> {
        let exists = self.directories.contains_key(&inode) || self.files.contains_key(&inode);
        exists.then_some(()).ok_or(Refusal::NotFound)
    }

    fn xattrs_of(&mut self, inode: InodeId) -> Result<&mut BTreeMap<XattrName, Vec<u8>>, Refusal> {
        self.exists(inode)?;
        Ok(self.xattrs.entry(inode).or_default())
    }

    /// `chmod` and `chown`.
    pub fn set_mode(&mut self, inode: InodeId, mode: Mode) -> Result<(), Refusal> {
        self.exists(inode)?;
        if mode.mode & !MODE_MASK != 0 {
            return Err(Refusal::Invalid(InvalidArgument::Mode));
        }
        self.modes.insert(inode, mode);
        Ok(())
    }

    /// The policies of a directory itself, removed ones included.
    fn policies_of(&mut self, dir: InodeId) -> Result<&mut BTreeMap<PolicyKind, Policy>, Refusal> {
        if !self.directories.contains_key(&dir) {
            return Err(Refusal::NotFound);
        }
        Ok(self.policies.entry(dir).or_default())
    }

    /// Overrides a policy.
    pub fn set_policy(&mut self, dir: InodeId, policy: Policy) -> Result<(), Refusal> {
        policy
            .validate()
            .map_err(|bad| Refusal::BadPolicy(bad.into()))?;
        self.policies_of(dir)?.insert(policy.kind(), policy);
        Ok(())
    }

    /// Inherits a policy again.
    pub fn clear_policy(&mut self, dir: InodeId, kind: PolicyKind) -> Result<(), Refusal> {
        self.policies_of(dir)?.remove(&kind);
        Ok(())
    }

    /// Sets an extended attribute; their limits are not part of the model.
    pub fn set_xattr(
        &mut self,
        inode: InodeId,
        name: &XattrName,
        value: &[u8],
        mode: XattrMode,
    ) -> Result<(), Refusal> {
        let all = self.xattrs_of(inode)?;
        match (mode, all.contains_key(name)) {
            (XattrMode::Create, true) => return Err(Refusal::Exists),
            (XattrMode::Replace, false) => return Err(Refusal::NoAttribute),
            (XattrMode::Set | XattrMode::Create | XattrMode::Replace, _) => {}
        }
        all.insert(name.clone(), value.to_vec());
        Ok(())
    }

    /// Removes an extended attribute.
    pub fn remove_xattr(&mut self, inode: InodeId, name: &XattrName) -> Result<(), Refusal> {
        let removed = self.xattrs_of(inode)?.remove(name);
        removed.map(drop).ok_or(Refusal::NoAttribute)
    }

    /// Whether a new file, symlink or directory may have a name.
    pub fn may_enter(&self, at: &Entry, replace: Replace) -> Result<(), Refusal> {
        self.clone().enter(at, InodeId::ROOT, replace)
    }

    /// A file or symlink was made in one step.
    pub fn created(&mut self, at: &Entry, inode: InodeId, file: File, replace: Replace) {
        self.enter(at, inode, replace)
            .expect("`may_enter` was asked");
        self.files.insert(inode, file);
    }

    /// A directory was made.
    pub fn made_directory(&mut self, at: &Entry, dir: InodeId) {
        self.enter(at, dir, Replace::Never)
            .expect("`may_enter` was asked");
        self.directories.insert(dir, Directory::default());
    }

    /// Removes an empty directory, which becomes an old version.
    pub fn remove_directory(&mut self, at: &Entry) -> Result<(), Refusal> {
        let inode = self.named(at)?;
        if !inode.is_directory() {
            return Err(Refusal::NotDirectory);
        }
        let removed = self.attached(inode)?;
        if !removed.entries.is_empty() {
            return Err(Refusal::NotEmpty);
        }
        removed.removed = true;
        self.attached(at.dir)?.bury(&at.name, true);
        Ok(())
    }

    /// Deletes a file or symlink, which becomes an old version.
    pub fn unlink(&mut self, at: &Entry) -> Result<(), Refusal> {
        if self.named(at)?.is_directory() {
            return Err(Refusal::IsDirectory);
        }
        self.attached(at.dir)?.bury(&at.name, true);
        Ok(())
    }

    /// Renames, within a directory or across two. Directories are moved within theirs only.
    pub fn rename(
        &mut self,
        source: &Entry,
        target: &Entry,
        replace: Replace,
    ) -> Result<(), Refusal> {
        let moved = self.named(source)?;
        if source == target {
            return Ok(());
        }
        let target_dir = self.attached(target.dir)?;
        let known = target_dir.entries.get(&target.name).copied();
        match (replace, known) {
            (Replace::Exchange, None) => return Err(Refusal::NotFound),
            (Replace::Exchange, Some(other)) => {
                target_dir.bury(&target.name, false);
                let source_dir = self.attached(source.dir)?;
                source_dir.bury(&source.name, false);
                source_dir.entries.insert(source.name.clone(), other);
            }
            (Replace::Never, Some(_)) => return Err(Refusal::Exists),
            (Replace::Files, Some(other)) => {
                match (moved.is_directory(), other.is_directory()) {
                    (false, false) => {}
                    (true, true) => return Err(Refusal::NeedsCoordinator),
                    (false, true) => return Err(Refusal::IsDirectory),
                    (true, false) => return Err(Refusal::NotDirectory),
                }
                target_dir.bury(&target.name, true);
                self.attached(source.dir)?.bury(&source.name, false);
            }
            (Replace::Never | Replace::Files, None) => {
                self.attached(source.dir)?.bury(&source.name, false);
            }
        }
        let target_dir = self.attached(target.dir)?;
        target_dir.entries.insert(target.name.clone(), moved);
        Ok(())
    }

    /// Brings an old version of a directory at an index back, under a name in the same directory.
    pub fn undelete(&mut self, at: &Entry, index: usize, replace: Replace) -> Result<(), Refusal> {
        let known = self.directories.get(&at.dir).ok_or(Refusal::NotFound)?;
        let old = known.old.get(index).ok_or(Refusal::NoSnapshot)?.clone();
        if old.inode.is_directory() {
            self.undelete_directory(at, &old)?;
        } else {
            self.attached(at.dir)?;
            if !old.owned {
                return Err(Refusal::NoSnapshot);
            }
            self.enter(at, old.inode, replace)?;
        }
        self.attached(at.dir)?.old.remove(index);
        Ok(())
    }

    /// The name must be free.
    fn undelete_directory(&mut self, at: &Entry, old: &OldVersion) -> Result<(), Refusal> {
        match self.directories.get(&old.inode) {
            None => return Err(Refusal::NotFound),
            Some(directory) if !directory.removed => return Err(Refusal::NoSnapshot),
            Some(_) => {}
        }
        self.may_enter(at, Replace::Never)?;
        if !old.owned {
            return Err(Refusal::NoSnapshot);
        }
        self.enter(at, old.inode, Replace::Never)?;
        if let Some(directory) = self.directories.get_mut(&old.inode) {
            directory.removed = false;
        }
        Ok(())
    }

    /// Collects the old version of a directory at an index, with what it owns.
    pub fn collect(&mut self, dir: InodeId, index: usize) -> Result<(), Refusal> {
        let directory = self.directories.get(&dir).ok_or(Refusal::NotFound)?;
        let old = directory.old.get(index).ok_or(Refusal::NoSnapshot)?.clone();
        if old.owned && old.inode.is_directory() {
            let owned = self.directories.get(&old.inode);
            if owned.is_some_and(|owned| !owned.old.is_empty()) {
                return Err(Refusal::NotEmpty);
            }
            self.forget(old.inode);
        } else if old.owned {
            self.forget(old.inode);
        }
        if let Some(directory) = self.directories.get_mut(&dir) {
            directory.old.remove(index);
        }
        Ok(())
    }
}

impl Directory {
    fn bury(&mut self, name: &Name, owned: bool) {
        if let Some(inode) = self.entries.remove(name) {
            let name = name.clone();
            self.old.push(OldVersion { name, inode, owned });
        }
    }
}
