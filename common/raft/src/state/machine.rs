//! One group's state, as openraft sees it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kv::{Bug, WriteBatch, planted};
use eggs_machine::{AppliedEntry, Changes, Entry, Fault, StateMachine, apply_entry};
use eggs_proto::GroupId;
use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};

use super::applying::Applying;
use super::db::Applied;
use super::recent::Slot;
use super::restore::{RestoreRecord, recorded};
use super::{Checkpoint, GroupView, StateDb};
use crate::backup::Digests;
use crate::fatal::Fatal;
use crate::hollow::Hollow;
use crate::members::may_follow;
use crate::order::Order;
use crate::types::{
    LogEntry, LogId, Membership, Replies, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};

/// Members follow from those before, but for openraft's own tests of a store, which apply any in a row.
const CHAINED: bool = cfg!(not(test));

/// Applies one group's entries to the state store.
pub(crate) struct GroupMachine {
    pub(super) group: GroupId,
    pub(super) state: Arc<StateDb>,
    pub(super) machine: Arc<dyn StateMachine>,
    applied: Applied,
    slot: Arc<Slot>,
    side: Side,
}

/// What a replica does besides applying commands.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) fatal: Fatal,
    pub(crate) digests: Arc<Digests>,
    /// Whether the group is being filled from a backup and serves nobody. One for each group.
    pub(crate) restoring: Arc<AtomicBool>,
    pub(crate) hollow: Hollow,
}

impl GroupMachine {
    pub(crate) fn open(
        group: GroupId,
        state: Arc<StateDb>,
        machine: Arc<dyn StateMachine>,
        side: Side,
    ) -> Result<Self, Fault> {
        let applied = state.applied(group)?;
        let opened = Self {
            group,
            slot: state.slot(group),
            state,
            machine,
            applied,
            side,
        };
        opened.side.hollow.set(opened.applied.hollow);
        opened.note_restoring()?;
        Ok(opened)
    }

    /// Looks whether the group is being filled.
    fn note_restoring(&self) -> Result<(), Fault> {
        let view = GroupView::newest(&self.state, self.group);
        let under_way = recorded(&view)?.is_some_and(RestoreRecord::is_under_way);
        self.side.restoring.store(under_way, Ordering::SeqCst);
        Ok(())
    }

    /// Whether nothing was ever applied.
    pub(crate) fn is_pristine(&self) -> bool {
        self.applied.last.is_none()
    }

