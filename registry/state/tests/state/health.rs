//! Each finding, provoked.

use eggs_proto::registry::Severity;
use eggs_proto::{GroupId, NodeId, ProcessRole};
use eggs_registry_state::{Beat, health};

use crate::support::{self, GIB, Registry, blocks, shard_node};

fn without(beats: &[Beat], gone: &[NodeId]) -> Vec<Beat> {
    let kept = beats.iter().filter(|beat| !gone.contains(&beat.node));
    kept.cloned().collect()
}

fn severity(registry: &Registry) -> Severity {
    health(&registry.view()).severity
}

#[test]
fn an_empty_registry_says_what_is_missing() {
    let registry = Registry::new();
    assert_eq!(
        registry.codes(),
        ["GROUP_NOT_REGISTERED", "NO_BLOCK_SERVICES"]
    );
    assert_eq!(severity(&registry), Severity::Down);
}

#[test]
fn a_healthy_cluster_has_nothing_to_say() {
    let (mut registry, beats) = Registry::healthy();
    registry.seconds(20, &beats);
    assert_eq!(registry.codes(), Vec::<String>::new());
    assert_eq!(severity(&registry), Severity::Ok);
}

#[test]
fn dead_disks() {
    let (mut registry, beats) = Registry::healthy();
    let gone: Vec<NodeId> = (0..2).map(blocks).collect();
    registry.seconds(9, &without(&beats, &gone));
    assert_eq!(registry.codes(), ["BLOCK_SERVICE_STALE"]);
    let finding = health(&registry.view()).findings.remove(0);
    assert!(
        finding
            .what
            .contains("4 disks in 2 failure domains: fd0, fd1"),
        "{finding:?}"
    );
    assert_eq!(finding.remedy, "eggsrun --dir DIR start blocks0");

    let gone: Vec<NodeId> = (0..4).map(blocks).collect();
    registry.seconds(9, &without(&beats, &gone));
    assert_eq!(
        registry.codes(),
        ["BLOCK_SERVICE_STALE", "FAILURE_DOMAINS_BELOW_SCHEME"]
    );
    assert_eq!(severity(&registry), Severity::Degraded);

    let gone: Vec<NodeId> = (0..6).map(blocks).collect();
    registry.seconds(9, &without(&beats, &gone));
    assert_eq!(severity(&registry), Severity::Down);
    assert_eq!(registry.codes()[0], "FAILURE_DOMAINS_BELOW_SCHEME");
}

#[test]
fn dead_replicas() {
    let (mut registry, beats) = Registry::healthy();
    registry.seconds(9, &without(&beats, &[shard_node(2)]));
    assert_eq!(registry.codes(), ["GROUP_QUORUM_AT_RISK", "NODE_DOWN"]);
    assert_eq!(severity(&registry), Severity::Degraded);
    registry.seconds(9, &without(&beats, &[shard_node(0)]));
    assert!(registry.codes().contains(&"GROUP_WITHOUT_LEADER".into()));
    assert_eq!(severity(&registry), Severity::Down);
    registry.seconds(9, &without(&beats, &[shard_node(0), shard_node(1)]));
    assert!(registry.codes().contains(&"GROUP_WITHOUT_QUORUM".into()));
}

#[test]
fn the_collector_is_missed() {
    let (mut registry, beats) = Registry::healthy();
    let collector = NodeId::new(ProcessRole::Gc, 0);
    registry.register(support::replica_registration(collector, &[]));
    registry.seconds(9, &beats);
    assert_eq!(registry.codes(), ["GC_DOWN"]);
}

#[test]
fn errors_on_many_disks_at_once() {
    let (mut registry, mut beats) = Registry::healthy();
    let mut fence = |domains: u32, beats: &mut Vec<Beat>| {
        for beat in beats.iter_mut() {
            if beat.node.role() == ProcessRole::Blocks && beat.node.index() < domains {
                beat.services[0].fenced = true;
            }
        }
        registry.seconds(1, beats);
        registry.codes()
    };
    assert_eq!(fence(2, &mut beats), ["BLOCK_SERVICE_FENCED"]);
    let codes = fence(5, &mut beats);
    assert!(codes.contains(&"FENCE_GUARD".into()), "{codes:?}");
    let writable = registry
        .view()
        .map
        .services
        .iter()
        .filter(|s| s.state.takes_writes())
        .count();
    assert_eq!(writable, 32 - 4);
}

#[test]
fn full_disks() {
    let (mut registry, mut beats) = Registry::healthy();
    let mut leave = |disks: usize, available_bytes, beats: &mut Vec<Beat>| {
        let of_disks = beats.iter_mut().filter(|beat| !beat.services.is_empty());
        for beat in of_disks.take(disks) {
            beat.services[0].available_bytes = available_bytes;
        }
        registry.seconds(1, beats);
        registry.codes()
    };
    assert_eq!(leave(1, 40 * GIB, &mut beats), ["DISK_NEARLY_FULL"]);
    assert_eq!(
        leave(16, 40 * GIB, &mut beats),
        ["DISK_NEARLY_FULL", "CLUSTER_NEARLY_FULL"]
    );
    assert_eq!(
        leave(16, 0, &mut beats),
        ["CLUSTER_FULL", "DISK_NEARLY_FULL"]
    );
}

#[test]
fn every_finding_says_what_and_what_next() {
    let (mut registry, beats) = Registry::healthy();
    registry.seconds(
        9,
        &without(&beats, &[shard_node(0), shard_node(1), blocks(3)]),
    );
    let health = health(&registry.view());
    assert!(health.findings.len() >= 3);
    assert!(
        health
            .findings
            .is_sorted_by(|a, b| a.severity >= b.severity)
    );
    for finding in health.findings {
        assert!(
            !finding.what.is_empty() && !finding.affects.is_empty() && !finding.remedy.is_empty()
        );
        let code_like = |c: char| c.is_ascii_uppercase() || c == '_';
        assert!(finding.code.chars().all(code_like), "{}", finding.code);
    }
    assert_eq!(GroupId::CDC.0, 256);
}
