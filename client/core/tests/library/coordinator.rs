//! A coordinator that runs one transaction at a time, straight on the shards.

use std::collections::HashMap;
use std::sync::Mutex;

use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    DirectoryOutcome, LockPurpose, ReleaseAction, Replace, ShardChange, ShardReply,
};
use eggs_proto::{InodeId, InodeKind, Refusal, RequestId, ShardId, TransactionId};

use crate::shards::{Answer, Shards};

#[derive(Default)]
pub struct Coordinator {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    transactions: u64,
    replies: HashMap<RequestId, Result<CdcReply, Refusal>>,
}

impl Coordinator {
    pub fn answer(&self, shards: &Shards, request: CdcRequest) -> Result<CdcReply, Refusal> {
        let mut state = self.state.lock().unwrap();
        let CdcRequest::Run { id, operation } = request else {
            return Ok(CdcReply::Status {
                running: Vec::new(),
                finished: state.transactions,
            });
        };
        if let Some(known) = state.replies.get(&id) {
            return known.clone();
        }
        state.transactions += 1;
        let run = Run {
            shards,
            transaction: TransactionId(state.transactions),
        };
        let reply = run.operation(operation);
        state.replies.insert(id, reply.clone());
        reply
    }
}

struct Run<'a> {
    shards: &'a Shards,
    transaction: TransactionId,
}

impl Run<'_> {
    fn step(&self, at: InodeId, change: ShardChange) -> Answer {
        self.shards
            .change(at.shard(), PeerRole::Server, None, change)
    }

    fn operation(&self, operation: CdcOperation) -> Result<CdcReply, Refusal> {
        let transaction = self.transaction;
        match operation {
            CdcOperation::MakeDirectory { entry, attributes } => {
                let number = transaction.0;
                let dir = InodeId::new(InodeKind::Directory, ShardId((number * 37) as u8), number);
                let parent = entry.dir;
                self.step(
                    dir,
                    ShardChange::CreateDirectory {
                        dir,
                        parent,
                        attributes,
                        transaction,
                    },
                )?;
                let name = entry.name;
                let link = ShardChange::LinkDirectory {
                    parent,
                    name,
                    dir,
                    transaction,
                };
                if let Err(refusal) = self.step(parent, link) {
                    self.step(dir, ShardChange::AbandonDirectory { dir, transaction })?;
                    return Err(refusal);
                }
                Ok(CdcReply::Made { dir })
            }
            CdcOperation::RemoveDirectory { entry } => {
                let purpose = LockPurpose::Source { expected: None };
                let lock = self.lock(&entry, purpose)?.ok_or(Refusal::NotFound)?;
                let detach = ShardChange::DetachDirectory {
                    dir: lock,
                    transaction,
                };
                if let Err(refusal) = self.step(lock, detach) {
                    self.release(&entry, ReleaseAction::Keep)?;
                    return Err(refusal);
                }
                let outcome = DirectoryOutcome::Removed;
                self.step(
                    lock,
                    ShardChange::SettleDirectory {
                        dir: lock,
                        outcome,
                        transaction,
                    },
                )?;
                self.release(&entry, ReleaseAction::RemoveDeleted)?;
                Ok(CdcReply::Done)
            }
            CdcOperation::Rename {
                source,
                target,
                replace,
            } => {
                let purpose = LockPurpose::Source { expected: None };
                let inode = self.lock(&source, purpose)?.ok_or(Refusal::NotFound)?;
                let kind = inode.kind();
                if let Err(refusal) = self.lock(&target, LockPurpose::Target { replace, kind }) {
                    self.release(&source, ReleaseAction::Keep)?;
                    return Err(refusal);
                }
                let purpose = LockPurpose::Source { expected: None };
                let other = self.lock(&target, purpose)?; // again: we hold it
                self.release(&target, ReleaseAction::Set { inode })?;
                for (moved, parent) in [(Some(inode), target.dir), (other, source.dir)] {
                    if let Some(dir) = moved.filter(|moved| moved.is_directory())
                        && (dir == inode || replace == Replace::Exchange)
                    {
                        let outcome = DirectoryOutcome::Moved { parent };
                        self.step(
                            dir,
                            ShardChange::SettleDirectory {
                                dir,
                                outcome,
                                transaction,
                            },
                        )?;
                    }
                }
                let action = match (replace, other) {
                    (Replace::Exchange, Some(inode)) => ReleaseAction::Set { inode },
                    (Replace::Exchange | Replace::Files | Replace::Never, _) => {
                        ReleaseAction::RemoveMoved
                    }
                };
                self.release(&source, action)?;
                Ok(CdcReply::Done)
            }
            CdcOperation::UndeleteDirectory { entry, key, inode } => {
                let dir = inode;
                self.step(dir, ShardChange::ReviveDirectory { dir, transaction })?;
                let lock = ShardChange::LockVersion {
                    dir: entry.dir,
                    name: entry.name.clone(),
                    key: key.clone(),
                    inode,
                    transaction,
                };
                let locked = self.step(entry.dir, lock);
                let parent = entry.dir;
                let outcome = match &locked {
                    Ok(_) => DirectoryOutcome::Moved { parent },
                    Err(_) => DirectoryOutcome::Removed,
                };
                let settle = ShardChange::SettleDirectory {
                    dir,
                    outcome,
                    transaction,
                };
                self.step(dir, settle)?;
                locked?;
                let restore = ShardChange::RestoreDentry {
                    dir: entry.dir,
                    name: entry.name,
                    key,
                    inode,
                    transaction,
                };
                self.step(parent, restore)?;
                Ok(CdcReply::Done)
            }
        }
    }

    fn lock(
        &self,
        entry: &eggs_proto::cdc::EntryName,
        purpose: LockPurpose,
    ) -> Result<Option<InodeId>, Refusal> {
        let lock = ShardChange::LockDentry {
            dir: entry.dir,
            name: entry.name.clone(),
            purpose,
            transaction: self.transaction,
        };
        match self.step(entry.dir, lock)? {
            ShardReply::DentryLocked { inode } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    fn release(
        &self,
        entry: &eggs_proto::cdc::EntryName,
        action: ReleaseAction,
    ) -> Result<(), Refusal> {
        let release = ShardChange::ReleaseDentry {
            dir: entry.dir,
            name: entry.name.clone(),
            action,
            transaction: self.transaction,
        };
        self.step(entry.dir, release).map(|_| ())
    }
}
