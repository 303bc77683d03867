//! Stored values. Their encoding is part of the on-disk format.

use eggs_machine::Stored;
use eggs_proto::registry::SpaceReport;
use eggs_proto::{
    BlockServiceId, BlockServiceInfo, Epoch, FailureDomainId, NodeId, NodeInfo, ServiceKey,
    StorageClass, Time,
};
use serde::{Deserialize, Serialize};

use crate::ServiceCondition;

/// What there is once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterRecord {
    /// Version of the map.
    pub epoch: Epoch,
    /// Log time of the last command.
    pub time: Time,
    /// Observed time: milliseconds during which a leader listened.
    pub observed_ms: u64,
    /// Observed time at which the present leader took office.
    pub office_since_ms: u64,
    /// Its term.
    pub office: u64,
    /// Silence after which something is stale.
    pub stale_ms: u64,
    /// Number of processes.
    pub nodes: u32,
    /// Number of disks.
    pub services: u32,
}

impl ClusterRecord {
    /// For how long something last heard at `seen_ms` has been silent while somebody listened.
    pub(crate) fn silent_ms(&self, seen_ms: u64) -> u64 {
        self.observed_ms
            .saturating_sub(seen_ms.max(self.office_since_ms))
    }

    /// Whether that is too long.
    pub(crate) fn is_stale(&self, seen_ms: u64) -> bool {
        self.silent_ms(seen_ms) > self.stale_ms
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    pub address: String,
    pub started: Time,
    pub last_seen: Time,
    /// Observed time of the last heartbeat.
    pub seen_ms: u64,
}

impl NodeRecord {
    pub(crate) fn info(&self, node: NodeId) -> NodeInfo {
        NodeInfo {
            node,
            address: self.address.clone(),
            last_seen: self.last_seen,
            started: self.started,
        }
    }
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceRecord {
    pub node: NodeId,
    pub domain: FailureDomainId,
    pub class: StorageClass,
    pub condition: ServiceCondition,
    pub capacity_bytes: u64,
    pub available_bytes: u64,
    pub used_bytes: u64,
    pub blocks: u64,
    pub last_seen: Time,
    /// Observed time of the last report.
    pub seen_ms: u64,
    /// Available bytes when the epoch last grew on their account.
    pub published_bytes: u64,
    /// Capacity when the epoch last grew on its account.
    pub published_capacity_bytes: u64,
}

impl ServiceRecord {
    pub(crate) fn info(&self, service: BlockServiceId) -> BlockServiceInfo {
        BlockServiceInfo {
            service,
            node: self.node,
            domain: self.domain,
            class: self.class,
            state: self.condition.effective(),
            capacity_bytes: self.capacity_bytes,
            available_bytes: self.available_bytes,
            used_bytes: self.used_bytes,
            blocks: self.blocks,
            last_seen: self.last_seen,
        }
    }
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub replicas: Vec<NodeId>,
    pub leader: Option<NodeId>,
}

/// The key of one disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord(pub ServiceKey);

impl Stored for ClusterRecord {
    const WHAT: &'static str = "registry_cluster";
}
impl Stored for NodeRecord {
    const WHAT: &'static str = "registry_nodes";
}
impl Stored for ServiceRecord {
    const WHAT: &'static str = "registry_services";
}
impl Stored for GroupRecord {
    const WHAT: &'static str = "registry_groups";
}
impl Stored for KeyRecord {
    const WHAT: &'static str = "registry_keys";
}
impl Stored for MembersRecord {
    const WHAT: &'static str = "registry_members";
}
impl Stored for IdentityRecord {
    const WHAT: &'static str = "registry_identities";
}

impl Stored for SpaceRecord {
    const WHAT: &'static str = "registry_space";
}

impl Stored for SuccessorRecord {
    const WHAT: &'static str = "registry_successors";
}

/// When blocks were last stored in some way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SchemeRecord {
    pub last_used: Time,
}

impl Stored for SchemeRecord {
    const WHAT: &'static str = "registry_schemes";
}

/// Who takes the place of a process that lost its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SuccessorRecord {
    pub node: NodeId,
    /// Of the new directory.
    pub incarnation: u64,
    pub since: Time,
}

/// How little space a process has for metadata, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpaceRecord {
    pub report: SpaceReport,
    pub since: Time,
}

/// Who votes in a group, as its replicas said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembersRecord {
    /// Index of the log entry of that group that says so.
    pub version: u64,
    pub voters: Vec<NodeId>,
}

/// Whether a name may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IdentityState {
    /// By the directory that claimed it.
    Claimed,
    /// By nobody, ever again.
    Retired,
}

/// Whose name a process's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityRecord {
    /// Of the directory that claimed it; 0 if none ever did.
    pub incarnation: u64,
    pub state: IdentityState,
}

#[cfg(test)]
mod tests {
    use eggs_machine::{from_bytes, to_bytes};
    use eggs_proto::registry::SpaceLevel;
    use eggs_proto::{ProcessRole, ServiceState};
    use expect_test::{Expect, expect};

    use super::*;

    fn check<T: Stored + PartialEq + std::fmt::Debug>(value: &T, expected: Expect) {
        let bytes = to_bytes(value);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.assert_eq(&hex);
        assert_eq!(from_bytes::<T>(&bytes).ok().as_ref(), Some(value));
        for bad in [
            &[][..],
            &bytes[..bytes.len() - 1],
            &[&[9], &bytes[1..]].concat(),
        ] {
            assert!(from_bytes::<T>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bytes_are_pinned() {
        let node = NodeId::new(ProcessRole::Shard, 2);
        let cluster = ClusterRecord {
            epoch: Epoch(1),
            time: Time(2),
            observed_ms: 3,
            office_since_ms: 4,
            office: 5,
            stale_ms: 6,
            nodes: 7,
            services: 8,
        };
        check(&cluster, expect!["010102030405060708"]);
        let process = NodeRecord {
            address: "a".into(),
            started: Time(1),
            last_seen: Time(2),
            seen_ms: 300,
        };
        check(&process, expect!["0101610102ac02"]);
        let service = ServiceRecord {
            node,
            domain: FailureDomainId(1),
            class: StorageClass::Flash,
            condition: ServiceCondition {
                manual: Some(ServiceState::NoWrite),
                io_errors: 10,
                ..ServiceCondition::default()
            },
            capacity_bytes: 2,
            available_bytes: 3,
            used_bytes: 4,
            blocks: 5,
            last_seen: Time(6),
            seen_ms: 7,
            published_bytes: 8,
            published_capacity_bytes: 9,
        };
        check(
            &service,
            expect!["018280808010010101020000000a0203040506070809"],
        );
        let group = GroupRecord {
            replicas: vec![node],
            leader: Some(node),
        };
        check(&group, expect!["01018280808010018280808010"]);
        let members = MembersRecord {
            version: 1,
            voters: vec![node],
        };
        check(&members, expect!["0101018280808010"]);
        let identity = IdentityRecord {
            incarnation: 1,
            state: IdentityState::Retired,
        };
        check(&identity, expect!["010101"]);
        let successor = SuccessorRecord {
            node,
            incarnation: 1,
            since: Time(2),
        };
        check(&successor, expect!["0182808080100102"]);
        check(
            &SchemeRecord {
                last_used: Time(300),
            },
            expect!["01ac02"],
        );
        let space = SpaceRecord {
            report: SpaceReport {
                level: SpaceLevel::Critical,
                available_bytes: 3,
                capacity_bytes: 4,
            },
            since: Time(5),
        };
        check(&space, expect!["0102030405"]);
    }
}
