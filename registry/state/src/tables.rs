//! Tables, their keys, and how values are written.
//!
//! Keys are big-endian ids.

use std::ops::ControlFlow;

use eggs_machine::{
    Fault, Scan, ScanDirection, Store, StoreRead, Stored, Table, TableSpec, from_bytes, to_bytes,
};
use eggs_proto::registry::SchemeInUse;
use eggs_proto::{BlockServiceId, GroupId, NodeId, Scheme, StorageClass};

/// One [`crate::record::ClusterRecord`] under the empty key.
pub(crate) const CLUSTER: Table = Table(16);
/// Process → [`crate::record::NodeRecord`].
pub(crate) const NODES: Table = Table(17);
/// Disk → [`crate::record::ServiceRecord`].
pub(crate) const SERVICES: Table = Table(18);
/// Group → [`crate::record::GroupRecord`].
pub(crate) const GROUPS: Table = Table(19);
/// Disk → [`crate::record::KeyRecord`].
pub(crate) const KEYS: Table = Table(20);

/// Group → [`crate::record::MembersRecord`].
pub(crate) const MEMBERS: Table = Table(21);
/// Process → [`crate::record::IdentityRecord`].
pub(crate) const IDENTITIES: Table = Table(22);
/// Process with little space for metadata → [`crate::record::SpaceRecord`].
pub(crate) const SPACE: Table = Table(23);
/// Disk that was timed → [`crate::pace::Pace`].
pub(crate) const PACES: Table = Table(24);

/// Process that lost its directory → [`crate::record::SuccessorRecord`].
pub(crate) const SUCCESSORS: Table = Table(25);

/// Way to store blocks → [`crate::record::SchemeRecord`].
pub(crate) const SCHEMES: Table = Table(26);

/// The tables of the registry.
pub const TABLES: [TableSpec; 11] = [
    TableSpec {
        table: CLUSTER,
        name: "registry_cluster",
    },
    TableSpec {
        table: NODES,
        name: "registry_nodes",
    },
    TableSpec {
        table: SERVICES,
        name: "registry_services",
    },
    TableSpec {
        table: GROUPS,
        name: "registry_groups",
    },
    TableSpec {
        table: KEYS,
        name: "registry_keys",
    },
    TableSpec {
        table: MEMBERS,
        name: "registry_members",
    },
    TableSpec {
        table: IDENTITIES,
        name: "registry_identities",
    },
    TableSpec {
        table: SPACE,
        name: "registry_space",
    },
    TableSpec {
        table: PACES,
        name: "registry_paces",
    },
    TableSpec {
        table: SUCCESSORS,
        name: "registry_successors",
    },
    TableSpec {
        table: SCHEMES,
        name: "registry_schemes",
    },
];

/// An id as the key of a table.
pub(crate) trait Key: Copy {
    /// Writes it.
    fn bytes(self) -> Vec<u8>;
    /// Reads it.
    fn parse(bytes: &[u8]) -> Option<Self>;
}

impl Key for () {
    fn bytes(self) -> Vec<u8> {
        Vec::new()
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Key for NodeId {
    fn bytes(self) -> Vec<u8> {
        self.get().to_be_bytes().to_vec()
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        Self::from_u64(u64::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Key for BlockServiceId {
    fn bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl Key for GroupId {
    fn bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self(u16::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// Class, data blocks, parity blocks: a byte each.
impl Key for SchemeInUse {
    fn bytes(self) -> Vec<u8> {
        let class = match self.class {
            StorageClass::Hdd => 0,
            StorageClass::Flash => 1,
        };
        vec![class, self.scheme.data, self.scheme.parity]
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [class, data, parity] = bytes.try_into().ok()?;
        let class = match class {
            0 => StorageClass::Hdd,
            1 => StorageClass::Flash,
            _ => return None,
        };
        let scheme = Scheme::new(data, parity)?;
        Some(Self { class, scheme })
    }
}

/// Reads a value.
pub(crate) fn get<K: Key, V: Stored>(
    store: &dyn StoreRead,
    table: Table,
    key: K,
) -> Result<Option<V>, Fault> {
    let value = store.get(table, &key.bytes())?;
    value.map(|bytes| from_bytes(&bytes)).transpose()
}

/// Writes a value.
pub(crate) fn put<K: Key, V: Stored>(store: &mut dyn Store, table: Table, key: K, value: &V) {
    store.put(table, &key.bytes(), &to_bytes(value));
}

/// Removes a value.
pub(crate) fn remove<K: Key>(store: &mut dyn Store, table: Table, key: K) {
    store.delete(table, &key.bytes());
}

/// Reads a whole table in order of its keys.
pub(crate) fn list<K: Key, V: Stored>(
    store: &dyn StoreRead,
    table: Table,
) -> Result<Vec<(K, V)>, Fault> {
    let scan = Scan {
        table,
        from: &[],
        until: None,
        direction: ScanDirection::Forward,
    };
    let mut entries = Vec::new();
    let mut failed = None;
    store.scan(
        scan,
        &mut |key, value| match read_entry(table, key, value) {
            Ok(entry) => {
                entries.push(entry);
                ControlFlow::Continue(())
            }
            Err(fault) => {
                failed = Some(fault);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(entries), Err)
}

fn read_entry<K: Key, V: Stored>(table: Table, key: &[u8], value: &[u8]) -> Result<(K, V), Fault> {
    let parsed = K::parse(key).ok_or_else(|| {
        Fault::Damaged(format!("a key of registry table {} is malformed", table.0))
    })?;
    Ok((parsed, from_bytes(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::GroupRecord;
    use eggs_machine::MemoryStore;
    use eggs_proto::ProcessRole;

    #[test]
    fn keys_are_big_endian_ids() {
        assert_eq!(
            NodeId::new(ProcessRole::Blocks, 2).bytes(),
            [0, 0, 0, 3, 0, 0, 0, 2]
        );
        assert_eq!(BlockServiceId(258).bytes(), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(GroupId(256).bytes(), [1, 0]);
        assert_eq!(GroupId::parse(&[1, 0]), Some(GroupId(256)));
        assert_eq!(GroupId::parse(&[1]), None);
        let used = SchemeInUse {
            class: StorageClass::Flash,
            scheme: Scheme {
                data: 10,
                parity: 4,
            },
        };
        assert_eq!(used.bytes(), [1, 10, 4]);
        assert_eq!(SchemeInUse::parse(&[1, 10, 4]), Some(used));
        for bad in [&[2, 10, 4][..], &[1, 0, 4], &[1, 10, 17], &[1, 10]] {
            assert_eq!(SchemeInUse::parse(bad), None);
        }
    }

    #[test]
    fn damage_is_a_fault() {
        let mut store = MemoryStore::default();
        for bad in [&[][..], &[2, 1], &[1]] {
            store.put(GROUPS, &[0, 1], bad);
            let read: Result<Vec<(GroupId, GroupRecord)>, Fault> = list(&store, GROUPS);
            assert!(matches!(read, Err(Fault::Damaged(_))), "{bad:?}");
        }
    }
}
