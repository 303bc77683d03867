//! What a node does on the side, once a second: checkpoints of long logs, leaders back where they belong, space back from groups that have left,
//! and merging of what is on disk when there is time for it.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use eggs_proto::NodeId;
use eggs_proto::registry::SpaceLevel;
use openraft::async_runtime::WatchReceiver;
use tokio::time::Instant;

use crate::Limits;
use crate::group::Group;
use crate::hollow;
use crate::members::MemberChange;
use crate::node::Shared;
use crate::state::Merging;

const ROUND: Duration = Duration::from_secs(1);
/// A node gets its groups back after its replicas were up to date for this long.
const SETTLED: Duration = Duration::from_secs(10);
/// Leaders that one node hands over per round.
const TRANSFERS_PER_ROUND: usize = 4;
/// Entries that stay when a log is purged because of its size.
const KEPT_WHEN_LARGE: u64 = 64;
/// By how much smaller logs are purged while there is little space.
pub(crate) const EAGER: u64 = 16;

/// Runs until the node is gone.
pub(crate) async fn run(node: Weak<Shared>) {
    let mut settled = BTreeMap::new();
    let mut left = hollow::Left::default();
    let mut merging = Merging::default();
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(node) = node.upgrade() else {
            return;
        };
        let mut away = Vec::new();
        let logs = node.groups.iter().map(|group| group.replica.log.bytes());
        let large_from = large_from(&node.limits, logs);
        for group in &node.groups {
            watch_over(&node, group);
            let ends = Ends::of(group);
            keep_short(&node, group, &ends, large_from).await;
            hollow::tend(&node, group, &mut left).await;
            group.return_if_readmitted();
            if group.is_leader() {
                settle(group);
                // Who is short of space has given its groups away.
                let preferred = group.preferred().filter(|p| {
                    *p != group.replica.node && node.space.is_ample(*p, Instant::now())
                });
                away.extend(preferred.map(|preferred| (group, preferred)));
            }
        }
        hollow::compact(&node, &mut left);
        // It takes space, and writes to a store that has none may stop it.
        if node.space.own().level == SpaceLevel::Ample {
            merging.tend(&node.state);
        }
        hand_back(&away, &mut settled).await;
    }
}

/// A group that has stopped by itself takes its process with it.
fn watch_over(node: &Shared, group: &Group) {
    let metrics = group.replica.raft.metrics();
    if let Err(cause) = &metrics.borrow_watched().running_state
        && !node.is_stopping()
        && !node.fatal.is_set()
    {
        node.fatal
            .report(format!("{} has stopped: {cause}", group.id()));
    }
}

/// How far a replica is: one more than the index of the last entry that is applied, in its checkpoint, and purged.
pub(crate) struct Ends {
    pub(crate) applied: u64,
    pub(crate) checkpoint: u64,
    pub(crate) purged: u64,
}

impl Ends {
    pub(crate) fn of(group: &Group) -> Self {
        let metrics = group.replica.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let next = |id: &Option<crate::types::LogId>| id.map_or(0, |id| id.index() + 1);
        Self {
            applied: next(&metrics.last_applied),
            checkpoint: next(&metrics.snapshot),
            purged: next(&metrics.purged),
        }
    }
}

/// From how many bytes on a log is large, given those of all groups.
fn large_from(limits: &Limits, logs: impl Iterator<Item = u64>) -> u64 {
    let (count, total) = logs.fold((0, 0), |(count, total), bytes| (count + 1, total + bytes));
    let share = limits.logs_bytes / u64::max(count, 1);
    match total > limits.logs_bytes {
        true => share.min(limits.checkpoint_bytes),
        false => limits.checkpoint_bytes,
    }
}

/// Makes a checkpoint when the log has grown; openraft then purges all but the last entries.
async fn keep_short(node: &Shared, group: &Group, ends: &Ends, large_from: u64) {
    let eagerness = match node.space.own().level {
        SpaceLevel::Ample => 1,
        SpaceLevel::Low | SpaceLevel::Critical => EAGER,
    };
    let large = group.replica.log.bytes() >= large_from / eagerness;
    let upkeep = Upkeep::of(&node.limits, ends, large, eagerness);
    let trigger = group.replica.raft.trigger();
    // Errors mean that the group has stopped, which `watch_over` sees.
    if upkeep.checkpoint {
        let _ = trigger.snapshot().await;
    }
    if let Some(upto) = upkeep.purge_upto {
        let _ = trigger.purge_log(upto).await;
    }
}

