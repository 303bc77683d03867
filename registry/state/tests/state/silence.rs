//! Silence is counted while somebody listens, and makes stale; being heard again heals.

use eggs_proto::{BlockServiceId, GroupId, ServiceState};
use eggs_registry_state::{Beat, ELAPSED_MS_MAX, RegistryCommand};

use crate::support::{
    self, Registry, blocks, blocks_beat, blocks_registration, hdd, replica_beat, shard_node,
};

fn state(registry: &Registry, service: BlockServiceId) -> ServiceState {
    registry.view().map.service(service).unwrap().state
}

fn two() -> Registry {
    let mut registry = Registry::new();
    registry.register(blocks_registration(0));
    registry.register(blocks_registration(1));
    registry.observe(0, vec![blocks_beat(0), blocks_beat(1)]);
    registry
}

#[test]
fn silent_disks_become_stale_and_come_back() {
    let mut registry = two();
    let epoch = registry.epoch();
    registry.seconds(8, &[blocks_beat(0)]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
    assert_eq!(registry.epoch(), epoch);
    registry.seconds(1, &[blocks_beat(0)]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Stale);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Active);
    assert_eq!(registry.epoch(), epoch + 1);
    assert!(!registry.view().is_up(blocks(1)));
    registry.seconds(1, &[blocks_beat(0), blocks_beat(1)]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
    assert_eq!(registry.epoch(), epoch + 2);
}

#[test]
fn a_new_leader_has_heard_nobody_yet() {
    let mut registry = two();
    registry.seconds(7, &[]);
    registry.office = 2;
    registry.observe(0, vec![]);
    registry.seconds(8, &[]);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Active);
    registry.seconds(1, &[blocks_beat(1)]);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Stale);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
}

#[test]
fn an_outage_or_a_jumping_clock_makes_nobody_stale() {
    let mut registry = two();
    // The leader was stopped for a day.
    registry.observe(24 * 3600 * 1000, vec![]);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Active);
    // The wall clock jumps ahead by a day; the monotonic one does not.
    registry.clock += 24 * 3600 * 1000;
    registry.seconds(1, &[]);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Active);
    // It jumps back: silence is still noticed.
    registry.clock -= 24 * 3600 * 1000;
    registry.seconds(9, &[blocks_beat(1)]);
    assert_eq!(state(&registry, hdd(0)), ServiceState::Stale);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
}

#[test]
fn a_pause_just_below_the_limit_counts() {
    let mut registry = two();
    for _ in 0..3 {
        registry.observe(ELAPSED_MS_MAX, vec![]);
    }
    assert_eq!(state(&registry, hdd(0)), ServiceState::Stale);
}

#[test]
fn what_was_set_by_hand_stays() {
    let mut registry = two();
    let service = hdd(1);
    let state_by_hand = ServiceState::NoWrite;
    let set = RegistryCommand::SetServiceState {
        service,
        state: state_by_hand,
    };
    registry.command(&set).unwrap();
    registry.seconds(9, &[blocks_beat(0)]);
    assert_eq!(state(&registry, service), ServiceState::Stale);
    registry.seconds(1, &[blocks_beat(1)]);
    assert_eq!(state(&registry, service), ServiceState::NoWrite);
}

#[test]
fn fenced_disks_take_no_writes() {
    let mut registry = two();
    let mut beat = blocks_beat(1);
    beat.services[0].fenced = true;
    registry.seconds(1, &[blocks_beat(0), beat]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::NoWrite);
    registry.seconds(1, &[blocks_beat(0), blocks_beat(1)]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
}

#[test]
fn nobody_reports_on_the_disk_of_another() {
    let mut registry = two();
    let epoch = registry.epoch();
    let mut beat = blocks_beat(0);
    beat.services[0].service = hdd(1);
    beat.services[0].fenced = true;
    let stranger = Beat {
        node: blocks(9),
        ..blocks_beat(1)
    };
    registry.seconds(1, &[beat, stranger]);
    assert_eq!(state(&registry, hdd(1)), ServiceState::Active);
    assert_eq!(registry.epoch(), epoch);
}

#[test]
fn leaders_are_hints() {
    let mut registry = Registry::new();
    let group = GroupId(5);
    for index in 0..3 {
        registry.register(support::replica_registration(shard_node(index), &[group]));
    }
    let leader = |registry: &Registry| registry.view().map.groups[5].leader;
    let claims = |index, leads: &[GroupId]| replica_beat(shard_node(index), leads);
    registry.observe(0, vec![claims(0, &[group]), claims(1, &[])]);
    assert_eq!(leader(&registry), Some(shard_node(0)));
    let epoch = registry.epoch();
    // Silence is no news; neither is a second claimant, or a claim by a stranger.
    registry.seconds(1, &[claims(1, &[])]);
    registry.seconds(1, &[claims(0, &[group]), claims(1, &[group])]);
    registry.seconds(1, &[claims(7, &[group])]);
    assert_eq!(leader(&registry), Some(shard_node(0)));
    assert_eq!(registry.epoch(), epoch);
    // The leader died: another one claims it.
    registry.seconds(1, &[claims(2, &[group])]);
    assert_eq!(leader(&registry), Some(shard_node(2)));
    // It steps down.
    registry.seconds(1, &[claims(2, &[])]);
    assert_eq!(leader(&registry), None);
    assert_eq!(registry.epoch(), epoch + 2);
}
