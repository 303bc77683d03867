//! The JSON of `/api/v1/status` and `/api/v1/map`. Names and meanings are stable; fields may be added.
//!
//! Bytes are numbers, times are milliseconds since 1970 (`_ms`) or milliseconds ago (`_ago_ms`), ids are
//! strings as everywhere else in EggsFS.

mod map;
mod parts;

use std::collections::BTreeMap;
use std::time::Duration;

use eggs_proto::registry::{HealthFinding, Severity};
use eggs_proto::{NodeId, ServiceState};
use eggs_registry_state::{ClusterView, Health, Totals};
use serde::Serialize;

pub(crate) use map::MapJson;
use parts::{ClassJson, DomainJson, FindingJson, GroupJson, NodeJson};
pub(crate) use parts::{group_state_name, severity_name, state_name};

/// A replica whose state stands still for longer than this is out of touch.
const OLD: Duration = Duration::from_secs(10);

/// The state as one replica has it.
pub(crate) struct Seen {
    pub cluster_name: String,
    pub node: NodeId,
    pub leader: Option<NodeId>,
    pub is_leader: bool,
    /// For how long the state has been standing still.
    pub age: Duration,
    pub view: ClusterView,
}

/// `/api/v1/status`
#[derive(Debug, Serialize)]
pub(crate) struct StatusJson {
    version: &'static str,
    cluster: String,
    served_by: String,
    /// `leader`, `follower` or `without a leader`
    role: &'static str,
    leader: Option<String>,
    epoch: u64,
    /// Log time of the state.
    time_ms: u64,
    /// For how long the state has been standing still; a second or two is normal.
    age_ms: u64,
    health: HealthJson,
    totals: TotalsJson,
    /// The shards in order, the CDC, the registry.
    groups: Vec<GroupJson>,
    /// Block services by failure domain.
    domains: Vec<DomainJson>,
    nodes: Vec<NodeJson>,
}

/// `/health/cluster`, and part of the status.
#[derive(Debug, Serialize)]
pub(crate) struct HealthJson {
    /// `ok`, `degraded` or `down`
    pub severity: &'static str,
    pub headline: String,
    pub findings: Vec<FindingJson>,
}

#[derive(Debug, Serialize)]
struct TotalsJson {
    capacity_bytes: u64,
    available_bytes: u64,
    used_bytes: u64,
    blocks: u64,
    /// Number of disks by state; every state is there.
    services: BTreeMap<&'static str, usize>,
    classes: Vec<ClassJson>,
}

impl Seen {
    /// Health of the cluster, and of this replica's view of it.
    pub(crate) fn health(&self) -> Health {
        let mut findings = eggs_registry_state::health(&self.view).findings;
        if self.leader.is_none() {
            findings.push(HealthFinding {
                code: "REGISTRY_WITHOUT_LEADER".into(),
                severity: Severity::Down,
                what: "the registry has no leader".into(),
                affects: "changes of the cluster map wait; an election takes about 3 s".into(),
                remedy: "eggsrun --dir DIR status; start the registry processes that are down"
                    .into(),
            });
        } else if self.age > OLD {
            findings.push(HealthFinding {
                code: "REGISTRY_OUT_OF_TOUCH".into(),
                severity: Severity::Degraded,
                what: format!(
                    "{} has heard nothing new for {} s",
                    self.node,
                    self.age.as_secs()
                ),
                affects: "what this page shows is old".into(),
                remedy: format!("tail DIR/log/{}.log", self.node),
            });
        }
        Health::of(findings)
    }

    /// Health in words.
    pub(crate) fn health_json(&self) -> HealthJson {
        let health = self.health();
        HealthJson {
            severity: severity_name(health.severity),
            headline: headline(&health),
            findings: health.findings.into_iter().map(FindingJson::new).collect(),
        }
    }

    /// Everything that the page shows.
    pub(crate) fn status(&self) -> StatusJson {
        let map = &self.view.map;
        StatusJson {
            version: env!("CARGO_PKG_VERSION"),
            cluster: self.cluster_name.clone(),
            served_by: self.node.to_string(),
            role: match (self.is_leader, self.leader) {
                (true, _) => "leader",
                (false, Some(_)) => "follower",
                (false, None) => "without a leader",
            },
            leader: self.leader.map(|leader| leader.to_string()),
            epoch: map.epoch.0,
            time_ms: map.time.0,
            age_ms: self.age_ms(),
            health: self.health_json(),
            totals: TotalsJson::new(&Totals::of(map)),
            groups: GroupJson::all(&self.view),
            domains: DomainJson::all(&self.view, self.age_ms()),
            nodes: NodeJson::all(&self.view, self.age_ms()),
        }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX)
    }
}

impl TotalsJson {
    fn new(totals: &Totals) -> Self {
        let states = [
            ServiceState::Active,
            ServiceState::NoRead,
            ServiceState::NoWrite,
            ServiceState::Stale,
            ServiceState::Decommissioned,
        ];
        let count = |state| totals.states.get(&state).copied().unwrap_or(0);
        Self {
            capacity_bytes: totals.capacity_bytes(),
            available_bytes: totals.available_bytes(),
            used_bytes: totals.used_bytes(),
            blocks: totals.blocks(),
            services: states.map(|state| (state_name(state), count(state))).into(),
            classes: totals.classes.iter().map(ClassJson::new).collect(),
        }
    }
}

/// Health in one line: what a person notices first, the rest is below it.
fn headline(health: &Health) -> String {
    let number = health.findings.len();
    let first = health.findings.first();
    let what = first.map_or("", |finding| &finding.what);
    let effect = first.and_then(|finding| finding.affects.split(';').next());
    match (health.severity, number) {
        (Severity::Ok, _) => "Everything works, and nothing is missing".into(),
        (Severity::Degraded, 1) => format!("Everything works, but {what}"),
        (Severity::Degraded, _) => format!("Everything works, but {number} things need attention"),
        (Severity::Down, _) => format!("Something does not work: {}", effect.unwrap_or(what)),
    }
}
