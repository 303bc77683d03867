//! What is asked of the disks follows from how blocks were stored lately.

use eggs_proto::registry::{SCHEMES_MAX, SchemeInUse, Severity};
use eggs_proto::{InvalidArgument, ProcessRole, Refusal, Scheme, ServiceState, StorageClass};
use eggs_registry_state::{
    Beat, Demand, RegistryCommand, SCHEME_AGAIN_MS, SCHEME_KEPT_MS, health, schemes_are_news,
};

use crate::support::{Registry, blocks, hdd, shard_node};

fn used(class: StorageClass, data: u8, parity: u8) -> SchemeInUse {
    let scheme = Scheme { data, parity };
    SchemeInUse { class, scheme }
}

fn note(in_use: &[SchemeInUse]) -> RegistryCommand {
    RegistryCommand::NoteSchemes {
        node: shard_node(0),
        in_use: in_use.to_vec(),
    }
}

fn widest(registry: &Registry) -> Vec<String> {
    let demands = registry.view().demands;
    let text = |(class, demand): (StorageClass, Demand)| format!("{} on {class}", demand.widest);
    demands.into_iter().map(text).collect()
}

#[test]
fn a_small_cluster_is_healthy_once_it_stores_what_it_has_room_for() {
    let (mut registry, mut beats) = Registry::healthy();
    for domain in 6..16 {
        for service in [hdd(domain).0, hdd(domain).0 + 1] {
            let service = eggs_proto::BlockServiceId(service);
            let state = ServiceState::Decommissioned;
            let command = RegistryCommand::SetServiceState { service, state };
            registry.command(&command).unwrap();
        }
    }
    assert_eq!(
        registry.codes(),
        [
            "FAILURE_DOMAINS_BELOW_SCHEME",
            "FAILURE_DOMAINS_BELOW_SCHEME"
        ],
        "it goes by the built-in policies before anything was stored"
    );
    let in_use = [
        used(StorageClass::Hdd, 4, 2),
        used(StorageClass::Flash, 1, 2),
    ];
    registry.command(&note(&in_use)).unwrap();
    assert_eq!(registry.codes(), Vec::<String>::new());
    // And it says so when there is no longer room for that.
    beats.retain(|beat: &Beat| beat.node != blocks(0));
    registry.seconds(9, &beats);
    let codes = registry.codes();
    assert!(
        codes.contains(&"FAILURE_DOMAINS_BELOW_SCHEME".into()),
        "{codes:?}"
    );
}

/// With four domains left 2+9 is written degraded, and 4+2 not at all.
#[test]
fn the_scheme_that_cannot_be_written_is_named_before_the_widest() {
    let (mut registry, mut beats) = Registry::healthy();
    let hdd = StorageClass::Hdd;
    registry.command(&note(&[used(hdd, 2, 9)])).unwrap();
    beats.retain(|beat: &Beat| beat.node.role() != ProcessRole::Blocks || beat.node.index() < 4);
    registry.seconds(9, &beats);
    let said = |registry: &Registry| {
        let found = health(&registry.view()).findings.into_iter();
        let about = |code: &String| code == "FAILURE_DOMAINS_BELOW_SCHEME";
        let mut found = found.filter(|finding| about(&finding.code));
        found.next().map(|finding| (finding.severity, finding.what))
    };
    let (severity, what) = said(&registry).unwrap();
    assert_eq!(severity, Severity::Degraded);
    assert_eq!(
        what,
        "4 failure domains take HDD blocks; 2+9 wants 11, and 3 at least"
    );
    registry.command(&note(&[used(hdd, 4, 2)])).unwrap();
    let (severity, what) = said(&registry).unwrap();
    assert_eq!(severity, Severity::Down);
    assert_eq!(
        what,
        "4 failure domains take HDD blocks; 4+2 wants 6, and 5 at least"
    );
}

