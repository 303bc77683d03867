//! A process that lost its directory gets a new name, and nobody comes back under the old one.

use eggs_proto::meta::GroupMembers;
use eggs_proto::registry::{RegistryReply, Succession, SuccessionWait};
use eggs_proto::{GroupId, NodeId, ProcessRole, Refusal};
use eggs_registry_state::{Beat, RegistryCommand, SUCCESSION_PAUSE_MS, health};

use crate::support::{Registry, replica_beat, replica_registration, shard_node};

const GROUP: GroupId = GroupId(7);
const SILENCE_S: u64 = 12;

fn next(index: u32) -> NodeId {
    shard_node(index).successor().unwrap()
}

fn beats(of: &[NodeId]) -> Vec<Beat> {
    of.iter().map(|node| replica_beat(*node, &[])).collect()
}

fn said(registry: &mut Registry, version: u64, voters: &[NodeId]) {
    let voters = voters.to_vec();
    let members = GroupMembers {
        group: GROUP,
        version,
        voters,
    };
    let command = RegistryCommand::NoteMembers(vec![members]);
    registry.command(&command).unwrap();
}

/// Three processes with a group, everybody bound to a directory (10, 11, 12) and heard of.
fn three() -> Registry {
    let mut registry = Registry::new();
    let nodes: Vec<NodeId> = (0..3).map(shard_node).collect();
    for node in &nodes {
        let incarnation = 10 + u64::from(node.index());
        let node = *node;
        let claim = RegistryCommand::Claim { node, incarnation };
        registry.command(&claim).unwrap();
        let registration = replica_registration(node, &[]);
        let register = RegistryCommand::RegisterNode(registration);
        registry.command(&register).unwrap();
    }
    said(&mut registry, 5, &nodes);
    registry.seconds(3, &beats(&nodes));
    registry
}

fn ask(was: Option<u64>, incarnation: u64) -> RegistryCommand {
    let node = shard_node(0);
    RegistryCommand::Succeed {
        node,
        was,
        incarnation,
    }
}

fn succeed(registry: &mut Registry, was: Option<u64>, incarnation: u64) -> Succession {
    match registry.command(&ask(was, incarnation)).unwrap() {
        RegistryReply::Succession(succession) => succession,
        other => panic!("{other:?}"),
    }
}

fn named(node: NodeId, places: &[NodeId]) -> Succession {
    let places = places.to_vec();
    Succession::Named { node, places }
}

#[test]
fn a_damaged_directory_gets_a_new_name_at_once_and_never_acts_again() {
    let mut registry = three();
    let first = named(next(0), &[shard_node(0)]);
    assert_eq!(succeed(&mut registry, Some(10), 100), first);
    assert_eq!(succeed(&mut registry, Some(10), 100), first, "a repeat");
    for incarnation in [10, 100] {
        let node = shard_node(0);
        let claim = RegistryCommand::Claim { node, incarnation };
        assert_eq!(registry.refusal(&claim), Refusal::Exists);
    }
    let again = RegistryCommand::RegisterNode(replica_registration(shard_node(0), &[]));
    assert_eq!(registry.refusal(&again), Refusal::Exists);
    // Under its new name it is there, and takes its place.
    let (node, incarnation) = (next(0), 100);
    let claim = RegistryCommand::Claim { node, incarnation };
    registry.command(&claim).unwrap();
    let lost = registry.view().lost;
    assert_eq!(lost, [(shard_node(0), next(0))]);
    let found = health(&registry.view()).findings;
    assert!(found.iter().any(|f| f.code == "REPLICA_REBUILDING"));
    said(&mut registry, 6, &[shard_node(1), shard_node(2), next(0)]);
    let retire = RegistryCommand::Retire {
        node: shard_node(0),
    };
    registry.command(&retire).unwrap();
    assert!(registry.view().lost.is_empty());
    assert_eq!(succeed(&mut registry, Some(10), 100), named(next(0), &[]));
}

#[test]
fn an_empty_directory_waits_until_nobody_acts_as_the_process() {
    let mut registry = three();
    let heard = Succession::Waits(SuccessionWait::Heard(shard_node(0)));
    assert_eq!(succeed(&mut registry, None, 100), heard);
    let others = beats(&[shard_node(1), shard_node(2)]);
    registry.seconds(SILENCE_S, &others);
    let first = named(next(0), &[shard_node(0)]);
    assert_eq!(succeed(&mut registry, None, 100), first);
}