    /// Index of the last applied entry.
    pub(crate) fn applied_index(&self) -> Option<u64> {
        self.applied.last.map(|id| id.index())
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied.last,
            last_membership: self.applied.members.clone(),
        }
    }

    fn apply_one(&mut self, entry: &LogEntry) -> Result<Replies, Fault> {
        if self.side.hollow.is_set() && !planted(Bug::HollowTakesEntries) {
            let what = "an entry for a state that was given away";
            return Err(Fault::Entry(what.into()));
        }
        let mut replies = Replies::default();
        match &entry.payload {
            EntryPayload::Blank => self.keep(Changes::default(), entry.log_id)?,
            EntryPayload::Normal(proposal) => {
                let damaged = |cause: postcard::Error| Fault::Entry(cause.to_string());
                replies.0 = match Order::decode(proposal) {
                    Some(order) => vec![self.obey(entry.log_id, &order.map_err(damaged)?)?],
                    None => {
                        let commands = postcard::from_bytes(&proposal.0).map_err(damaged)?;
                        let applied = self.apply_commands(&commands)?;
                        self.keep(applied.changes, entry.log_id)?;
                        applied.replies
                    }
                };
            }
            EntryPayload::Membership(members) => self.set_members(entry.log_id, members)?,
        }
        self.applied.last = Some(entry.log_id);
        Ok(replies)
    }

    /// What commands have changed.
    fn keep(&self, changes: Changes, applied: LogId) -> Result<(), Fault> {
        self.state.append(self.group, changes, applied)
    }

    fn set_members(&mut self, applied: LogId, members: &Membership) -> Result<(), Fault> {
        let known = self.applied.members.membership().get_joint_config();
        if CHAINED && !may_follow(known, members.get_joint_config()) {
            let what = "members that share no set of voters with those before";
            return Err(Fault::Entry(what.into()));
        }
        let members = StoredMembership::new(Some(applied), members.clone());
        let mut batch = WriteBatch::default();
        self.state.put_members(&mut batch, self.group, &members)?;
        self.write(batch, applied)?;
        self.applied.members = members;
        Ok(())
    }

    /// Writes what is not a change of rows that commands make.
    fn write(&self, mut batch: WriteBatch, applied: LogId) -> Result<(), Fault> {
        self.state.write_pending(self.group)?;
        self.state.put_applied(&mut batch, self.group, &applied)?;
        self.state.write_around(self.group, batch)
    }

    fn apply_commands(&self, commands: &Entry) -> Result<AppliedEntry, Fault> {
        if self.side.restoring.load(Ordering::SeqCst) {
            // They were on their way when the filling began: nothing happens, on any replica.
            return Ok(AppliedEntry {
                changes: Changes::default(),
                replies: vec![Vec::new(); commands.commands.len()],
            });
        }
        let view = GroupView::newest(&self.state, self.group);
        apply_entry(
            self.machine.as_ref(),
            &Applying::new(&view, &self.slot),
            commands,
        )
    }

    /// Carries out an order and returns the reply.
    fn obey(&self, applied: LogId, order: &Order) -> Result<Vec<u8>, Fault> {
        let mut batch = WriteBatch::default();
        let reply = match order {
            Order::Digest { id } => {
                let digests = &self.side.digests;
                digests.begin(&self.state, (self.group, applied.index()), *id);
                Vec::new()
            }
            Order::RestoreBegin { .. } | Order::RestorePart { .. } | Order::RestoreEnd { .. } => {
                let state = self.restore(&mut batch, order)?;
                postcard::to_stdvec(&state).expect("states always encode")
            }
        };
        self.write(batch, applied)?;
        self.note_restoring()?;
        Ok(reply)
    }

    /// Removes all rows of a replica that was made hollow, if its state is the one after this entry; otherwise it is not hollow any more. Says
    /// whether they are gone.
    pub(crate) fn give_away(&mut self, last: LogId) -> bool {
        if self.applied.last != Some(last) {
            self.side.hollow.set(false);
            return false;
        }
        let done = self.state.give_away(self.group, &last);
        done.map_err(|fault| self.fault(&fault)).is_ok()
    }

    /// A fault stops this replica; a replica that cannot apply is of no use to its process.
    fn fault(&self, fault: &Fault) -> io::Error {
        self.side.fatal.report(format!("{}: {fault}", self.group));
        io::Error::other(fault.to_string())
    }
}

impl RaftStateMachine<TypeConfig> for GroupMachine {
    type SnapshotData = Checkpoint;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied.last, self.applied.members.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let replies = self.apply_one(&entry).map_err(|fault| self.fault(&fault))?;
            if let Some(responder) = responder {
                responder.send(replies);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        Builder {
            state: Arc::clone(&self.state),
            meta: self.meta(),
            fatal: self.side.fatal.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Checkpoint,
    ) -> Result<(), io::Error> {
        let applied = Applied {
            last: meta.last_log_id,
            members: meta.last_membership.clone(),
            hollow: false,
        };
        let (state, group, new) = (Arc::clone(&self.state), self.group, applied.clone());
        let installed = tokio::task::spawn_blocking(move || match snapshot {
            Checkpoint::Staged(staged) => state.install(group, &staged, &new),
            Checkpoint::Live(source) if Arc::ptr_eq(&source, &state) => Ok(()), // it is here
            Checkpoint::Live(source) => {
                let staged = source.stage(group, state.staging.join(group.0.to_string()))?;
                state.install(group, &staged, &new)
            }
        })
        .await;
        match installed {
            Ok(Ok(())) => {
                self.applied = applied;
                self.side.hollow.set(false);
                self.note_restoring().map_err(|fault| self.fault(&fault))
            }
            Ok(Err(fault)) => Err(self.fault(&fault)),
            Err(cause) => Err(self.fault(&Fault::Store(cause.to_string()))),
        }
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.applied.last.is_some().then(|| Snapshot {
            meta: self.meta(),
            snapshot: Checkpoint::Live(Arc::clone(&self.state)),
        }))
    }
}

/// Makes what is applied durable, so that the log up to there may be purged.
pub(crate) struct Builder {
    state: Arc<StateDb>,
    meta: SnapshotMeta,
    fatal: Fatal,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Checkpoint;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        if let Err(fault) = self.state.flush().await {
            self.fatal.report(format!("flush of the state: {fault}"));
            return Err(io::Error::other(fault.to_string()));
        }
        Ok(Snapshot {
            meta: self.meta.clone(),
            snapshot: Checkpoint::Live(Arc::clone(&self.state)),
        })
    }
}
