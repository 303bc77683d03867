//! A replica that has left its group gives back the space that it takes.
//!
//! When a group moves to another process, the one that it leaves has a state that nobody asks for any more, and which would fill its disk for
//! ever. After a while the rows of the state go, and the log up to where they were. What consensus has promised stays as it was, the vote, the end
//! of the log and the members: whoever asks for a vote with a log that is older than the group's last change of members hears what it would have heard.
//!
//! Such a replica is *hollow*. If its group comes back, the entries after its log would meet rows that are not there. So it takes none, and says that
//! it needs a checkpoint. Its leader may still have all of the log, and would send that: it purges what all voters have.
//!
//! **Invariant:** a hollow replica acknowledges no entry, applies none, leads nobody and is read by nobody, until a checkpoint has filled it.
//! **Invariant:** no entries are on their way into a replica when it becomes hollow, and its state is the one that was looked at.
//! **Invariant:** what a replica had acknowledged before it became hollow is needed by nobody: the members of whom it is none were
//! decided by a majority of those who have it all, and nothing that came later was acknowledged by it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use eggs_proto::registry::SpaceLevel;
use eggs_proto::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::group::Group;
use crate::keeper::{EAGER, Ends};
use crate::kv::{Bug, planted};
use crate::members::Members;
use crate::node::Shared;
use crate::types::LogId;

/// Whether a replica is hollow, and whether one of its followers is. One for each replica; clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Hollow {
    itself: Arc<AtomicBool>,
    /// Messages with entries that are on their way into the replica.
    taking: Arc<AtomicUsize>,
    follower: Arc<AtomicBool>,
}

/// Entries are being taken as long as this lives.
pub(crate) struct Taking<'a>(&'a Hollow);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.taking.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hollow {
    pub(crate) fn is_set(&self) -> bool {
        self.itself.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, hollow: bool) {
        self.itself.store(hollow, Ordering::SeqCst);
    }

    /// Whether the replica takes entries; if so it does not become hollow before it has.
    pub(crate) fn take(&self) -> Option<Taking<'_>> {
        // Said before looking, as `try_set` does: one of the two sees the other.
        self.taking.fetch_add(1, Ordering::SeqCst);
        let taking = Taking(self);
        (!self.is_set() || planted(Bug::HollowTakesEntries)).then_some(taking)
    }

    /// Makes the replica hollow, unless it is just taking entries.
    pub(crate) fn try_set(&self) -> bool {
        self.set(true);
        let taking = self.taking.load(Ordering::SeqCst) > 0;
        if taking {
            self.set(false);
        }
        !taking
    }

    /// A follower has said that it takes nothing but a checkpoint.
    pub(crate) fn note_follower(&self) {
        self.follower.store(true, Ordering::Relaxed);
    }

    fn take_follower(&self) -> bool {
        self.follower.swap(false, Ordering::Relaxed)
    }
}

/// What a replica knows about whether it takes part.
struct Knowledge {
    node: NodeId,
    /// The newest members that it knows to be decided.
    decided: Members,
    /// The newest members in its log.
    newest: Members,
    /// As of which version others have said that it is no member.
    told: Option<u64>,
}

impl Knowledge {
    /// Whether it is decided that this replica takes no part, and it has heard of nothing later.
    fn has_left(&self) -> bool {
        let Some(newest) = self.newest.version else {
            return false; // it never took part
        };
        let told = |at_least: u64| self.told.is_some_and(|version| version >= at_least);
        let members = &self.newest;
        if members.voters.contains(&self.node) || members.learners.contains(&self.node) {
            return told(newest.saturating_add(1));
        }
        self.decided.version == Some(newest) || told(newest)
    }
}

/// What the keeper remembers of the replicas that have left.
#[derive(Default)]
pub(crate) struct Left {
    since: BTreeMap<GroupId, Instant>,
    /// Those whose rows went, and of whose rows the files of the store are still full.
    to_compact: BTreeSet<GroupId>,
    compacting: Option<JoinHandle<()>>,
}

/// Looks after one replica that has left, or that leads one that came back.
pub(crate) async fn tend(node: &Shared, group: &Group, left: &mut Left) {
    let replica = &group.replica;
    if replica.hollow.is_set() {
        left.since.remove(&group.id());
        return keep_empty(group).await;
    }
    if replica.hollow.take_follower() && group.is_leader() {
        offer_checkpoint(group).await;
    }
    // Nearly all take part.
    if group.is_member() || !has_left(group) {
        left.since.remove(&group.id());
        return;
    }
    let since = *left.since.entry(group.id()).or_insert_with(Instant::now);
    let patience = patience(node);
    if since.elapsed() >= patience && give_away(group, patience).await {
        left.to_compact.insert(group.id());
    }
}

/// Gives the space of one group's rows back to the file system, one after the other.
pub(crate) fn compact(node: &Shared, left: &mut Left) {
    if left.compacting.as_ref().is_some_and(|it| !it.is_finished()) {
        return;
    }
    if let Some(group) = left.to_compact.pop_first() {
        let state = Arc::clone(&node.state);
        left.compacting = Some(tokio::task::spawn_blocking(move || state.compact(group)));
    }
}

