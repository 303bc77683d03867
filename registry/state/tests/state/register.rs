//! What may be registered, and what comes of it.

use eggs_proto::{
    BlockServiceId, FailureDomainId, GroupId, InvalidArgument, NodeId, ProcessRole, Refusal,
    RequestId, ServiceKey, ServiceState, StorageClass, encode,
};
use eggs_registry_state::{RegistryCommand, knows, service_keys};

use crate::support::{
    self, Registry, blocks, blocks_beat, blocks_registration, disk, hdd, replica_registration,
    replicas, shard_node,
};

#[test]
fn processes_groups_and_disks_appear_on_the_map() {
    let mut registry = Registry::new();
    registry.register(blocks_registration(3));
    registry.register(replica_registration(shard_node(0), &[GroupId(7)]));
    let map = registry.view().map;
    assert_eq!(map.nodes.len(), 2);
    assert_eq!(map.node(blocks(3)).unwrap().address, "127.0.0.1:20003");
    let service = map.service(hdd(3)).unwrap();
    assert_eq!(service.domain, FailureDomainId(3));
    assert_eq!(service.state, ServiceState::Active);
    assert_eq!(
        service.available_bytes, 0,
        "nothing is placed before a report"
    );
    assert_eq!(map.groups.len(), 258);
    assert_eq!(map.groups[7].replicas, replicas(ProcessRole::Shard));
    assert!(map.groups[8].replicas.is_empty());
}

#[test]
fn keys_are_kept_apart_from_the_map() {
    let mut registry = Registry::new();
    registry.register(blocks_registration(40));
    let keys = service_keys(&registry.store).unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], (hdd(40), ServiceKey::new([80; 32])));
    let map = encode(&registry.view().map);
    assert!(!map.windows(32).any(|window| window == [80; 32]));
}

#[test]
fn a_disk_name_belongs_to_its_key() {
    let mut registry = Registry::new();
    registry.register(blocks_registration(1));
    let before = registry.view();
    let mut thief = blocks_registration(2);
    thief.services = vec![disk(BlockServiceId(99), 2, StorageClass::Hdd), {
        let mut stolen = disk(hdd(1), 2, StorageClass::Hdd);
        stolen.key = ServiceKey::new([7; 32]);
        stolen
    }];
    let refusal = registry.refusal(&RegistryCommand::RegisterNode(thief));
    assert_eq!(refusal, Refusal::Exists);
    let after = registry.view();
    assert_eq!(before, after, "nothing of a refused registration stays");
}

#[test]
fn a_disk_may_move_to_another_host() {
    let mut registry = Registry::new();
    registry.register(blocks_registration(1));
    let epoch = registry.epoch();
    let mut moved = blocks_registration(2);
    moved.services = vec![disk(hdd(1), 2, StorageClass::Hdd)];
    registry.register(moved);
    assert!(registry.epoch() > epoch);
    let map = registry.view().map;
    assert_eq!(map.service(hdd(1)).unwrap().node, blocks(2));
    let of_old_host = [support::report(hdd(1))];
    assert!(!knows(&registry.store, blocks(1), &of_old_host).unwrap());
    assert!(knows(&registry.store, blocks(2), &of_old_host).unwrap());
}

#[test]
fn nonsense_is_refused() {
    let good = || replica_registration(shard_node(0), &[GroupId(7)]);
    let mut cases = Vec::new();
    for address in [
        "",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:0",
        "host:80",
        "127.0.0.1:99999",
    ] {
        let mut bad = good();
        bad.address = address.into();
        cases.push((format!("address {address:?}"), bad));
    }
    for (what, group, members) in [
        ("no such group", GroupId(258), replicas(ProcessRole::Shard)),
        ("another role", GroupId(7), replicas(ProcessRole::Cdc)),
        (
            "a shard in the CDC",
            GroupId::CDC,
            replicas(ProcessRole::Shard),
        ),
        ("not a member", GroupId(7), vec![shard_node(1)]),
        ("twice", GroupId(7), vec![shard_node(0), shard_node(0)]),
        ("too many", GroupId(7), (0..10).map(shard_node).collect()),
    ] {
        let mut bad = good();
        bad.groups = vec![(group, members)];
        cases.push((what.into(), bad));
    }
    let mut bad = good();
    bad.services = blocks_registration(0).services;
    cases.push(("disks of a shard process".into(), bad));
    let mut bad = blocks_registration(0);
    bad.services = vec![bad.services[0].clone(); 257];
    cases.push(("too many disks".into(), bad));
    let mut bad = blocks_registration(0);
    bad.services = vec![];
    bad.node = NodeId::new(ProcessRole::Client, 1);
    cases.push(("a client".into(), bad));
    let mut bad = good();
    bad.groups = vec![bad.groups[0].clone(); 259];
    cases.push(("too many groups".into(), bad));

    let mut registry = Registry::new();
    for (what, bad) in cases {
        let refusal = registry.refusal(&RegistryCommand::RegisterNode(bad));
        assert!(
            matches!(refusal, Refusal::Invalid(_)),
            "{what}: {refusal:?}"
        );
        assert_eq!(registry.epoch(), 0, "{what}");
        assert!(registry.view().map.nodes.is_empty(), "{what}");
    }
    registry.register(good());
}

#[test]
fn registering_again_is_no_news_and_a_retry_is_not_applied() {
    let mut registry = Registry::new();
    let body = encode(&RegistryCommand::RegisterNode(blocks_registration(1)));
    let id = RequestId {
        client: 1,
        sequence: 1,
    };
    registry.apply(Some(id), body.clone()).unwrap();
    registry.observe(0, vec![blocks_beat(1)]);
    let before = registry.view();
    registry.apply(Some(id), body.clone()).unwrap();
    assert_eq!(registry.view(), before, "a retry changes nothing");
    let id = RequestId {
        client: 1,
        sequence: 2,
    };
    registry.apply(Some(id), body).unwrap();
    let after = registry.view();
    assert_eq!(
        after.map.epoch, before.map.epoch,
        "clients need not hear of a restart"
    );
    assert!(after.map.nodes[0].started > before.map.nodes[0].started);
    assert_eq!(
        after.map.services[0].capacity_bytes,
        before.map.services[0].capacity_bytes
    );
}

#[test]
fn states_are_set_by_hand() {
    let mut registry = Registry::new();
    registry.register(blocks_registration(1));
    let set = |service, state| RegistryCommand::SetServiceState { service, state };
    let epoch = registry.epoch();
    registry
        .command(&set(hdd(1), ServiceState::Decommissioned))
        .unwrap();
    let map = registry.view().map;
    assert_eq!(
        map.service(hdd(1)).unwrap().state,
        ServiceState::Decommissioned
    );
    assert_eq!(map.epoch.0, epoch + 1);
    registry
        .command(&set(hdd(1), ServiceState::Decommissioned))
        .unwrap();
    assert_eq!(registry.epoch(), epoch + 1);
    registry
        .command(&set(hdd(1), ServiceState::Active))
        .unwrap();
    assert_eq!(registry.epoch(), epoch + 2);
    assert_eq!(
        registry.refusal(&set(hdd(1), ServiceState::Stale)),
        Refusal::Invalid(InvalidArgument::Range)
    );
    assert_eq!(
        registry.refusal(&set(BlockServiceId(77), ServiceState::NoRead)),
        Refusal::NotFound
    );
}
