//! Runs operations on the shard and on the model.

mod attributes;
mod healing;
mod transactions;
mod writing;

use crate::cluster::{Cluster, SHARD, key_of};
use crate::compare::{compare, snapshots};
use crate::operation::Operation;
use eggs_model::{Entry, File, Model, Piece};
use eggs_proto::shard::{
    DirectoryOutcome, ErasedBlock, PlacedBlock, Replace, ShardChange as C, ShardReply, Snapshot,
};
use eggs_proto::{
    BlockId, Cookie, InodeId, InodeKind, Name, NewAttributes, Refusal, Scheme, Statement,
};
use std::collections::{BTreeMap, BTreeSet};

pub const NEW: NewAttributes = NewAttributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};
const SCHEME: Scheme = Scheme { data: 2, parity: 2 };

type Outcome = Result<(), Refusal>;

/// Both systems, side by side.
pub struct Run {
    cluster: Cluster,
    model: Model,
    cookies: BTreeMap<InodeId, Cookie>,
    /// Blocks of extents that were not certified yet, by file and offset.
    unproved: BTreeMap<(InodeId, u64), Vec<PlacedBlock>>,
    /// Every block that was ever named; all must be erased in the end.
    placed: BTreeSet<BlockId>,
    /// Transactions so far; also numbers directories.
    transactions: u64,
    accepted: BTreeMap<&'static str, usize>,
}