/// How long a replica that has left stays as it is.
fn patience(node: &Shared) -> Duration {
    let patience = Duration::from_millis(node.limits.left_kept_ms);
    match node.space.own().level {
        SpaceLevel::Ample => patience,
        SpaceLevel::Low | SpaceLevel::Critical => patience / EAGER as u32,
    }
}

fn has_left(group: &Group) -> bool {
    let metrics = group.replica.raft.metrics();
    let metrics = metrics.borrow_watched();
    let knowledge = Knowledge {
        node: group.replica.node,
        decided: Members::of(&metrics.committed_membership_config),
        newest: Members::of(&metrics.membership_config),
        told: group.replica.left_as_of(),
    };
    metrics.current_leader != Some(group.replica.node.get()) && knowledge.has_left()
}

/// The last applied entry, if nothing was taken from a leader for this long and everything that was decided is applied.
fn quiet_after(group: &Group, patience: Duration) -> Option<LogId> {
    let (_, heard) = group.replica.presence.following();
    let metrics = group.replica.raft.metrics();
    let metrics = metrics.borrow_watched();
    let quiet = heard.is_none_or(|(_, ago)| ago >= patience);
    let settled = metrics.last_applied >= metrics.local_committed;
    metrics.last_applied.filter(|_| quiet && settled)
}

/// Makes a replica hollow, unless it has taken something from a leader lately. Says whether it is now.
async fn give_away(group: &Group, patience: Duration) -> bool {
    let replica = &group.replica;
    if quiet_after(group, patience).is_none() || !replica.hollow.try_set() {
        return false;
    }
    // Whatever was taken before is seen now; from here on nothing is.
    let seen = quiet_after(group, patience).filter(|_| has_left(group));
    let Some(last) = seen else {
        replica.hollow.set(false);
        return false;
    };
    // Only a checkpoint may still come in between: then the state is another one.
    let emptied = replica
        .raft
        .with_state_machine(move |machine| {
            let emptied = machine.give_away(last);
            Box::pin(async move { emptied })
        })
        .await;
    let emptied = matches!(emptied, Ok(true)); // an error means that the group has stopped
    if emptied {
        tracing::info!(group = %group.id(), "this replica has given its state away");
    }
    emptied
}

/// Purges the log of a hollow replica up to where its rows were.
async fn keep_empty(group: &Group) {
    let ends = Ends::of(group);
    let trigger = group.replica.raft.trigger();
    // Errors mean that the group has stopped.
    if ends.checkpoint < ends.applied {
        let _ = trigger.snapshot().await;
    } else if ends.purged < ends.applied {
        let _ = trigger.purge_log(ends.applied - 1).await;
    }
}

/// Leaves those who need it nothing to be sent but a checkpoint: purges what all voters have who are there.
async fn offer_checkpoint(group: &Group) {
    let Some((situation, _)) = group.replica.situation() else {
        return;
    };
    let ends = Ends::of(group);
    let everywhere = situation.everywhere().map_or(0, |index| index + 1);
    let trigger = group.replica.raft.trigger();
    let _ = trigger.snapshot().await;
    if let Some(upto) = everywhere.min(ends.checkpoint).checked_sub(1) {
        let _ = trigger.purge_log(upto).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use eggs_proto::ProcessRole;

    use super::*;

    fn members(version: u64, voters: &[u32], learners: &[u32]) -> Members {
        let nodes = |indexes: &[u32]| -> BTreeSet<NodeId> {
            let node = |index: &u32| NodeId::new(ProcessRole::Shard, *index);
            indexes.iter().map(node).collect()
        };
        Members {
            version: Some(version),
            voters: nodes(voters),
            target: nodes(voters),
            learners: nodes(learners),
        }
    }

    /// Of replica 0.
    fn has_left(decided: Members, newest: Members, told: Option<u64>) -> bool {
        let knowledge = Knowledge {
            node: NodeId::new(ProcessRole::Shard, 0),
            decided,
            newest,
            told,
        };
        knowledge.has_left()
    }

    #[test]
    fn a_replica_has_left_when_it_is_decided_and_nothing_came_later() {
        let with = |version| members(version, &[0, 1, 2], &[]);
        let without = |version| members(version, &[1, 2, 3], &[]);
        let learner = |version| members(version, &[1, 2, 3], &[0]);
        // It knows by itself.
        assert!(has_left(without(9), without(9), None));
        assert!(!has_left(with(5), with(5), None));
        assert!(!has_left(learner(9), learner(9), None));
        assert!(!has_left(Members::default(), Members::default(), Some(9)));
        // It was not told that what its log says is decided.
        assert!(!has_left(with(5), without(9), None));
        assert!(!has_left(with(5), without(9), Some(8)));
        assert!(has_left(with(5), without(9), Some(9)));
        // It was not there when it was decided.
        assert!(has_left(with(5), with(5), Some(9)));
        // It is back, whatever others have said before.
        for told in [None, Some(5), Some(9), Some(12)] {
            assert!(!has_left(without(9), learner(12), told));
            assert!(!has_left(without(9), with(12), told));
        }
        assert!(has_left(without(9), learner(12), Some(13)));
    }
}