#[test]
fn full_disks_are_told_of_also_where_nobody_stores_anything() {
    let (mut registry, mut beats) = Registry::healthy();
    registry
        .command(&note(&[used(StorageClass::Hdd, 4, 2)]))
        .unwrap();
    for beat in &mut beats {
        for report in &mut beat.services {
            if !report.service.0.is_multiple_of(2) {
                report.available_bytes = 0;
            }
        }
    }
    registry.seconds(2, &beats);
    let codes = registry.codes();
    assert!(codes.contains(&"CLUSTER_FULL".into()), "{codes:?}");
}

/// With 4+2 in use the disks of two failure domains are taken out of use for their errors, and with 10+4 those of four.
#[test]
fn reports_of_errors_are_honoured_as_far_as_the_parity_in_use_goes() {
    for (data, parity, expected) in [(10, 4, 4), (4, 2, 2), (1, 1, 1)] {
        let (mut registry, mut beats) = Registry::healthy();
        registry
            .command(&note(&[used(StorageClass::Hdd, data, parity)]))
            .unwrap();
        for beat in &mut beats {
            for report in &mut beat.services {
                report.fenced = report.service.0.is_multiple_of(2) && report.service.0 < 16;
            }
        }
        registry.seconds(3, &beats);
        let view = registry.view();
        let states = view.map.services.iter().map(|info| info.state);
        let out = states.filter(|state| *state == ServiceState::NoWrite);
        assert_eq!(out.count(), expected, "{data}+{parity}");
    }
}

#[test]
fn what_nobody_uses_any_more_is_forgotten_unless_nothing_is_used() {
    let (mut registry, _) = Registry::healthy();
    let (wide, narrow) = (
        used(StorageClass::Hdd, 16, 4),
        used(StorageClass::Hdd, 4, 2),
    );
    registry.command(&note(&[wide, narrow])).unwrap();
    assert_eq!(widest(&registry), ["16+4 on HDD"]);
    registry.clock += SCHEME_KEPT_MS / 2;
    registry.command(&note(&[narrow])).unwrap();
    registry.clock += SCHEME_KEPT_MS / 2;
    registry.command(&note(&[])).unwrap();
    assert_eq!(widest(&registry), ["16+4 on HDD"]);
    registry.command(&note(&[narrow])).unwrap();
    assert_eq!(widest(&registry), ["4+2 on HDD"]);
    registry.clock += 10 * SCHEME_KEPT_MS;
    registry.observe(1000, Vec::new());
    assert_eq!(widest(&registry), ["4+2 on HDD"]);
}

#[test]
fn what_was_said_a_short_time_ago_is_no_news() {
    let (mut registry, _) = Registry::healthy();
    let (first, second) = (
        used(StorageClass::Hdd, 4, 2),
        used(StorageClass::Flash, 4, 2),
    );
    let news = |registry: &Registry, in_use: &[SchemeInUse]| {
        schemes_are_news(&registry.store, in_use).unwrap()
    };
    assert!(news(&registry, &[first]));
    registry.command(&note(&[first])).unwrap();
    assert!(!news(&registry, &[first]) && !news(&registry, &[]));
    assert!(news(&registry, &[first, second]));
    registry.observe(SCHEME_AGAIN_MS + 10, Vec::new());
    assert!(news(&registry, &[first]));
}

#[test]
fn what_is_odd_is_refused() {
    let (mut registry, _) = Registry::healthy();
    let list = Refusal::Invalid(InvalidArgument::List);
    let hdd = StorageClass::Hdd;
    assert_eq!(registry.refusal(&note(&[used(hdd, 0, 2)])), list);
    assert_eq!(registry.refusal(&note(&[used(hdd, 4, 200)])), list);
    let many = vec![used(hdd, 4, 2); SCHEMES_MAX + 1];
    assert_eq!(registry.refusal(&note(&many)), list);
    let stranger = RegistryCommand::NoteSchemes {
        node: shard_node(77),
        in_use: vec![used(hdd, 4, 2)],
    };
    assert_eq!(registry.refusal(&stranger), Refusal::NotFound);
    assert_eq!(widest(&registry).len(), 2, "the built-in ones");
}
