//! What the coordinator does with a shard, step by step.

use super::{NEW, Outcome, Run};
use crate::cluster::SHARD;
use eggs_model::Entry;
use eggs_proto::shard::{
    DirectoryOutcome, LockPurpose, ReleaseAction, Replace, ShardChange as C, ShardReply,
};
use eggs_proto::{InodeId, InodeKind, Refusal, TransactionId};

impl Run {
    pub(super) fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        TransactionId(self.transactions)
    }

    pub(super) fn lock(
        &mut self,
        at: &Entry,
        purpose: LockPurpose,
    ) -> Result<Option<InodeId>, Refusal> {
        let transaction = TransactionId(self.transactions);
        let lock = C::LockDentry {
            dir: at.dir,
            name: at.name.clone(),
            purpose,
            transaction,
        };
        match self.cluster.change(lock)? {
            ShardReply::DentryLocked { inode } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    /// Twice: a repeat must be fine.
    pub(super) fn release(&mut self, at: &Entry, action: ReleaseAction) {
        for _ in 0..2 {
            let release = C::ReleaseDentry {
                dir: at.dir,
                name: at.name.clone(),
                action,
                transaction: TransactionId(self.transactions),
            };
            assert_eq!(self.change(release), Ok(()));
        }
    }

    /// As the coordinator moves a file, both directories being on this shard.
    pub(super) fn move_file(&mut self, source: Entry, target: Entry) -> (Outcome, Outcome) {
        if source == target {
            return (Ok(()), Ok(()));
        }
        self.transaction();
        let moved = match self.lock(&source, LockPurpose::Source { expected: None }) {
            Ok(moved) => moved.unwrap(),
            Err(refusal) => {
                let expected = self.model.rename(&source, &target, Replace::Files);
                return (Err(refusal), expected);
            }
        };
        let purpose = LockPurpose::Target {
            replace: Replace::Files,
            kind: moved.kind(),
        };
        let locked = self.lock(&target, purpose);
        let replaced = match &locked {
            Ok(replaced) => *replaced,
            Err(_) => None,
        };
        // Moving directories needs the coordinator's parent map: given up here, as is what the model refuses.
        if moved.is_directory() || replaced.is_some_and(InodeId::is_directory) {
            if locked.is_ok() {
                self.release(&target, ReleaseAction::Keep);
            }
            self.release(&source, ReleaseAction::Keep);
            return (Ok(()), Ok(()));
        }
        let expected = self.model.rename(&source, &target, Replace::Files);
        match locked {
            Err(refusal) => {
                self.release(&source, ReleaseAction::Keep);
                (Err(refusal), expected)
            }
            Ok(_) => {
                self.release(&target, ReleaseAction::Set { inode: moved });
                self.release(&source, ReleaseAction::RemoveMoved);
                (Ok(()), expected)
            }
        }
    }

    /// As the coordinator makes a directory.
    pub(super) fn make_directory(&mut self, at: Entry) -> (Outcome, Outcome) {
        let expected = self.model.may_enter(&at, Replace::Never);
        let transaction = self.transaction();
        let dir = InodeId::new(InodeKind::Directory, SHARD, self.transactions);
        let create = C::CreateDirectory {
            dir,
            parent: at.dir,
            attributes: NEW,
            transaction,
        };
        assert_eq!(self.change(create.clone()), Ok(()));
        assert_eq!(self.change(create), Ok(()));
        let linked = self.change(C::LinkDirectory {
            parent: at.dir,
            name: at.name.clone(),
            dir,
            transaction,
        });
        match &linked {
            Ok(()) => self.model.made_directory(&at, dir),
            Err(_) => {
                let abandon = C::AbandonDirectory { dir, transaction };
                assert_eq!(self.change(abandon), Ok(()));
            }
        }
        (linked, expected)
    }

    /// As the coordinator removes a directory.
    pub(super) fn remove_directory(&mut self, at: Entry) -> (Outcome, Outcome) {
        let expected = self.model.remove_directory(&at);
        let transaction = self.transaction();
        let dir = match self.lock(&at, LockPurpose::Source { expected: None }) {
            Ok(inode) => inode.unwrap(),
            Err(refusal) => return (Err(refusal), expected),
        };
        let detached = if dir.is_directory() {
            self.change(C::DetachDirectory { dir, transaction })
        } else {
            Err(Refusal::NotDirectory)
        };
        match &detached {
            Ok(()) => {
                let outcome = DirectoryOutcome::Removed;
                let settle = C::SettleDirectory {
                    dir,
                    outcome,
                    transaction,
                };
                assert_eq!(self.change(settle), Ok(()));
                self.release(&at, ReleaseAction::RemoveDeleted);
            }
            Err(_) => self.release(&at, ReleaseAction::Keep),
        }
        (detached, expected)
    }
}
