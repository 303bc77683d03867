//! The stored form of the registry's state is pinned, and what earlier releases stored is read.

use eggs_machine::golden::{dump, load};
use eggs_proto::registry::SchemeInUse;
use eggs_proto::{GroupId, ProcessRole, RequestId, Scheme, ServiceState, StorageClass};
use eggs_registry_state::RegistryCommand;
use expect_test::expect_file;

use crate::support::replicas;
use crate::support::{
    Registry, blocks_beat, blocks_registration, hdd, replica_beat, replica_registration,
};

const REQUEST: RequestId = RequestId {
    client: 5,
    sequence: 6,
};

/// A small cluster with something in every table.
fn everything() -> Registry {
    let mut registry = Registry::new();
    let groups = [GroupId(0), GroupId(7)];
    let mut beats = Vec::new();
    for node in replicas(ProcessRole::Shard) {
        registry.register(replica_registration(node, &groups));
        let leads = if node.index() == 1 { &groups[..] } else { &[] };
        beats.push(replica_beat(node, leads));
    }
    for domain in 0..2 {
        registry.register(blocks_registration(domain));
        beats.push(blocks_beat(domain));
    }
    registry.observe(0, beats.clone());
    registry.seconds(2, &beats);
    let set = RegistryCommand::SetServiceState {
        service: hdd(1),
        state: ServiceState::NoWrite,
    };
    registry
        .apply(Some(REQUEST), eggs_proto::encode(&set))
        .unwrap();
    let mut full = blocks_beat(0);
    full.services[0].available_bytes = 0;
    full.services[1].io_errors = 12;
    registry.observe(1000, vec![full]);
    registry
}

#[test]
fn the_bytes_of_a_state_are_pinned() {
    let mut registry = everything();
    // What former forms did not have.
    let note = RegistryCommand::NoteSchemes {
        node: replicas(ProcessRole::Shard)[0],
        in_use: vec![SchemeInUse {
            class: StorageClass::Flash,
            scheme: Scheme { data: 4, parity: 2 },
        }],
    };
    registry.command(&note).unwrap();
    expect_file!["../../../../golden/form-3/registry.txt"].assert_eq(&dump(&registry.store));
    assert_eq!(load(&dump(&registry.store)), registry.store);
}

#[test]
fn states_of_former_forms_are_read_and_go_on() {
    for form in [
        include_str!("../../../../golden/form-1/registry.txt"),
        include_str!("../../../../golden/form-2/registry.txt"),
    ] {
        goes_on(form);
    }
}

fn goes_on(form: &str) {
    let mut new = everything();
    let mut old = everything();
    old.store = load(form);
    assert_ne!(old.store, new.store, "nothing has changed its form");
    let keys = |registry: &Registry| eggs_registry_state::service_keys(&registry.store).unwrap();
    assert_eq!(keys(&old), keys(&new));
    assert_eq!(old.view(), new.view());
    for registry in [&mut old, &mut new] {
        // A retry is answered from what was remembered; anything else under the same name would be refused.
        let before = registry.store.clone();
        registry.apply(Some(REQUEST), b"nonsense".to_vec()).unwrap();
        assert_eq!(registry.store, before);
        registry.register(blocks_registration(2));
        registry.observe(1000, vec![blocks_beat(0), blocks_beat(1), blocks_beat(2)]);
    }
    assert_eq!(old.view(), new.view());
}