impl Run {
    pub fn new() -> Self {
        Self {
            cluster: Cluster::new(),
            model: Model::default(),
            cookies: BTreeMap::new(),
            unproved: BTreeMap::new(),
            placed: BTreeSet::new(),
            transactions: 0,
            accepted: BTreeMap::new(),
        }
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn accepted(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.accepted.iter().map(|(label, times)| (*label, *times))
    }

    /// Does the same on both; panics where they differ.
    pub fn perform(&mut self, operation: &Operation) {
        let (real, expected) = self.both(operation);
        assert_eq!(real, expected, "{operation:?}");
        compare(&self.cluster, &self.model);
        if real.is_ok() {
            *self.accepted.entry(operation.label()).or_default() += 1;
        } else {
            self.accepted.entry(operation.label()).or_default();
        }
    }

    fn dir(&self, index: usize) -> InodeId {
        let dirs: Vec<_> = self.model.directories.keys().collect();
        *dirs[index % dirs.len()]
    }

    fn entry(&self, dir: usize, name: &Name) -> Entry {
        Entry {
            dir: self.dir(dir),
            name: name.clone(),
        }
    }

    /// Any file that was ever started.
    fn file(&self, index: usize) -> (InodeId, Cookie) {
        let missing = InodeId::new(InodeKind::File, SHARD, 1 << 40);
        let recent: Vec<_> = self.cookies.iter().rev().take(4).collect();
        match recent.get(index % recent.len().max(1)) {
            Some((file, cookie)) => (**file, **cookie),
            None => (missing, Cookie(0)),
        }
    }

    fn both(&mut self, operation: &Operation) -> (Outcome, Outcome) {
        match operation {
            Operation::Start { dir } => self.start(self.dir(*dir)),
            Operation::StartWithExtent { dir, kind } => {
                self.start_with_extent(self.dir(*dir), *kind)
            }
            Operation::ProveAndLink {
                file,
                dir,
                name,
                replace,
            } => self.prove_and_link(self.file(*file), self.entry(*dir, name), *replace),
            Operation::Append { file, kind } => self.append(self.file(*file), *kind),
            Operation::Prove { file } => self.prove(self.file(*file)),
            Operation::Scrap { file } => self.scrap(self.file(*file)),
            Operation::Link {
                file,
                dir,
                name,
                replace,
            } => self.link(self.file(*file), self.entry(*dir, name), *replace),
            Operation::Create {
                dir,
                name,
                replace,
                bytes,
            } => self.create(self.entry(*dir, name), *replace, vec![7; *bytes]),
            Operation::Symlink { dir, name } => self.symlink(self.entry(*dir, name)),
            Operation::Unlink { dir, name } => self.unlink(self.entry(*dir, name)),
            Operation::Rename {
                dir,
                source,
                target,
                replace,
            } => self.rename(self.entry(*dir, source), self.entry(*dir, target), *replace),
            Operation::MoveFile {
                dirs,
                source,
                target,
            } => self.move_file(self.entry(dirs.0, source), self.entry(dirs.1, target)),
            Operation::MakeDirectory { dir, name } => self.make_directory(self.entry(*dir, name)),
            Operation::RemoveDirectory { dir, name } => {
                self.remove_directory(self.entry(*dir, name))
            }
            Operation::Collect { dir, index } => self.collect(self.dir(*dir), *index),
            Operation::Undelete {
                dir,
                index,
                name,
                replace,
            } => self.undelete(&self.entry(*dir, name), *index, *replace),
            Operation::SetXattr {
                inode,
                name,
                bytes,
                mode,
            } => self.set_xattr(self.inode(*inode), name, vec![3; *bytes], *mode),
            Operation::RemoveXattr { inode, name } => self.remove_xattr(self.inode(*inode), name),
            Operation::SetMode { inode, mode } => self.set_mode(self.inode(*inode), *mode),
            Operation::SetPolicy { dir, policy } => self.set_policy(self.dir(*dir), policy),
            Operation::ClearPolicy { dir, kind } => self.clear_policy(self.dir(*dir), *kind),
            Operation::Heal { file, which } => (self.heal(*file, *which), Ok(())),
            Operation::Report { forgotten } => (self.report(*forgotten), Ok(())),
        }
    }

    /// Any directory or file, or one that does not exist.
    fn inode(&self, index: usize) -> InodeId {
        let missing = InodeId::new(InodeKind::File, SHARD, 1 << 40);
        let known = self.model.directories.keys().chain(self.model.files.keys());
        let all: Vec<InodeId> = known.copied().chain([missing]).collect();
        all[index % all.len()]
    }

    fn change(&mut self, change: C) -> Outcome {
        self.cluster.change(change).map(|_| ())
    }

    fn linked(&mut self, change: C) -> Result<InodeId, Refusal> {
        match self.cluster.change(change)? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, at: Entry, replace: Replace, content: Vec<u8>) -> (Outcome, Outcome) {
        let expected = self.model.may_enter(&at, replace);
        let pieces = match content.as_slice() {
            [] => Vec::new(),
            bytes => vec![Piece::Bytes(bytes.to_vec())],
        };
        let made = match content.len() % 2 {
            0 => self.linked(C::CreateFile {
                dir: at.dir,
                name: at.name.clone(),
                replace,
                attributes: NEW,
                content,
            }),
            _ => self.create_reserved(&at, replace, content),
        };
        let file = File::Linked(pieces);
        let real = made.map(|inode| self.model.created(&at, inode, file, replace));
        (real, expected)
    }

    /// As a mount does it: the inode first, everything else later. What was refused is given up.
    fn create_reserved(
        &mut self,
        at: &Entry,
        replace: Replace,
        content: Vec<u8>,
    ) -> Result<InodeId, Refusal> {
        let reserve = C::Reserve {
            dir: InodeId::ROOT,
            count: 1,
        };
        let (file, cookie) = match self.cluster.change(reserve)? {
            ShardReply::Reserved(files) => files[0],
            other => panic!("{other:?}"),
        };
        let made = self.linked(C::CreateReserved {
            file,
            cookie,
            dir: at.dir,
            name: at.name.clone(),
            replace,
            attributes: NEW,
            content,
        });
        if made.is_err() {
            self.cluster.change(C::Scrap { file, cookie }).unwrap();
            self.destroy(file);
        }
        made
    }

    fn symlink(&mut self, at: Entry) -> (Outcome, Outcome) {
        let expected = self.model.may_enter(&at, Replace::Never);
        let target = b"target".to_vec();
        let made = self.linked(C::Symlink {
            dir: at.dir,
            name: at.name.clone(),
            target: target.clone(),
            attributes: NEW,
        });
        let file = File::Symlink(target);
        let real = made.map(|inode| self.model.created(&at, inode, file, Replace::Never));
        (real, expected)
    }

    fn unlink(&mut self, at: Entry) -> (Outcome, Outcome) {
        let expected = self.model.unlink(&at);
        let real = self.change(C::Unlink {
            dir: at.dir,
            name: at.name,
            expected: None,
        });
        (real, expected)
    }

    fn rename(&mut self, source: Entry, target: Entry, replace: Replace) -> (Outcome, Outcome) {
        let expected = self.model.rename(&source, &target, replace);
        let real = self.change(C::Rename {
            dir: source.dir,
            source: source.name,
            target: target.name,
            replace,
        });
        (real, expected)
    }

    /// The snapshot of an old version of the model, whose index is wrapped around; `None` if there is none at all.
    fn snapshot(&self, dir: InodeId, index: usize) -> Option<(usize, Snapshot)> {
        let old = &self.model.directories[&dir].old;
        let index = index.checked_rem(old.len())?;
        let wanted = &old[index];
        // The model keeps them by age; of several alike take the oldest, as it does.
        let alike = old[..index].iter().filter(|other| *other == wanted).count();
        let found = snapshots(&self.cluster, dir).unwrap();
        let mut found = found.into_iter().filter(|snapshot| {
            snapshot.key.name == wanted.name
                && snapshot.inode == wanted.inode
                && snapshot.owned == wanted.owned
        });
        found.nth(alike).map(|snapshot| (index, snapshot))
    }

    /// As a client brings a file back, or the coordinator a directory.
    fn undelete(&mut self, at: &Entry, index: usize, replace: Replace) -> (Outcome, Outcome) {
        let Some((index, snapshot)) = self.snapshot(at.dir, index) else {
            return (
                Err(Refusal::NoSnapshot),
                self.model.undelete(at, index, replace),
            );
        };
        let expected = self.model.undelete(at, index, replace);
        let (dir, name) = (at.dir, at.name.clone());
        let Snapshot { key, inode, .. } = snapshot;
        if !inode.is_directory() {
            let real = self.change(C::Undelete {
                dir,
                key,
                inode,
                name,
                replace,
            });
            return (real, expected);
        }
        let transaction = self.transaction();
        let revived = self.change(C::ReviveDirectory {
            dir: inode,
            transaction,
        });
        if revived.is_err() {
            return (revived, expected);
        }
        let locked = self.change(C::LockVersion {
            dir,
            name: name.clone(),
            key: key.clone(),
            inode,
            transaction,
        });
        let outcome = match &locked {
            Ok(()) => DirectoryOutcome::Moved { parent: dir },
            Err(_) => DirectoryOutcome::Removed,
        };
        let settle = C::SettleDirectory {
            dir: inode,
            outcome,
            transaction,
        };
        assert_eq!(self.change(settle), Ok(()));
        if locked.is_ok() {
            let restore = C::RestoreDentry {
                dir,
                name,
                key,
                inode,
                transaction,
            };
            assert_eq!(self.change(restore), Ok(()));
        }
        (locked, expected)
    }

    /// As the collector collects.
    fn collect(&mut self, dir: InodeId, index: usize) -> (Outcome, Outcome) {
        let Some((index, snapshot)) = self.snapshot(dir, index) else {
            return (Err(Refusal::NoSnapshot), self.model.collect(dir, index));
        };
        let expected = self.model.collect(dir, index);
        if snapshot.owned && snapshot.inode.is_directory() {
            let removed = self.change(C::RemoveDirectory {
                dir: snapshot.inode,
            });
            if let Err(refusal) = removed {
                return (Err(refusal), expected);
            }
        }
        if snapshot.owned && index.is_multiple_of(2) {
            let (key, inode) = (snapshot.key.clone(), snapshot.inode);
            let marked = self.change(C::BeginCollect { dir, key, inode });
            assert_eq!(marked, Ok(())); // as if the file were on another shard
        }
        let real = self.change(C::CollectSnapshot {
            dir,
            key: snapshot.key,
            inode: snapshot.inode,
        });
        if real.is_ok() && snapshot.owned && !snapshot.inode.is_directory() {
            self.destroy(snapshot.inode);
        }
        (real, expected)
    }

    /// Removes, collects and erases everything; nothing may be left.
    pub fn delete_everything(&mut self) {
        self.settle_totals();
        while let Some((file, cookie)) = self.any_transient() {
            let (real, expected) = self.scrap((file, cookie));
            assert_eq!((real, expected), (Ok(()), Ok(())));
        }
        while self.remove_one() {}
        while let Some((dir, index)) = self.any_collectable() {
            let (real, expected) = self.collect(dir, index);
            assert_eq!((real, expected), (Ok(()), Ok(())));
        }
        compare(&self.cluster, &self.model);
        let erased = self.cluster.garbage().into_iter().map(|block| {
            let key = key_of(block.facts.service).unwrap();
            let certificate = block.certificate.unwrap();
            let may_erase = Statement::MayErase(block.write_expiry);
            assert!(key.verify(may_erase, &block.facts, &certificate));
            ErasedBlock {
                block: block.facts.block,
                proof: key.sign(Statement::Erased, &block.facts),
            }
        });
        let erased: Vec<_> = erased.collect();
        let blocks: BTreeSet<_> = erased.iter().map(|block| block.block).collect();
        assert_eq!(blocks, self.placed, "blocks leaked");
        assert_eq!(self.change(C::GarbageErased { erased }), Ok(()));
        let usage = self.cluster.usage();
        assert_eq!(
            (usage.files, usage.directories, usage.transients),
            (0, 1, 0)
        );
        assert_eq!((usage.bytes, usage.physical_bytes), (0, 0));
        assert_eq!(usage.garbage_blocks, 0);
    }

    fn any_transient(&self) -> Option<(InodeId, Cookie)> {
        let transient = |(id, file): (&InodeId, &File)| match file {
            File::Transient { .. } => Some(*id),
            File::Linked(_) | File::Symlink(_) => None,
        };
        let file = self.model.files.iter().find_map(transient)?;
        Some((file, self.cookies[&file]))
    }

    /// Removes one name, if one can be removed.
    fn remove_one(&mut self) -> bool {
        let entries = self.model.directories.iter().flat_map(|(dir, directory)| {
            let entry = |(name, inode): (&Name, &InodeId)| {
                let name = name.clone();
                (Entry { dir: *dir, name }, *inode)
            };
            directory.entries.iter().map(entry)
        });
        let entries: Vec<_> = entries.collect();
        for (at, inode) in entries {
            let (real, expected) = if inode.is_directory() {
                self.remove_directory(at)
            } else {
                self.unlink(at)
            };
            assert_eq!(real, expected);
            if real.is_ok() {
                return true;
            }
        }
        false
    }

    /// An old version that does not own a directory with old versions in it.
    fn any_collectable(&self) -> Option<(InodeId, usize)> {
        let mut all = self.model.directories.iter().flat_map(|(dir, directory)| {
            let old = directory.old.iter().enumerate();
            old.map(move |(index, version)| (*dir, index, version))
        });
        all.find(|(_, _, version)| {
            let owned = self.model.directories.get(&version.inode);
            !version.owned || owned.is_none_or(|directory| directory.old.is_empty())
        })
        .map(|(dir, index, _)| (dir, index))
    }
}
