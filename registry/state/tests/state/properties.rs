//! Any commands whatever: the epoch is honest, replicas agree, nothing panics.

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::registry::{DiskPace, Latency, SchemeInUse, ServiceReport};
use eggs_proto::{
    BlockServiceId, ClusterMap, GroupId, NodeId, ProcessRole, Scheme, ServiceState, StorageClass,
    Time, encode,
};
use eggs_registry_state::{
    Beat, ClusterView, Fill, Observation, RegistryCommand, RegistryMachine, SlowRules, Timed,
    Totals, health,
};
use proptest::prelude::*;

use crate::support::{blocks, blocks_registration, hdd, replica_registration, shard_node};

fn report() -> impl Strategy<Value = ServiceReport> {
    (0..8u64, prop_oneof![0..100u64, Just(50u64)], any::<bool>()).prop_map(
        |(service, available_bytes, fenced)| ServiceReport {
            service: BlockServiceId(service),
            capacity_bytes: 100,
            available_bytes,
            used_bytes: 1,
            blocks: 1,
            io_errors: u64::from(fenced),
            fenced,
        },
    )
}

fn beat() -> impl Strategy<Value = Beat> {
    let node = prop_oneof![(0..4u32).prop_map(blocks), (0..4u32).prop_map(shard_node)];
    let leads = proptest::collection::vec((0..3u16).prop_map(GroupId), 0..3);
    (node, leads, proptest::collection::vec(report(), 0..3)).prop_map(|(node, leads, services)| {
        Beat {
            node,
            leads,
            services,
        }
    })
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    let states = prop_oneof![
        Just(ServiceState::Active),
        Just(ServiceState::NoRead),
        Just(ServiceState::NoWrite),
        Just(ServiceState::Stale),
        Just(ServiceState::Decommissioned),
    ];
    let register_blocks = (0..4u32, 0..4u32).prop_map(|(node, disks)| {
        let mut registration = blocks_registration(node);
        registration.services = blocks_registration(disks).services;
        RegistryCommand::RegisterNode(registration)
    });
    let register_shard = (0..4u32, 0..3u16).prop_map(|(node, group)| {
        RegistryCommand::RegisterNode(replica_registration(shard_node(node), &[GroupId(group)]))
    });
    let set = (0..8u64, states).prop_map(|(service, state)| RegistryCommand::SetServiceState {
        service: BlockServiceId(service),
        state,
    });
    let observe = (0..3u64, 0..6000u64, proptest::collection::vec(beat(), 0..4)).prop_map(
        |(office, elapsed_ms, beats)| {
            RegistryCommand::Observe(Observation {
                office,
                elapsed_ms,
                stale_ms: 3000,
                beats,
            })
        },
    );
    let pace = (0..8u64, 0..4u32, 0..4u32).prop_map(|(service, reads, writes)| {
        let latency = |log: u32| Latency {
            count: 20,
            p95_us: 100u32.pow(log),
            ..Latency::default()
        };
        DiskPace {
            service: BlockServiceId(service),
            reads: latency(reads),
            writes: latency(writes),
        }
    });
    let timed = (
        (0..4u32).prop_map(blocks),
        proptest::collection::vec(pace, 0..6),
    )
        .prop_map(|(node, disks)| Timed { node, disks });
    let judge = proptest::collection::vec(timed, 0..4).prop_map(|timed| RegistryCommand::Judge {
        rules: SlowRules {
            slow_after_ms: 1000,
            well_after_ms: 2000,
            floor_us: 10,
            times: 2,
            samples_min: 1,
        },
        timed,
    });
    let used = (any::<bool>(), 1..12u8, 0..6u8).prop_map(|(flash, data, parity)| SchemeInUse {
        class: if flash {
            StorageClass::Flash
        } else {
            StorageClass::Hdd
        },
        scheme: Scheme { data, parity },
    });
    let note = (
        (0..4u32).prop_map(shard_node),
        proptest::collection::vec(used, 0..4),
    );
    let note = note.prop_map(|(node, in_use)| RegistryCommand::NoteSchemes { node, in_use });
    prop_oneof![
        1 => note.prop_map(|command| encode(&command)),
        3 => judge.prop_map(|command| encode(&command)),
        2 => register_blocks.prop_map(|command| encode(&command)),
        1 => register_shard.prop_map(|command| encode(&command)),
        1 => set.prop_map(|command| encode(&command)),
        6 => observe.prop_map(|command| encode(&command)),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

/// What a client acts upon.
fn what_matters(map: &ClusterMap) -> ClusterMap {
    let mut map = map.clone();
    map.epoch = Default::default();
    map.time = Time(0);
    for node in &mut map.nodes {
        node.last_seen = Time(0);
        node.started = Time(0);
    }
    for service in &mut map.services {
        service.last_seen = Time(0);
        service.available_bytes = Fill::of(service.capacity_bytes, service.available_bytes) as u64;
        service.used_bytes = 0;
        service.blocks = 0;
    }
    map
}

fn apply(store: &mut MemoryStore, now: u64, body: &[u8]) {
    let header = CommandHeader {
        now: Time(now),
        request: None,
    };
    let commands = vec![Command {
        header,
        body: body.to_vec(),
    }];
    let applied = apply_entry(&RegistryMachine, store, &Entry { commands }).unwrap();
    store.commit(&applied.changes);
}

proptest! {
    #[test]
    fn the_epoch_is_honest(commands in proptest::collection::vec((0..5000u64, command()), 1..60)) {
        let (mut store, mut replica) = (MemoryStore::default(), MemoryStore::default());
        let mut before = ClusterView::default();
        before.map.groups = ClusterView::read(&store).unwrap().map.groups;
        for (now, body) in &commands {
            apply(&mut store, *now, body);
            let after = ClusterView::read(&store).unwrap();
            prop_assert!(after.map.epoch >= before.map.epoch);
            if what_matters(&after.map) != what_matters(&before.map) {
                prop_assert!(after.map.epoch > before.map.epoch, "a silent change");
            }
            // Applying the same heartbeats at once again says nothing new.
            let mut again = store.clone();
            if let Ok(RegistryCommand::Observe(observation)) = eggs_proto::decode(body) {
                let repeated = Observation { elapsed_ms: 0, ..observation };
                let repeated = encode(&RegistryCommand::Observe(repeated));
                apply(&mut again, *now, &repeated);
                let again = ClusterView::read(&again).unwrap();
                prop_assert_eq!(again.map.epoch, after.map.epoch);
            }
            let health = health(&after);
            prop_assert!(health.findings.iter().all(|finding| finding.severity <= health.severity));
            prop_assert!(Totals::of(&after.map).available_bytes() <= Totals::of(&after.map).capacity_bytes());
            before = after;
        }
        for (now, body) in &commands {
            apply(&mut replica, *now, body);
        }
        prop_assert_eq!(store, replica);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut store = MemoryStore::default();
        apply(&mut store, 1, &bytes);
    }
}

#[test]
fn ids_of_the_strategies_exist() {
    assert_eq!(hdd(3), BlockServiceId(6));
    assert_eq!(blocks(1), NodeId::new(ProcessRole::Blocks, 1));
}
