//! A whole cluster in one thread, in which chance and time are arguments.
//!
//! The machines are the real ones: shards, coordinator, registry, each behind a modelled replicated log
//! ([`group`]); the network, the clocks and the disks are models; clients, the coordinator's driver and the collector
//! are tasks of a small executor ([`tasks`]). Everything that happens is an event in one queue ([`world`]).
//!
//! A run ([`run()`]) follows a [`Plan`] of operations and faults, all of which follows from a seed. The
//! [`oracle`] sees every command as it is committed, every read as it is served and every answer as it is
//! received, and says what was wrong first.
//!
//! **Invariant:** two runs of one [`Config`] are the same, event by event.

mod announce;
mod client;
mod cluster;
mod collector;
mod commit;
mod coverage;
pub mod determinism;
mod disk;
mod driver;
mod expected;
mod faults;
pub mod group;
mod message;
mod network;
mod operations;
pub mod oracle;
mod plan;
mod preamble;
mod process;
mod random;
mod run;
mod serve;
mod shrink;
mod sim;
pub mod tasks;
mod totals;
mod trace;
pub mod world;

pub use coverage::Coverage;
pub use expected::{EXPECTED, RACES, UNREACHABLE_CHANGES, UNREACHABLE_REFUSALS};
pub use plan::{Config, Fault, Item, Operation, Plan, What};
pub use run::{Log, Report, record, run};
pub use shrink::shrink;
