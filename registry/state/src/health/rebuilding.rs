//! Processes that lost their directories and are being rebuilt from their peers.

use eggs_proto::registry::{HealthFinding, Severity};

use super::finding;
use super::words::{count, list};
use crate::ClusterView;

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    if view.lost.is_empty() {
        return;
    }
    let number = count(view.lost.len(), "process", "processes");
    let pairs: Vec<String> = view
        .lost
        .iter()
        .map(|(lost, successor)| format!("{successor} takes the place of {lost}"))
        .collect();
    findings.push(finding(
        Severity::Degraded,
        "REPLICA_REBUILDING",
        [
            format!(
                "the metadata of {number} was lost and is copied from its peers: {}",
                list(&pairs)
            ),
            "everything works; until it is over the groups concerned bear one failure less".into(),
            "eggscli meta status --cluster-secret-file FILE".into(),
        ],
    ));
}
