//! Shards, the CDC and the registry as Raft groups.

use eggs_proto::registry::{HealthFinding, Severity};
use eggs_proto::{GroupId, GroupInfo, NodeId, ProcessRole};

use super::finding;
use super::words::{count, list};
use crate::ClusterView;

/// Fewer replicas than this cannot spare one, which is how the operator wanted it.
const REPLICAS_WITH_SPARE_MIN: usize = 3;

/// What is wrong with one group, the worst of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// No replica has registered.
    Missing,
    /// Too few replicas for a majority.
    NoQuorum,
    /// Nobody leads.
    NoLeader,
    /// The next failure costs the majority.
    AtRisk,
}

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    for trouble in [
        Trouble::Missing,
        Trouble::NoQuorum,
        Trouble::NoLeader,
        Trouble::AtRisk,
    ] {
        let mut groups = Vec::new();
        let mut absent: Vec<NodeId> = Vec::new();
        for (number, info) in (0u16..).zip(&view.map.groups) {
            if judge(view, info) == Some(trouble) {
                groups.push(GroupId(number));
                absent.extend(info.replicas.iter().filter(|node| !view.is_up(**node)));
            }
        }
        if !groups.is_empty() {
            absent.sort_unstable();
            absent.dedup();
            findings.push(describe(trouble, &groups, &absent));
        }
    }
}

fn judge(view: &ClusterView, info: &GroupInfo) -> Option<Trouble> {
    let up = info.replicas.iter().filter(|node| view.is_up(**node));
    let (up, majority) = (up.count(), info.replicas.len() / 2 + 1);
    if info.replicas.is_empty() {
        Some(Trouble::Missing)
    } else if up < majority {
        Some(Trouble::NoQuorum)
    } else if !info.leader.is_some_and(|leader| view.is_up(leader)) {
        Some(Trouble::NoLeader)
    } else if up == majority && info.replicas.len() >= REPLICAS_WITH_SPARE_MIN {
        Some(Trouble::AtRisk)
    } else {
        None
    }
}

fn describe(trouble: Trouble, groups: &[GroupId], absent: &[NodeId]) -> HealthFinding {
    let names = list(groups);
    let number = count(groups.len(), "group", "groups");
    let start = start_command(absent, groups);
    match trouble {
        Trouble::Missing => finding(
            Severity::Down,
            "GROUP_NOT_REGISTERED",
            [
                format!("no replica of {number} has registered: {names}"),
                stuck(groups),
                start,
            ],
        ),
        Trouble::NoQuorum => finding(
            Severity::Down,
            "GROUP_WITHOUT_QUORUM",
            [
                format!(
                    "{number} lost the majority of the replicas: {names}; silent: {}",
                    list(absent)
                ),
                stuck(groups),
                start,
            ],
        ),
        Trouble::NoLeader => finding(
            Severity::Down,
            "GROUP_WITHOUT_LEADER",
            [
                format!("{number} without a leader: {names}"),
                format!("{}; an election takes about 3 s", stuck(groups)),
                start,
            ],
        ),
        Trouble::AtRisk => finding(
            Severity::Degraded,
            "GROUP_QUORUM_AT_RISK",
            [
                format!(
                    "{number} cannot bear to lose another replica: {names}; silent: {}",
                    list(absent)
                ),
                "everything works, until one more of these processes fails".into(),
                start,
            ],
        ),
    }
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
        return format!("eggsrun --dir DIR start {first}");
    }
    let role = match groups.first() {
        Some(group) if group.shard().is_some() => ProcessRole::Shard,
        Some(&GroupId::CDC) => ProcessRole::Cdc,
        Some(_) | None => ProcessRole::Registry,
    };
    format!("tail DIR/log/{}0.log", role.prefix())
}
