//! Slow disks take no writes for a while, never too many of them, and never against a person's will.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::registry::{DiskPace, Latency, StateReason};
use eggs_proto::{BlockServiceId, FailureDomainId, ServiceState, StorageClass};
use eggs_registry_state::{Beat, RegistryCommand, SlowRules, Timed, disks, health};
use proptest::prelude::*;

use crate::support::{Registry, blocks, blocks_beat, blocks_registration, hdd};

const RULES: SlowRules = SlowRules {
    slow_after_ms: 30_000,
    well_after_ms: 60_000,
    floor_us: 50_000,
    times: 8,
    samples_min: 10,
};
/// Between two looks, in seconds.
const ROUND_S: u64 = 10;
/// Blocks that a write of 10+4, the widest scheme of HDDs, needs at least.
const DOMAINS_NEEDED: usize = 11;
/// Failure domains that files may miss: the parity of the built-in policies.
const DOMAINS_SPARED: usize = 4;

fn latency(p95_us: u32) -> Latency {
    Latency {
        count: 100,
        p50_us: p95_us / 2,
        p95_us,
        p99_us: p95_us,
    }
}

/// What the process of a failure domain says of its HDD.
fn timed(domain: u32, p95_us: u32) -> Timed {
    Timed {
        node: blocks(domain),
        disks: vec![DiskPace {
            service: hdd(domain),
            reads: latency(5_000),
            writes: latency(p95_us),
        }],
    }
}

fn cluster(domains: u32) -> (Registry, Vec<Beat>) {
    let mut registry = Registry::new();
    for domain in 0..domains {
        registry.register(blocks_registration(domain));
    }
    let beats: Vec<Beat> = (0..domains).map(blocks_beat).collect();
    registry.observe(0, beats.clone());
    (registry, beats)
}

/// Time goes by, and disks take so long for a write, those of `slow` as long as `slow_us`.
fn rounds(registry: &mut Registry, beats: &[Beat], slow: &[u32], slow_us: u32, count: u64) {
    for _ in 0..count {
        registry.seconds(ROUND_S, beats);
        let timed = (0..16)
            .map(|domain| {
                timed(
                    domain,
                    if slow.contains(&domain) {
                        slow_us
                    } else {
                        20_000
                    },
                )
            })
            .collect();
        let rules = RULES;
        registry
            .command(&RegistryCommand::Judge { rules, timed })
            .unwrap();
    }
}

fn state(registry: &Registry, domain: u32) -> ServiceState {
    registry.view().map.service(hdd(domain)).unwrap().state
}

fn reason(registry: &Registry, domain: u32) -> Option<StateReason> {
    let all = disks(&registry.store).unwrap();
    let found = all.iter().find(|disk| disk.pace.service == hdd(domain));
    found.unwrap().reason
}

#[test]
fn a_slow_disk_is_set_aside_and_taken_back() {
    let (mut registry, beats) = cluster(16);
    rounds(&mut registry, &beats, &[3], 900_000, 3);
    assert_eq!(state(&registry, 3), ServiceState::Active, "not at once");
    let epoch = registry.epoch();
    rounds(&mut registry, &beats, &[3], 900_000, 2);
    assert_eq!(state(&registry, 3), ServiceState::NoWrite);
    assert_eq!(reason(&registry, 3), Some(StateReason::Slow));
    assert!(
        registry.epoch() > epoch,
        "clients and shards have to hear of it"
    );
    assert!(registry.codes().contains(&"BLOCK_SERVICE_SLOW".to_owned()));
    let settled = registry.epoch();
    rounds(&mut registry, &beats, &[3], 900_000, 5);
    assert_eq!(registry.epoch(), settled, "nothing new");
    // Half as slow as what is slow is not well yet.
    rounds(&mut registry, &beats, &[3], 130_000, 20);
    assert_eq!(state(&registry, 3), ServiceState::NoWrite);
    rounds(&mut registry, &beats, &[], 0, 6);
    assert_eq!(state(&registry, 3), ServiceState::NoWrite, "not at once");
    rounds(&mut registry, &beats, &[], 0, 2);
    assert_eq!(state(&registry, 3), ServiceState::Active);
    assert_eq!(reason(&registry, 3), None);
    assert!(!registry.codes().contains(&"BLOCK_SERVICE_SLOW".to_owned()));
}

