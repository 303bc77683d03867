//! Who may act as a process, who votes in a group, and who has left.

use eggs_proto::meta::GroupMembers;
use eggs_proto::{GroupId, NodeId, ProcessRole, Refusal};
use eggs_registry_state::RegistryCommand;

use crate::support::{Registry, blocks, replica_registration, shard_node};

const GROUP: GroupId = GroupId(7);

fn claim(index: u32, incarnation: u64) -> RegistryCommand {
    let node = shard_node(index);
    RegistryCommand::Claim { node, incarnation }
}

fn said(version: u64, voters: &[u32]) -> RegistryCommand {
    RegistryCommand::NoteMembers(vec![GroupMembers {
        group: GROUP,
        version,
        voters: voters.iter().copied().map(shard_node).collect(),
    }])
}

fn accept(registry: &mut Registry, command: RegistryCommand) {
    registry.command(&command).unwrap();
}

fn replicas(registry: &Registry) -> Vec<u32> {
    let group = &registry.view().map.groups[usize::from(GROUP.0)];
    group.replicas.iter().map(|node| node.index()).collect()
}

fn registered(indexes: std::ops::Range<u32>) -> Registry {
    let mut registry = Registry::new();
    for index in indexes {
        let registration = replica_registration(shard_node(index), &[]);
        accept(&mut registry, RegistryCommand::RegisterNode(registration));
    }
    registry
}

#[test]
fn a_name_belongs_to_one_directory_for_ever() {
    let mut registry = Registry::new();
    accept(&mut registry, claim(0, 11));
    accept(&mut registry, claim(0, 11));
    assert_eq!(registry.refusal(&claim(0, 12)), Refusal::Exists);
    accept(&mut registry, claim(1, 12));
    accept(&mut registry, claim(0, 11));
    let disks = RegistryCommand::Claim {
        node: blocks(1),
        incarnation: 1,
    };
    assert!(matches!(registry.refusal(&disks), Refusal::Invalid(_)));
}

#[test]
fn what_a_group_has_decided_last_counts() {
    let mut registry = registered(0..4);
    accept(&mut registry, said(5, &[0, 1, 2]));
    assert_eq!(replicas(&registry), [0, 1, 2]);
    accept(&mut registry, said(9, &[1, 2, 3]));
    let epoch = registry.view().map.epoch;
    accept(&mut registry, said(5, &[0, 1, 2])); // late
    accept(&mut registry, said(9, &[1, 2, 3])); // again
    // What a process was told when it was started, long ago.
    let stale = replica_registration(shard_node(0), &[GROUP]);
    accept(&mut registry, RegistryCommand::RegisterNode(stale));
    assert_eq!(replicas(&registry), [1, 2, 3]);
    assert_eq!(registry.view().map.epoch, epoch);
    for bad in [&[][..], &[2, 1], &[1, 1]] {
        assert!(matches!(
            registry.refusal(&said(10, bad)),
            Refusal::Invalid(_)
        ));
    }
    let foreign = RegistryCommand::NoteMembers(vec![GroupMembers {
        group: GROUP,
        version: 10,
        voters: vec![NodeId::new(ProcessRole::Cdc, 0)],
    }]);
    assert!(matches!(registry.refusal(&foreign), Refusal::Invalid(_)));
    assert_eq!(replicas(&registry), [1, 2, 3]);
}

#[test]
fn only_who_votes_nowhere_retires_and_nobody_comes_back() {
    let mut registry = registered(0..4);
    accept(&mut registry, claim(0, 11));
    accept(&mut registry, said(5, &[0, 1, 2]));
    let retire = RegistryCommand::Retire {
        node: shard_node(0),
    };
    assert_eq!(registry.refusal(&retire), Refusal::NotEmpty);
    accept(&mut registry, said(6, &[1, 2, 3]));
    accept(&mut registry, retire.clone());
    accept(&mut registry, retire);
    assert!(registry.view().map.node(shard_node(0)).is_none());
    assert_eq!(registry.refusal(&claim(0, 11)), Refusal::Exists);
    let again = RegistryCommand::RegisterNode(replica_registration(shard_node(0), &[]));
    assert_eq!(registry.refusal(&again), Refusal::Exists);
    let stranger = RegistryCommand::Retire {
        node: shard_node(9),
    };
    assert_eq!(registry.refusal(&stranger), Refusal::NotFound);
}
