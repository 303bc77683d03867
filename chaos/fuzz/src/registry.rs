//! Requests to the registry.

use eggs_proto::Time;
use eggs_proto::registry::RegistryRequest;
use eggs_registry_state::{
    Beat, ClusterView, Observation, Registration, RegistryCommand, RegistryMachine, STALE_MS,
    SlowRules, Timed, health,
};

use crate::messages::{read, split};
use crate::replica::Replica;

/// Tag 0: a request. Otherwise: any command, which only a leader of another build could propose.
pub fn registry(bytes: &[u8]) {
    let mut replica = Replica {
        now: Time(1_000_000),
        ..Replica::default()
    };
    let mut epoch = Default::default();
    for message in split(bytes) {
        replica.now = replica.now.plus_ms(1000);
        let (id, command) = match message.tag {
            0 => match read::<RegistryRequest>(message.body).and_then(command_of) {
                Some(found) => found,
                None => continue,
            },
            _ => match read::<RegistryCommand>(message.body) {
                Some(command) => (None, command),
                None => continue,
            },
        };
        replica.apply(&RegistryMachine, id, eggs_proto::encode(&command));
        let view = ClusterView::read(&replica.store).expect("the state can be read");
        assert!(view.map.epoch >= epoch, "the epoch went back");
        epoch = view.map.epoch;
        health(&view);
    }
}

/// What the leader proposes for a request.
fn command_of(
    request: RegistryRequest,
) -> Option<(Option<eggs_proto::RequestId>, RegistryCommand)> {
    match request {
        RegistryRequest::Map { .. }
        | RegistryRequest::Keys
        | RegistryRequest::Health
        | RegistryRequest::Disks => None,
        RegistryRequest::RegisterNode {
            id,
            node,
            address,
            groups,
            services,
        } => {
            let registration = Registration {
                node,
                address,
                groups,
                services,
            };
            Some((Some(id), RegistryCommand::RegisterNode(registration)))
        }
        RegistryRequest::Heartbeat {
            node,
            leads,
            services,
        } => {
            let beats = vec![Beat {
                node,
                leads,
                services,
            }];
            let observation = Observation {
                office: 1,
                elapsed_ms: 1000,
                stale_ms: STALE_MS,
                beats,
            };
            Some((None, RegistryCommand::Observe(observation)))
        }
        RegistryRequest::Pace { node, disks } => {
            let (rules, timed) = (SlowRules::default(), vec![Timed { node, disks }]);
            Some((None, RegistryCommand::Judge { rules, timed }))
        }
        RegistryRequest::SetServiceState { id, service, state } => Some((
            Some(id),
            RegistryCommand::SetServiceState { service, state },
        )),
        RegistryRequest::Claim {
            id,
            node,
            incarnation,
        }
        | RegistryRequest::Confirm {
            id,
            node,
            incarnation,
        } => Some((Some(id), RegistryCommand::Claim { node, incarnation })),
        RegistryRequest::Members { id, groups, .. } => {
            Some((Some(id), RegistryCommand::NoteMembers(groups)))
        }
        RegistryRequest::Retire { id, node } => Some((Some(id), RegistryCommand::Retire { node })),
        RegistryRequest::Succeed {
            id,
            node,
            was,
            incarnation,
        } => {
            let command = RegistryCommand::Succeed {
                node,
                was,
                incarnation,
            };
            Some((Some(id), command))
        }
        RegistryRequest::Schemes { id, node, in_use } => {
            Some((Some(id), RegistryCommand::NoteSchemes { node, in_use }))
        }
        RegistryRequest::Space { id, node, report } => {
            Some((Some(id), RegistryCommand::NoteSpace { node, report }))
        }
    }
}