#[test]
fn slow_together_is_not_slow() {
    let (mut registry, beats) = cluster(16);
    let all: Vec<u32> = (0..16).collect();
    rounds(&mut registry, &beats, &all, 2_000_000, 10);
    assert!(
        all.iter()
            .all(|domain| state(&registry, *domain) == ServiceState::Active)
    );
}

#[test]
fn many_times_slower_below_the_floor_is_fast_enough() {
    let (mut registry, beats) = cluster(16);
    for _ in 0..10 {
        registry.seconds(ROUND_S, &beats);
        let timed = (0..16).map(|d| timed(d, if d == 3 { 49_000 } else { 100 }));
        let timed = timed.collect();
        registry
            .command(&RegistryCommand::Judge {
                rules: RULES,
                timed,
            })
            .unwrap();
    }
    assert_eq!(state(&registry, 3), ServiceState::Active);
}

#[test]
fn without_peers_nobody_is_slow() {
    let (mut registry, beats) = cluster(3);
    rounds(&mut registry, &beats, &[1], 2_000_000, 10);
    assert_eq!(state(&registry, 1), ServiceState::Active);
}

#[test]
fn slow_disks_yield_to_errors() {
    let (mut registry, mut beats) = cluster(16);
    rounds(&mut registry, &beats, &[1, 2, 3, 4, 5], 900_000, 6);
    let aside = |registry: &Registry| -> Vec<u32> {
        (0..16)
            .filter(|d| reason(registry, *d) == Some(StateReason::Slow))
            .collect()
    };
    assert_eq!(aside(&registry), [1, 2, 3, 4]);
    assert!(registry.codes().contains(&"SLOW_GUARD".to_owned()));
    beats[9].services[0].fenced = true;
    registry.observe(1000, beats.clone());
    assert_eq!(reason(&registry, 9), Some(StateReason::Errors));
    assert_eq!(aside(&registry), [1, 2, 3]);
    // Silence of two counts as well.
    let heard: Vec<Beat> = beats
        .iter()
        .filter(|b| b.node.index() < 14)
        .cloned()
        .collect();
    registry.seconds(20, &heard);
    assert_eq!(aside(&registry), [1]);
}

#[test]
fn a_person_has_the_last_word() {
    let (mut registry, beats) = cluster(16);
    let set = |registry: &mut Registry, state| {
        let service = hdd(3);
        registry
            .command(&RegistryCommand::SetServiceState { service, state })
            .unwrap();
    };
    rounds(&mut registry, &beats, &[3], 900_000, 5);
    assert_eq!(state(&registry, 3), ServiceState::NoWrite);
    set(&mut registry, ServiceState::Active);
    assert_eq!(state(&registry, 3), ServiceState::Active);
    rounds(&mut registry, &beats, &[3], 900_000, 20);
    assert_eq!(state(&registry, 3), ServiceState::Active, "pardoned");
    set(&mut registry, ServiceState::NoRead);
    rounds(&mut registry, &beats, &[3], 900_000, 400);
    assert_eq!(state(&registry, 3), ServiceState::NoRead);
    // A wish for no writes outlives the finding.
    set(&mut registry, ServiceState::NoWrite);
    rounds(&mut registry, &beats, &[], 0, 100);
    assert_eq!(state(&registry, 3), ServiceState::NoWrite);
    assert_eq!(reason(&registry, 3), Some(StateReason::ByHand));
}