#[test]
fn who_is_not_the_one_that_was_bound_gets_nothing() {
    let mut registry = three();
    assert_eq!(registry.refusal(&ask(Some(99), 100)), Refusal::Exists);
    assert_eq!(registry.refusal(&ask(None, 10)), Refusal::Exists); // nothing is lost
    let stranger = RegistryCommand::Succeed {
        node: shard_node(9),
        was: None,
        incarnation: 1,
    };
    assert_eq!(registry.refusal(&stranger), Refusal::NotFound);
    for role in [ProcessRole::Gc, ProcessRole::Blocks] {
        let command = RegistryCommand::Succeed {
            node: NodeId::new(role, 0),
            was: None,
            incarnation: 1,
        };
        assert!(matches!(registry.refusal(&command), Refusal::Invalid(_)));
    }
    // Another directory asks for a place that has been taken already.
    succeed(&mut registry, Some(10), 100);
    assert_eq!(registry.refusal(&ask(Some(10), 101)), Refusal::Exists);
    // A person has replaced it.
    let mut registry = three();
    said(&mut registry, 6, &[shard_node(1), shard_node(2)]);
    let retire = RegistryCommand::Retire {
        node: shard_node(0),
    };
    registry.command(&retire).unwrap();
    assert_eq!(registry.refusal(&ask(Some(10), 100)), Refusal::Exists);
}

#[test]
fn never_two_of_a_group_and_never_without_a_majority() {
    let mut registry = three();
    let node = shard_node(1);
    let other = RegistryCommand::Succeed {
        node,
        was: Some(11),
        incarnation: 111,
    };
    registry.command(&other).unwrap();
    let waits = Succession::Waits(SuccessionWait::Rebuilding(node));
    assert_eq!(succeed(&mut registry, Some(10), 100), waits);
    said(&mut registry, 6, &[shard_node(0), shard_node(2), next(1)]);
    // The new one has not been heard of yet.
    let waits = Succession::Waits(SuccessionWait::NoMajority(GROUP));
    assert_eq!(succeed(&mut registry, Some(10), 100), waits);
    let register = RegistryCommand::RegisterNode(replica_registration(next(1), &[]));
    registry.command(&register).unwrap();
    registry.seconds(2, &beats(&[shard_node(2), next(1)]));
    let first = named(next(0), &[shard_node(0)]);
    assert_eq!(succeed(&mut registry, Some(10), 100), first);
    // Of those who are silent nothing is known: a leader of the registry that has just taken office has to hear them.
    let mut registry = three();
    registry.office += 1;
    registry.observe(0, vec![]);
    assert_eq!(succeed(&mut registry, Some(10), 100), waits);
    registry.seconds(2, &beats(&[shard_node(1), shard_node(2)]));
    assert_eq!(succeed(&mut registry, Some(10), 100), first);
}

#[test]
fn a_disk_that_fails_again_and_again_is_not_filled_again_and_again() {
    let mut registry = three();
    succeed(&mut registry, Some(10), 100);
    let register = RegistryCommand::RegisterNode(replica_registration(next(0), &[]));
    registry.command(&register).unwrap();
    let others = [shard_node(1), shard_node(2)];
    // In the middle of it the next directory is lost, too.
    registry.seconds(SILENCE_S, &beats(&others));
    let too_soon = succeed(&mut registry, None, 200);
    assert!(matches!(
        too_soon,
        Succession::Waits(SuccessionWait::TooSoon { ms }) if ms < SUCCESSION_PAUSE_MS
    ));
    registry.seconds(SUCCESSION_PAUSE_MS / 1000, &beats(&others));
    let third = next(0).successor().unwrap();
    let both = named(third, &[shard_node(0), next(0)]);
    assert_eq!(succeed(&mut registry, None, 200), both);
    // The second has nothing to say any more.
    assert_eq!(registry.refusal(&ask(Some(10), 100)), Refusal::Exists);
}

const fn shuckle(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Registry, index)
}

fn members_are(registry: &mut Registry, version: u64, voters: &[NodeId]) {
    let mut voters = voters.to_vec();
    voters.sort();
    let members = GroupMembers {
        group: GroupId::REGISTRY,
        version,
        voters,
    };
    let command = RegistryCommand::NoteMembers(vec![members]);
    registry.command(&command).unwrap();
}

fn appears(registry: &mut Registry, node: NodeId) {
    let registration = replica_registration(node, &[]);
    let register = RegistryCommand::RegisterNode(registration);
    registry.command(&register).unwrap();
}

