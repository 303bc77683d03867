//! Processes that nobody hears from. Those that serve disks are judged by their disks.

use eggs_proto::registry::{HealthFinding, Severity};
use eggs_proto::{NodeId, ProcessRole};

use super::finding;
use super::words::{count, list};
use crate::ClusterView;

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let down: Vec<NodeId> = view
        .map
        .nodes
        .iter()
        .map(|info| info.node)
        .filter(|node| !view.is_up(*node) && !view.lost.iter().any(|(lost, _)| lost == node))
        .collect();
    let of = |roles: &[ProcessRole]| -> Vec<NodeId> {
        let some = down.iter().filter(|node| roles.contains(&node.role()));
        some.copied().collect()
    };
    let replicas = of(&[ProcessRole::Registry, ProcessRole::Shard, ProcessRole::Cdc]);
    if let Some(first) = replicas.first() {
        findings.push(finding(
            Severity::Degraded,
            "NODE_DOWN",
            [
                format!(
                    "{} not heard from: {}",
                    count(replicas.len(), "process is", "processes are"),
                    list(&replicas)
                ),
                "its replicas do not take part; everything works while the others do".into(),
                format!("eggsrun --dir DIR start {}", first.place()),
            ],
        ));
    }
    let collectors = of(&[ProcessRole::Gc]);
    if let Some(first) = collectors.first() {
        findings.push(finding(
            Severity::Degraded,
            "GC_DOWN",
            [
                format!("the collector is not heard from: {}", list(&collectors)),
                "deleted space does not come back and lost blocks are not made again".into(),
                format!("eggsrun --dir DIR start {first}"),
            ],
        ));
    }
}
