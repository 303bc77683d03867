//! Rows of the status.

use std::collections::BTreeMap;

use eggs_proto::registry::{HealthFinding, Latency, Severity};
use eggs_proto::{
    BlockServiceInfo, FailureDomainId, GroupId, NodeId, ProcessRole, ServiceState, StorageClass,
};
use eggs_registry_state::{ClassTotals, ClusterView, Fill, GroupCondition, ServiceCondition};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct FindingJson {
    code: String,
    severity: &'static str,
    what: String,
    affects: String,
    remedy: String,
}

impl FindingJson {
    pub(super) fn new(finding: HealthFinding) -> Self {
        Self {
            code: finding.code,
            severity: severity_name(finding.severity),
            what: finding.what,
            affects: finding.affects,
            remedy: finding.remedy,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ClassJson {
    class: String,
    services: usize,
    capacity_bytes: u64,
    available_bytes: u64,
    used_bytes: u64,
    blocks: u64,
    /// Failure domains with a disk that takes writes.
    domains_writable: usize,
}

impl ClassJson {
    pub(super) fn new((class, totals): (&StorageClass, &ClassTotals)) -> Self {
        Self {
            class: class.to_string(),
            services: totals.services,
            capacity_bytes: totals.capacity_bytes,
            available_bytes: totals.available_bytes,
            used_bytes: totals.used_bytes,
            blocks: totals.blocks,
            domains_writable: totals.domains_writable,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ReplicaJson {
    node: String,
    up: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupJson {
    group: String,
    /// See `group_state_name`.
    state: &'static str,
    leader: Option<String>,
    replicas: Vec<ReplicaJson>,
}

impl GroupJson {
    pub(super) fn all(view: &ClusterView) -> Vec<Self> {
        let replica = |node: &NodeId| ReplicaJson {
            node: node.to_string(),
            up: view.is_up(*node),
        };
        (0u16..)
            .zip(&view.map.groups)
            .map(|(number, info)| Self {
                group: GroupId(number).to_string(),
                state: group_state_name(GroupCondition::of(view, info)),
                leader: info.leader.map(|leader| leader.to_string()),
                replicas: info.replicas.iter().map(replica).collect(),
            })
            .collect()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DomainJson {
    domain: String,
    services: Vec<ServiceJson>,
}

impl DomainJson {
    pub(super) fn all(view: &ClusterView, age_ms: u64) -> Vec<Self> {
        let mut domains: BTreeMap<FailureDomainId, Vec<ServiceJson>> = BTreeMap::new();
        for (info, condition) in view.map.services.iter().zip(&view.services) {
            let seen_ago_ms = view
                .map
                .time
                .ms_since(info.last_seen)
                .saturating_add(age_ms);
            let service = ServiceJson::new(info, condition, seen_ago_ms);
            domains.entry(info.domain).or_default().push(service);
        }
        let domain = |(domain, mut services): (FailureDomainId, Vec<ServiceJson>)| {
            services.sort_by_key(|service| service.is_flash);
            Self {
                domain: domain.to_string(),
                services,
            }
        };
        domains.into_iter().map(domain).collect()
    }
}

/// Of the last minute in which the disk was heard of.
#[derive(Debug, Serialize)]
struct LatencyJson {
    count: u32,
    p50_us: u32,
    p95_us: u32,
    p99_us: u32,
}

impl LatencyJson {
    const fn new(latency: Latency) -> Self {
        Self {
            count: latency.count,
            p50_us: latency.p50_us,
            p95_us: latency.p95_us,
            p99_us: latency.p99_us,
        }
    }
}

#[derive(Debug, Serialize)]
struct ServiceJson {
    /// For the order within a domain.
    #[serde(skip)]
    is_flash: bool,
    service: String,
    class: String,
    /// See `state_name`.
    state: &'static str,
    set_by_hand: bool,
    /// Takes no writes because of I/O errors.
    fenced: bool,
    /// Takes no writes because it is many times slower than its peers.
    slow: bool,
    reads: LatencyJson,
    writes: LatencyJson,
    io_errors: u64,
    node: String,
    capacity_bytes: u64,
    available_bytes: u64,
    used_bytes: u64,
    blocks: u64,
    /// `roomy`, `nearly_full` or `full`
    fill: &'static str,
    last_seen_ms: u64,
    seen_ago_ms: u64,
}

impl ServiceJson {
    fn new(info: &BlockServiceInfo, condition: &ServiceCondition, seen_ago_ms: u64) -> Self {
        Self {
            is_flash: info.class == StorageClass::Flash,
            service: info.service.to_string(),
            class: info.class.to_string(),
            state: state_name(info.state),
            set_by_hand: condition.manual.is_some(),
            fenced: condition.fenced,
            slow: condition.pace.set_aside,
            reads: LatencyJson::new(condition.pace.reads),
            writes: LatencyJson::new(condition.pace.writes),
            io_errors: condition.io_errors,
            node: info.node.to_string(),
            capacity_bytes: info.capacity_bytes,
            available_bytes: info.available_bytes,
            used_bytes: info.used_bytes,
            blocks: info.blocks,
            fill: match Fill::of(info.capacity_bytes, info.available_bytes) {
                Fill::Roomy => "roomy",
                Fill::NearlyFull => "nearly_full",
                Fill::Full => "full",
            },
            last_seen_ms: info.last_seen.0,
            seen_ago_ms,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct NodeJson {
    node: String,
    program: &'static str,
    address: String,
    up: bool,
    started_ms: u64,
    last_seen_ms: u64,
    seen_ago_ms: u64,
}

impl NodeJson {
    pub(super) fn all(view: &ClusterView, age_ms: u64) -> Vec<Self> {
        let nodes = view.map.nodes.iter().map(|info| Self {
            node: info.node.to_string(),
            program: program_name(info.node.role()),
            address: info.address.clone(),
            up: view.is_up(info.node),
            started_ms: info.started.0,
            last_seen_ms: info.last_seen.0,
            seen_ago_ms: view
                .map
                .time
                .ms_since(info.last_seen)
                .saturating_add(age_ms),
        });
        nodes.collect()
    }
}

const fn program_name(role: ProcessRole) -> &'static str {
    match role {
        ProcessRole::Registry => "eggsshuckle",
        ProcessRole::Shard => "eggsshard",
        ProcessRole::Cdc => "eggscdc",
        ProcessRole::Blocks => "eggsblocks",
        ProcessRole::Gc => "eggsgc",
        ProcessRole::Client => "client",
    }
}

/// The stable name of a severity.
pub(crate) const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Degraded => "degraded",
        Severity::Down => "down",
    }
}

/// The stable name of a disk's state.
pub(crate) const fn state_name(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Active => "active",
        ServiceState::NoRead => "no_read",
        ServiceState::NoWrite => "no_write",
        ServiceState::Stale => "stale",
        ServiceState::Decommissioned => "decommissioned",
    }
}

/// The stable name of a group's condition.
pub(crate) const fn group_state_name(condition: GroupCondition) -> &'static str {
    match condition {
        GroupCondition::Healthy => "ok",
        GroupCondition::AtRisk => "at_risk",
        GroupCondition::NoLeader => "no_leader",
        GroupCondition::NoQuorum => "no_quorum",
        GroupCondition::Missing => "missing",
    }
}
