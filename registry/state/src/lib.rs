//! The registry's state: who is where, which disks there are and how they are.
//!
//! A pure machine. Processes register and send heartbeats; the leader gathers heartbeats in memory and
//! proposes one [`Observation`] every second or so, so that every replica knows when which process and disk
//! was last heard of, how full the disks are, and who leads which group.
//!
//! Silence is counted in *observed time*: milliseconds during which a leader was there to listen, on that
//! leader's monotonic clock. An outage of the registry, a change of its leader or a jump of a wall clock makes
//! nobody stale.
//!
//! What a person sets by hand and what the registry concludes by itself are kept apart; the state that clients
//! see is derived from both (see [`ServiceCondition::effective`]).
//!
//! **Invariant:** the epoch never decreases, and grows whenever something changes that a client acts upon; a
//! heartbeat that says nothing new does not change it.
//! **Invariant:** reports of I/O errors never take the last writable disks from more failure domains of a class than every file can
//! miss that is stored as files were lately ([`Demands`]), or from more than one. Silence is a fact, not a decision, and has no such limit.
//! **Invariant:** slow disks yield to all of these: they are never set aside beyond that limit, whatever else is
//! out of use, nor where fewer failure domains would be left than a write needs.
//! **Invariant:** keys of block services are in a table of their own and never in a [`eggs_proto::ClusterMap`].

mod command;
mod condition;
mod fill;
mod guard;
mod health;
mod limits;
mod machine;
mod ops;
mod pace;
mod record;
mod schemes;
mod services;
mod tables;
mod totals;
mod transaction;
mod view;

pub use command::{Beat, Observation, Registration, RegistryCommand, Timed};
pub use condition::ServiceCondition;
pub use fill::Fill;
pub use health::{GroupCondition, Health, health};
pub use limits::{
    ADDRESS_BYTES_MAX, ELAPSED_MS_MAX, GROUPS_MAX, NODES_MAX, REPLICAS_MAX, SCHEME_AGAIN_MS,
    SCHEME_KEPT_MS, SERVICES_MAX, SERVICES_PER_NODE_MAX, STALE_MS, SUCCESSION_PAUSE_MS,
};
pub use machine::{RegistryMachine, RegistryOutcome};
pub use pace::{PACE_AGE_MS_MAX, PARDON_MS, PEERS_MIN, Pace, SlowRules};
pub use schemes::{Demand, Demands};
pub use tables::TABLES;
pub use totals::{ClassTotals, Totals};
pub use view::{
    ClusterView, NodeCondition, address_of, disks, is_bound, knows, map_version, members,
    schemes_are_news, service_keys, space_of,
};
