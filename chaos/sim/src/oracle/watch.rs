//! Commands as they are committed.

use eggs_cdc::{CdcCommand, NextStep, next_step};
use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply, Snapshot};
use eggs_proto::{GroupId, RequestId, Time};
use eggs_shard::QueryContext;

use crate::coverage::{DIED, label};
use crate::group::{Known, Proposal};
use crate::world::World;

/// What is noted before a command is applied.
pub(crate) struct Before {
    pub log_time: Time,
    /// The step of the transaction that the command is about.
    pub step: Option<NextStep>,
    /// The snapshot that the command is about.
    pub snapshot: Option<Snapshot>,
}

impl World {
    /// Called before a command is applied.
    pub(crate) fn watch_before(&mut self, id: GroupId, proposal: &Proposal) -> Before {
        let group = self.group(id);
        let mut before = Before {
            log_time: group.log_time(),
            step: None,
            snapshot: None,
        };
        match &proposal.known {
            Known::Cdc(CdcCommand::StepDone { transaction, .. }) => {
                before.step = next_step(&group.state, *transaction).ok().flatten();
            }
            Known::Shard { change, .. } => {
                before.snapshot = snapshot_of(id, &group.state, change);
            }
            Known::Cdc(
                CdcCommand::Begin { .. }
                | CdcCommand::RepairParent { .. }
                | CdcCommand::Refuse { .. },
            )
            | Known::Registry(_) => {}
        }
        before
    }

    /// Called after a command was applied.
    pub(crate) fn watch_after(
        &mut self,
        id: GroupId,
        proposal: &Proposal,
        before: &Before,
        reply: &[u8],
    ) {
        let now = self.group(id).log_time();
        if let Some(request) = proposal.command.header.request
            && !self.is_first(id, request, reply)
        {
            self.coverage.hit("a change came again");
            if now != before.log_time {
                self.violate(|| format!("{id}: a repeated change moved time to {now}"));
            }
            return;
        }
        if now <= before.log_time {
            let was = before.log_time;
            self.violate(|| format!("{id}: time went from {was} to {now}"));
        }
        match (&proposal.known, id.shard()) {
            (Known::Shard { change, .. }, Some(shard)) => {
                self.watch_shard(shard, change, before, now, reply);
            }
            (Known::Cdc(command), _) => self.watch_transaction(command, before, reply),
            (Known::Registry(command), _) => self.watch_registry(command, reply),
            (Known::Shard { .. }, None) => {
                self.violate(|| format!("{id} was asked to change a shard"));
            }
        }
    }

    /// Whether a change is answered for the first time. A repeat must get the same answer.
    fn is_first(&mut self, id: GroupId, request: RequestId, reply: &[u8]) -> bool {
        let known = self.oracle.answers.entry((id, request));
        match known {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(reply.to_vec());
                true
            }
            std::collections::btree_map::Entry::Occupied(known) => {
                if known.get() != reply {
                    self.violate(|| format!("{id}: {request:?} was answered in two ways"));
                }
                false
            }
        }
    }

    /// Notes on which steps a dying coordinator was.
    pub(crate) fn note_interrupted_steps(&mut self, node: eggs_proto::NodeId) {
        let leads = self.processes.get(&node);
        if !leads.is_some_and(|p| p.up && p.leads(GroupId::CDC, self.now_us)) {
            return;
        }
        let steps = eggs_cdc::pending(&self.group(GroupId::CDC).state, None, usize::MAX);
        for step in steps.unwrap_or_default() {
            let what = self
                .oracle
                .transactions
                .get(&step.transaction)
                .map_or_else(String::new, |known| label(&known.operation));
            let step = step_label(&step.change);
            self.coverage.hit(format!("{DIED}{what} at {step}"));
        }
    }
}

/// A step in words.
pub(crate) fn step_label(change: &ShardChange) -> String {
    match change {
        ShardChange::LockDentry { purpose, .. } => format!("Lock{}", label(purpose)),
        ShardChange::ReleaseDentry { action, .. } => format!("Release{}", label(action)),
        ShardChange::SettleDirectory { outcome, .. } => format!("Settle{}", label(outcome)),
        other => label(other),
    }
}

/// The snapshot that a change is going to collect.
fn snapshot_of(
    id: GroupId,
    state: &eggs_machine::MemoryStore,
    change: &ShardChange,
) -> Option<Snapshot> {
    let ShardChange::CollectSnapshot { dir, key, .. } = change else {
        return None;
    };
    let context = QueryContext {
        keys: &|_| None,
        origin: eggs_proto::hello::PeerRole::Server,
        now: Time(0),
    };
    let query = ShardQuery::Snapshots {
        dir: *dir,
        after: None,
        limit: eggs_proto::LIST_ENTRIES_MAX,
    };
    match eggs_shard::query(id.shard()?, state, &context, &query) {
        Ok(Ok(ShardReply::Snapshots { snapshots, .. })) => {
            snapshots.into_iter().find(|snapshot| snapshot.key == *key)
        }
        Ok(_) | Err(_) => None,
    }
}