/// What a log needs.
#[derive(Debug, PartialEq, Eq)]
struct Upkeep {
    checkpoint: bool,
    /// Index of the last entry that goes, besides those that openraft purges by itself.
    purge_upto: Option<u64>,
}

impl Upkeep {
    /// Of a log with too many bytes, or not.
    const fn of(limits: &Limits, ends: &Ends, large: bool, eagerness: u64) -> Self {
        let since = ends.applied.saturating_sub(ends.checkpoint);
        let long = since >= limits.checkpoint_entries / eagerness;
        // So many stay anyway: for fewer a checkpoint, which flushes the state of all groups, would be in vain.
        let worth = since >= KEPT_WHEN_LARGE / eagerness;
        let purge = large || (eagerness > 1 && long);
        let more = ends.checkpoint > ends.purged.saturating_add(KEPT_WHEN_LARGE);
        Self {
            checkpoint: long || (large && worth),
            purge_upto: match purge && more {
                true => Some(ends.checkpoint.saturating_sub(KEPT_WHEN_LARGE + 1)),
                false => None,
            },
        }
    }
}

/// Finishes a change of voters that its leader did not finish.
fn settle(group: &Group) {
    if group.members().is_joint() {
        let group = group.clone();
        tokio::spawn(async move {
            let deadline = std::time::Instant::now() + SETTLED;
            // Whoever is changing the members right now keeps this one out.
            let _ = group.change_members(MemberChange::Settle, deadline).await;
        });
    }
}

/// Hands a few groups back to nodes that have been up to date for a while.
async fn hand_back(away: &[(&Group, NodeId)], settled: &mut BTreeMap<NodeId, Instant>) {
    let now = Instant::now();
    let mut behind = Vec::new();
    for (group, preferred) in away {
        if !is_up_to_date(group, *preferred) {
            behind.push(*preferred);
        }
    }
    settled.retain(|node, _| !behind.contains(node));
    let mut handed = 0;
    for (group, to) in away {
        let to = *to;
        if behind.contains(&to) {
            continue;
        }
        let since = *settled.entry(to).or_insert(now);
        if now.duration_since(since) >= SETTLED && handed < TRANSFERS_PER_ROUND {
            group.transfer_leader(to).await;
            handed += 1;
        }
    }
}

/// Whether a follower has nearly everything and has answered lately.
pub(crate) fn is_up_to_date(group: &Group, follower: NodeId) -> bool {
    let known = group.replica.situation();
    known.is_some_and(|(situation, _)| situation.is_up_to_date(follower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_large_beyond_their_share_of_what_all_may_have() {
        let limits = Limits {
            checkpoint_bytes: 100,
            logs_bytes: 300,
            ..Limits::default()
        };
        let large_from = |logs: &[u64]| large_from(&limits, logs.iter().copied());
        assert_eq!(large_from(&[]), 100);
        assert_eq!(large_from(&[90, 90, 90, 30]), 100);
        // Whoever has more than this is why there is too much.
        assert_eq!(large_from(&[90, 90, 90, 31]), 75);
        assert_eq!(large_from(&[50; 10]), 30);
        assert_eq!(large_from(&[400]), 100);
    }

    #[test]
    fn a_log_is_purged_when_it_is_long_or_large_and_that_is_worth_a_checkpoint() {
        let limits = Limits {
            checkpoint_entries: 1600,
            ..Limits::default()
        };
        let upkeep = |since: u64, kept: u64, large, eagerness| {
            let ends = Ends {
                applied: 10_000 + since,
                checkpoint: 10_000,
                purged: 10_000 - kept,
            };
            let upkeep = Upkeep::of(&limits, &ends, large, eagerness);
            (upkeep.checkpoint, upkeep.purge_upto)
        };
        let (few, many) = (KEPT_WHEN_LARGE, 1000);
        let purged = Some(10_000 - KEPT_WHEN_LARGE - 1);
        assert_eq!(upkeep(1599, many, false, 1), (false, None));
        assert_eq!(upkeep(1600, many, false, 1), (true, None));
        // However large it is.
        assert_eq!(upkeep(63, few, true, 1), (false, None));
        assert_eq!(upkeep(64, few, true, 1), (true, None));
        assert_eq!(upkeep(63, few + 1, true, 1), (false, purged));
        // While there is little space.
        assert_eq!(upkeep(99, many, false, EAGER), (false, None));
        assert_eq!(upkeep(100, many, false, EAGER), (true, purged));
        assert_eq!(upkeep(3, many, true, EAGER), (false, purged));
        assert_eq!(upkeep(4, few, true, EAGER), (true, None));
    }
}
