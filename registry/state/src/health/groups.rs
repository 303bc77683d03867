//! Shards, the CDC and the registry as Raft groups.

use eggs_proto::registry::{HealthFinding, Severity};
use eggs_proto::{GroupId, GroupInfo, NodeId, ProcessRole};

use super::finding;
use super::words::{NAMED_MAX, count, list};
use crate::ClusterView;

/// Fewer replicas than this cannot spare one, which is how the operator wanted it.
const REPLICAS_WITH_SPARE_MIN: usize = 3;

/// How a group is, the worst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupCondition {
    /// It has a leader, a majority, and a replica to spare where it is meant to have one.
    Healthy,
    /// The next failure costs the majority.
    AtRisk,
    /// Nobody leads.
    NoLeader,
    /// Too few replicas for a majority.
    NoQuorum,
    /// No replica has registered.
    Missing,
}

impl GroupCondition {
    /// Judges a group of the view's map.
    pub fn of(view: &ClusterView, info: &GroupInfo) -> Self {
        let up = info.replicas.iter().filter(|node| view.is_up(**node));
        let (up, majority) = (up.count(), info.replicas.len() / 2 + 1);
        if info.replicas.is_empty() {
            Self::Missing
        } else if up < majority {
            Self::NoQuorum
        } else if !info.leader.is_some_and(|leader| view.is_up(leader)) {
            Self::NoLeader
        } else if up == majority && info.replicas.len() >= REPLICAS_WITH_SPARE_MIN {
            Self::AtRisk
        } else {
            Self::Healthy
        }
    }
}

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    use GroupCondition::{AtRisk, Missing, NoLeader, NoQuorum};
    let conditions: Vec<GroupCondition> = view
        .map
        .groups
        .iter()
        .map(|info| GroupCondition::of(view, info))
        .collect();
    for trouble in [Missing, NoQuorum, NoLeader, AtRisk] {
        let mut groups = Vec::new();
        let mut absent: Vec<NodeId> = Vec::new();
        for (number, (info, condition)) in (0u16..).zip(view.map.groups.iter().zip(&conditions)) {
            if *condition == trouble {
                groups.push(GroupId(number));
                absent.extend(info.replicas.iter().filter(|node| !view.is_up(**node)));
            }
        }
        if !groups.is_empty() {
            absent.sort_unstable();
            absent.dedup();
            findings.extend(describe(trouble, &groups, &absent));
        }
    }
}

fn describe(
    trouble: GroupCondition,
    groups: &[GroupId],
    absent: &[NodeId],
) -> Option<HealthFinding> {
    let (names, silent) = (named(groups), list(absent));
    let number = count(groups.len(), "group", "groups");
    let start = start_command(absent, groups);
    let (severity, code, what, affects) = match trouble {
        GroupCondition::Healthy => return None,
        GroupCondition::Missing => (
            Severity::Down,
            "GROUP_NOT_REGISTERED",
            format!("no replica of {number} has registered: {names}"),
            stuck(groups),
        ),
        GroupCondition::NoQuorum => (
            Severity::Down,
            "GROUP_WITHOUT_QUORUM",
            format!("{number} lost the majority of the replicas: {names}; silent: {silent}"),
            stuck(groups),
        ),
        GroupCondition::NoLeader => (
            Severity::Down,
            "GROUP_WITHOUT_LEADER",
            format!("{number} without a leader: {names}"),
            format!("{}; an election takes about 3 s", stuck(groups)),
        ),
        GroupCondition::AtRisk => (
            Severity::Degraded,
            "GROUP_QUORUM_AT_RISK",
            format!("{number} cannot bear to lose another replica: {names}; silent: {silent}"),
            "everything works, until one more of these processes fails".into(),
        ),
    };
    Some(finding(severity, code, [what, affects, start]))
}

/// Runs of neighbours if they are few, else the first groups.
fn named(groups: &[GroupId]) -> String {
    let runs = runs(groups);
    if runs.len() <= NAMED_MAX {
        list(&runs)
    } else {
        list(groups)
    }
}

/// Neighbours put together: `shard-000 to shard-255, cdc`.
fn runs(groups: &[GroupId]) -> Vec<String> {
    let neighbours =
        |a: &GroupId, b: &GroupId| a.0.checked_add(1) == Some(b.0) && b.shard().is_some();
    groups
        .chunk_by(neighbours)
        .map(|run| match run {
            [first, _, .., last] => format!("{first} to {last}"),
            few => list(few),
        })
        .collect()
}

fn stuck(groups: &[GroupId]) -> String {
    let shards = groups
        .iter()
        .filter(|group| group.shard().is_some())
        .count();
    let mut parts = Vec::new();
    match shards {
        0 => {}
        eggs_proto::SHARD_COUNT => parts.push("no file or directory can be reached".to_owned()),
        some => parts.push(format!(
            "files and directories on {} of {} shards wait",
            some,
            eggs_proto::SHARD_COUNT
        )),
    }
    if groups.contains(&GroupId::CDC) {
        parts.push("mkdir, rmdir and moves between directories wait".into());
    }
    if groups.contains(&GroupId::REGISTRY) {
        parts.push("changes of the cluster map wait".into());
    }
    parts.join("; ")
}

fn start_command(absent: &[NodeId], groups: &[GroupId]) -> String {
    if let Some(first) = absent.first() {
        return format!("eggsrun --dir DIR start {}", first.place());
    }
    let role = match groups.first() {
        Some(group) if group.shard().is_some() => ProcessRole::Shard,
        Some(&GroupId::CDC) => ProcessRole::Cdc,
        Some(_) | None => ProcessRole::Registry,
    };
    format!("tail DIR/log/{}0.log", role.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_put_together() {
        let text = |ids: &[u16]| {
            let groups: Vec<GroupId> = ids.iter().copied().map(GroupId).collect();
            runs(&groups).join(", ")
        };
        let all: Vec<u16> = (0..258).collect();
        assert_eq!(text(&all), "shard-000 to shard-255, cdc, registry");
        assert_eq!(
            text(&[1, 3, 4, 9]),
            "shard-001, shard-003, shard-004, shard-009"
        );
    }
}
