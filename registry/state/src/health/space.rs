//! Processes whose disks have little space for metadata.

use eggs_proto::registry::{HealthFinding, Severity, SpaceLevel};
use eggs_proto::{GroupInfo, NodeId};

use super::finding;
use super::words::{count, list};
use crate::ClusterView;

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let short: Vec<NodeId> = view.short.iter().map(|(node, _)| *node).collect();
    let Some((first, least)) = view.short.iter().min_by_key(|(_, r)| r.available_bytes) else {
        return;
    };
    let refusing = view
        .map
        .groups
        .iter()
        .filter(|group| refuses(group, &short));
    let refusing = refusing.count();
    let (severity, affects) = if refusing == 0 {
        (
            Severity::Degraded,
            "the other replicas of their groups have space: everything works".to_owned(),
        )
    } else {
        (
            Severity::Down,
            format!(
                "creating, writing and renaming fail with ENOSPC in {}; reading, deleting and collecting work",
                count(refusing, "group", "groups")
            ),
        )
    };
    let used_up = match least.level {
        SpaceLevel::Ample | SpaceLevel::Low => "",
        SpaceLevel::Critical => ", the reserve is used up",
    };
    findings.push(finding(
        severity,
        "METADATA_DISK_FULL",
        [
            format!(
                "{} little space for metadata: {} ({} MiB are left on the disk of {first}{used_up})",
                count(short.len(), "process has", "processes have"),
                list(&short),
                least.available_bytes >> 20,
            ),
            affects,
            format!("delete what else is on the disk of {first}, or move its replicas: eggscli meta balance"),
        ],
    ));
}

/// Whether no majority of its replicas has space.
fn refuses(group: &GroupInfo, short: &[NodeId]) -> bool {
    let replicas = group.replicas.len();
    let with_space = group.replicas.iter().filter(|node| !short.contains(node));
    replicas > 0 && with_space.count() <= replicas / 2
}
