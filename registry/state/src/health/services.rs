//! Disks: silent, failing, nearly full.

use std::collections::BTreeSet;

use eggs_proto::registry::{HealthFinding, Severity};
use eggs_proto::{BlockServiceInfo, FailureDomainId, NodeId, ServiceState};

use super::finding;
use super::words::{count, list};
use crate::{ClusterView, Fill, ServiceCondition};

pub(super) fn check(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    stale(view, findings);
    fenced(view, findings);
    unhonoured(view, findings);
    slow(view, findings);
    slow_in_use(view, findings);
    nearly_full(view, findings);
}

/// The disks that a condition is true of.
fn those(
    view: &ClusterView,
    is: impl Fn(&BlockServiceInfo, &ServiceCondition) -> bool,
) -> Vec<&BlockServiceInfo> {
    view.map
        .services
        .iter()
        .zip(&view.services)
        .filter(|(info, condition)| !condition.is_decommissioned() && is(info, condition))
        .map(|(info, _)| info)
        .collect()
}

/// `4 disks in 2 failure domains: fd1, fd2`.
fn disks(services: &[&BlockServiceInfo]) -> String {
    let domains: BTreeSet<FailureDomainId> = services.iter().map(|info| info.domain).collect();
    let domains: Vec<FailureDomainId> = domains.into_iter().collect();
    format!(
        "{} in {}: {}",
        count(services.len(), "disk", "disks"),
        count(domains.len(), "failure domain", "failure domains"),
        list(&domains)
    )
}

fn first_node(services: &[&BlockServiceInfo]) -> Option<NodeId> {
    services.iter().map(|info| info.node).min()
}

fn stale(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |_, condition| condition.stale);
    let Some(node) = first_node(&services) else {
        return;
    };
    findings.push(finding(
        Severity::Degraded,
        "BLOCK_SERVICE_STALE",
        [
            format!("nothing is heard of {}", disks(&services)),
            "files with blocks there are read by way of parity and have less redundancy".into(),
            format!("eggsrun --dir DIR start {node}"),
        ],
    ));
}

fn fenced(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |_, condition| condition.fenced);
    let Some(node) = first_node(&services) else {
        return;
    };
    findings.push(finding(
        Severity::Degraded,
        "BLOCK_SERVICE_FENCED",
        [
            format!("I/O errors: {} take no new blocks", disks(&services)),
            "what is there is still read, and made again elsewhere where it cannot be".into(),
            format!("grep -i error DIR/log/{node}.log"),
        ],
    ));
}

fn unhonoured(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |_, condition| {
        condition.fence_reported && !condition.fenced
    });
    let Some(node) = first_node(&services) else {
        return;
    };
    findings.push(finding(
        Severity::Down,
        "FENCE_GUARD",
        [
            format!(
                "too many failure domains report I/O errors at once; {} stay in use",
                disks(&services)
            ),
            "writes to these disks fail and are retried elsewhere; one cause for all is likely"
                .into(),
            format!("grep -i error DIR/log/{node}.log"),
        ],
    ));
}

fn slow(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |_, condition| condition.pace.set_aside);
    let Some(service) = services.iter().map(|info| info.service).min() else {
        return;
    };
    findings.push(finding(
        Severity::Degraded,
        "BLOCK_SERVICE_SLOW",
        [
            format!("many times slower than their peers: {} take no new blocks", disks(&services)),
            "what is there is still read; they are taken back when they have been well for a while".into(),
            format!("eggscli disk list; look at the disk with smartctl; to replace it: eggscli disk drain {service}"),
        ],
    ));
}

fn slow_in_use(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |_, condition| {
        condition.pace.found_slow && !condition.pace.set_aside && condition.manual.is_none()
    });
    if services.is_empty() {
        return;
    }
    findings.push(finding(
        Severity::Degraded,
        "SLOW_GUARD",
        [
            format!(
                "many times slower than their peers, but too few failure domains are left without them: {} stay in use",
                disks(&services)
            ),
            "writes that meet these disks are slow".into(),
            "eggscli disk list; bring back what is down first, then look at the slow disks with smartctl".into(),
        ],
    ));
}

fn nearly_full(view: &ClusterView, findings: &mut Vec<HealthFinding>) {
    let services = those(view, |info, _| {
        info.state != ServiceState::Stale
            && info.capacity_bytes > 0
            && Fill::of(info.capacity_bytes, info.available_bytes) != Fill::Roomy
    });
    if services.is_empty() {
        return;
    }
    findings.push(finding(
        Severity::Degraded,
        "DISK_NEARLY_FULL",
        [
            format!("less than 5 % is left on {}", disks(&services)),
            "new blocks go elsewhere; reading and deleting work".into(),
            "df -h; delete what is not needed (space comes back when its snapshots expire) or add disks".into(),
        ],
    ));
}
