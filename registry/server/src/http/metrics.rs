//! The metric table of the registry. Gauges are set when metrics are read.

use std::collections::BTreeMap;

use eggs_proto::StorageClass;
use eggs_proto::registry::Severity;
use eggs_registry_state::{GroupCondition, Totals};

use crate::status::{Seen, group_state_name, severity_name, state_name};

eggs_obs::metric_table! {
    /// What the registry knows, as gauges.
    pub(crate) struct RegistryMetrics {
        epoch: Gauge = "eggs_registry_map_epoch", "Version of the cluster map";
        age: FloatGauge = "eggs_registry_state_age_seconds", "For how long the applied state has been standing still";
        is_leader: Gauge = "eggs_registry_is_leader", "1 if this replica leads";
        severity: Gauge = "eggs_registry_health_severity", "0 ok, 1 degraded, 2 down";
        findings: GaugeBy = "eggs_registry_health_findings", "Findings by severity";
        services: GaugeBy = "eggs_registry_services_count", "Block services by state";
        slow: Gauge = "eggs_registry_slow_services_count", "Block services found slow, set aside or not";
        groups: GaugeBy = "eggs_registry_groups_count", "Groups by condition; ok and at_risk have a leader";
        nodes: GaugeBy = "eggs_registry_nodes_count", "Server processes by whether they are heard from";
        capacity: GaugeBy = "eggs_registry_capacity_bytes", "Bytes of disks by class";
        available: GaugeBy = "eggs_registry_available_bytes", "Bytes that can still be written by class";
        used: GaugeBy = "eggs_registry_used_bytes", "Bytes of blocks by class";
        domains: GaugeBy = "eggs_registry_writable_domains", "Failure domains that take writes by class";
    }
}

impl RegistryMetrics {
    /// Sets all gauges.
    pub(crate) fn show(&self, seen: &Seen) {
        let map = &seen.view.map;
        self.epoch.set(signed(map.epoch.0));
        self.age.set(seen.age.as_secs_f64());
        self.is_leader.set(i64::from(seen.is_leader));
        self.show_health(seen);
        self.show_groups(seen);
        let up = seen.view.nodes.iter().filter(|node| !node.down).count();
        let by_state = [("up", up), ("down", seen.view.nodes.len() - up)];
        for (state, count) in by_state {
            self.nodes
                .get_or_create(&[("state", state)])
                .set(signed(count as u64));
        }
        self.show_totals(&Totals::of(map));
        let services = seen.view.services.iter();
        let slow = services.filter(|condition| condition.pace.found_slow);
        self.slow.set(signed(slow.count() as u64));
    }

    fn show_health(&self, seen: &Seen) {
        let health = seen.health();
        for severity in [Severity::Ok, Severity::Degraded, Severity::Down] {
            let those = health.findings.iter().filter(|f| f.severity == severity);
            let label = [("severity", severity_name(severity))];
            self.findings
                .get_or_create(&label)
                .set(signed(those.count() as u64));
        }
        self.severity.set(match health.severity {
            Severity::Ok => 0,
            Severity::Degraded => 1,
            Severity::Down => 2,
        });
    }

    fn show_groups(&self, seen: &Seen) {
        let mut counts: BTreeMap<GroupCondition, u64> = [
            GroupCondition::Healthy,
            GroupCondition::AtRisk,
            GroupCondition::NoLeader,
            GroupCondition::NoQuorum,
            GroupCondition::Missing,
        ]
        .map(|condition| (condition, 0))
        .into();
        for info in &seen.view.map.groups {
            *counts
                .entry(GroupCondition::of(&seen.view, info))
                .or_default() += 1;
        }
        for (condition, count) in counts {
            let label = [("state", group_state_name(condition))];
            self.groups.get_or_create(&label).set(signed(count));
        }
    }

    fn show_totals(&self, totals: &Totals) {
        self.services.clear();
        for (state, count) in &totals.states {
            let label = [("state", state_name(*state))];
            self.services
                .get_or_create(&label)
                .set(signed(*count as u64));
        }
        for (class, of_class) in &totals.classes {
            let label = [("class", class_label(*class))];
            let set = |family: &eggs_obs::GaugeBy, value| {
                family.get_or_create(&label).set(signed(value));
            };
            set(&self.capacity, of_class.capacity_bytes);
            set(&self.available, of_class.available_bytes);
            set(&self.used, of_class.used_bytes);
            set(&self.domains, of_class.domains_writable as u64);
        }
    }
}

const fn class_label(class: StorageClass) -> &'static str {
    match class {
        StorageClass::Hdd => "hdd",
        StorageClass::Flash => "flash",
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