/// Something that happens to the disk of a failure domain.
#[derive(Clone, Copy, Debug)]
enum Event {
    Slow(u32),
    Fast(u32),
    Failing(u32),
    Mended(u32),
    Silent(u32),
    Heard(u32),
    ByHand(u32, ServiceState),
    Rounds(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let states = prop_oneof![
        Just(ServiceState::Active),
        Just(ServiceState::NoRead),
        Just(ServiceState::NoWrite),
        Just(ServiceState::Decommissioned),
    ];
    let domain = || 0..16u32;
    prop_oneof![
        6 => domain().prop_map(Event::Slow),
        1 => domain().prop_map(Event::Fast),
        1 => domain().prop_map(Event::Failing),
        1 => domain().prop_map(Event::Mended),
        1 => domain().prop_map(Event::Silent),
        1 => domain().prop_map(Event::Heard),
        1 => (domain(), states).prop_map(|(domain, state)| Event::ByHand(domain, state)),
        6 => (1..8u64).prop_map(Event::Rounds),
    ]
}

#[derive(Default)]
struct Story {
    slow: BTreeSet<u32>,
    failing: BTreeSet<u32>,
    silent: BTreeSet<u32>,
}

impl Story {
    fn happen(&mut self, registry: &mut Registry, domains: u32, event: Event) {
        match event {
            Event::Slow(domain) => drop(self.slow.insert(domain)),
            Event::Fast(domain) => drop(self.slow.remove(&domain)),
            Event::Failing(domain) => drop(self.failing.insert(domain)),
            Event::Mended(domain) => drop(self.failing.remove(&domain)),
            Event::Silent(domain) => drop(self.silent.insert(domain)),
            Event::Heard(domain) => drop(self.silent.remove(&domain)),
            Event::ByHand(domain, state) => {
                let service = hdd(domain % domains);
                let set = RegistryCommand::SetServiceState { service, state };
                registry.command(&set).unwrap();
                registry.observe(0, vec![]);
            }
            Event::Rounds(count) => {
                let beat = |domain: u32| {
                    let mut beat = blocks_beat(domain);
                    beat.services[0].fenced = self.failing.contains(&domain);
                    beat
                };
                let heard = (0..domains).filter(|domain| !self.silent.contains(domain));
                let beats: Vec<Beat> = heard.map(beat).collect();
                let slow: Vec<u32> = self.slow.iter().copied().collect();
                for _ in 0..count {
                    rounds(registry, &beats, &slow, 900_000, 1);
                    guarded(registry);
                }
            }
        }
    }
}

/// **Invariant:** a failure domain that only lacks writable disks because of slowness is one of at most
/// [`DOMAINS_SPARED`] without, and enough are left for a write.
fn guarded(registry: &Registry) {
    let view = registry.view();
    let mut by_domain: BTreeMap<(StorageClass, FailureDomainId), (usize, bool)> = BTreeMap::new();
    for (info, condition) in view.map.services.iter().zip(&view.services) {
        let hand_rules = condition.manual.is_none() || !condition.pace.set_aside;
        assert!(hand_rules, "{} was set by hand", info.service);
        assert!(!condition.pace.set_aside || condition.pace.found_slow);
        if condition.is_decommissioned() {
            continue;
        }
        let (writable, aside) = by_domain.entry((info.class, info.domain)).or_default();
        *writable += usize::from(info.state.takes_writes());
        *aside |= condition.pace.set_aside;
    }
    let hdds = || {
        by_domain
            .iter()
            .filter(|((class, _), _)| *class == StorageClass::Hdd)
            .map(|(_, what)| what)
    };
    if hdds().any(|(writable, aside)| *writable == 0 && *aside) {
        let without = hdds().filter(|(writable, _)| *writable == 0).count();
        let with = hdds().filter(|(writable, _)| *writable > 0).count();
        assert!(without <= DOMAINS_SPARED, "{without} domains without");
        assert!(with >= DOMAINS_NEEDED, "{with} domains left");
    }
    assert!(
        !health(&view)
            .findings
            .iter()
            .any(|finding| finding.what.is_empty())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_guard_holds(
        domains in prop_oneof![Just(16u32), Just(14), Just(12), Just(6)],
        events in proptest::collection::vec(event(), 1..50),
    ) {
        let (mut registry, _) = cluster(domains);
        let mut story = Story::default();
        for event in events {
            story.happen(&mut registry, domains, event);
            guarded(&registry);
        }
    }
}

#[test]
fn somebody_elses_disk_is_left_out() {
    let (mut registry, _) = cluster(16);
    let mut foreign = timed(3, 900_000);
    foreign.node = blocks(4);
    foreign.disks.push(DiskPace {
        service: BlockServiceId(999),
        ..foreign.disks[0]
    });
    let (rules, timed) = (RULES, vec![foreign]);
    registry
        .command(&RegistryCommand::Judge { rules, timed })
        .unwrap();
    let all = disks(&registry.store).unwrap();
    assert!(
        all.iter()
            .all(|disk| disk.pace.writes == Latency::default())
    );
}