/// Processes of the registry, bound to directories (10, 11, …), members, and heard of.
fn itself(count: u32) -> (Registry, Vec<NodeId>) {
    let mut registry = Registry::new();
    let nodes: Vec<NodeId> = (0..count).map(shuckle).collect();
    for node in nodes.iter().copied() {
        let incarnation = 10 + u64::from(node.index());
        let claim = RegistryCommand::Claim { node, incarnation };
        registry.command(&claim).unwrap();
        appears(&mut registry, node);
    }
    members_are(&mut registry, 5, &nodes);
    registry.seconds(3, &beats(&nodes));
    (registry, nodes)
}

fn shuckle_succeeds(
    registry: &mut Registry,
    index: u32,
    (was, incarnation): (Option<u64>, u64),
) -> Succession {
    let command = RegistryCommand::Succeed {
        node: shuckle(index),
        was,
        incarnation,
    };
    match registry.command(&command).unwrap() {
        RegistryReply::Succession(succession) => succession,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_registry_names_its_own_processes_one_at_a_time() {
    let (mut registry, nodes) = itself(3);
    let heard = Succession::Waits(SuccessionWait::Heard(shuckle(1)));
    assert_eq!(shuckle_succeeds(&mut registry, 1, (None, 100)), heard);
    registry.seconds(SILENCE_S, &beats(&[nodes[0], nodes[2]]));
    let heir = shuckle(1).successor().unwrap();
    let first = named(heir, &[shuckle(1)]);
    assert_eq!(shuckle_succeeds(&mut registry, 1, (None, 100)), first);
    for incarnation in [11, 100] {
        let node = shuckle(1);
        let claim = RegistryCommand::Claim { node, incarnation };
        assert_eq!(registry.refusal(&claim), Refusal::Exists);
    }
    // Until it has its place, nobody else of the registry may lose theirs, also with damaged directories.
    let waits = Succession::Waits(SuccessionWait::Rebuilding(shuckle(1)));
    assert_eq!(shuckle_succeeds(&mut registry, 0, (Some(10), 101)), waits);
    appears(&mut registry, heir);
    members_are(&mut registry, 6, &[nodes[0], nodes[2], heir]);
    registry.seconds(2, &beats(&[nodes[0], nodes[2], heir]));
    let second = named(shuckle(0).successor().unwrap(), &[shuckle(0)]);
    assert_eq!(shuckle_succeeds(&mut registry, 0, (Some(10), 101)), second);
    // The same place again has to wait.
    members_are(&mut registry, 7, &[nodes[2], heir, shuckle(1_000_000)]);
    appears(&mut registry, shuckle(1_000_000));
    registry.seconds(SILENCE_S, &beats(&[nodes[2], shuckle(1_000_000)]));
    let again = shuckle_succeeds(&mut registry, 1, (None, 200));
    assert!(
        matches!(
            again,
            Succession::Waits(SuccessionWait::TooSoon { ms }) if ms < SUCCESSION_PAUSE_MS
        ),
        "{again:?}"
    );
}

#[test]
fn the_registry_gives_up_no_process_that_it_needs() {
    let no_majority = Succession::Waits(SuccessionWait::NoMajority(GroupId::REGISTRY));
    // The last copy; two of three that are silent; members that are not known yet.
    let (mut registry, _) = itself(1);
    assert_eq!(
        shuckle_succeeds(&mut registry, 0, (Some(10), 100)),
        no_majority
    );
    let (mut registry, nodes) = itself(3);
    registry.seconds(SILENCE_S, &beats(&nodes[..1]));
    assert_eq!(
        shuckle_succeeds(&mut registry, 1, (Some(11), 100)),
        no_majority
    );
    let mut registry = Registry::new();
    for index in 0..3 {
        let (node, incarnation) = (shuckle(index), 10 + u64::from(index));
        let claim = RegistryCommand::Claim { node, incarnation };
        registry.command(&claim).unwrap();
        appears(&mut registry, node);
    }
    registry.seconds(3, &beats(&nodes));
    assert_eq!(
        shuckle_succeeds(&mut registry, 1, (Some(11), 100)),
        no_majority
    );
    members_are(&mut registry, 5, &nodes);
    let heir = named(shuckle(1).successor().unwrap(), &[shuckle(1)]);
    assert_eq!(shuckle_succeeds(&mut registry, 1, (Some(11), 100)), heir);
}
