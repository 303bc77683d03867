//! `eggsgc`: collects what nobody can reach any more, in passes over all shards; heals and scrubs the rest.
//!
//! 1. Transient files whose deadline has passed are destroyed: their blocks become garbage.
//! 2. Snapshots that the policy of their directory no longer protects are collected: their files become expired
//!    transient files, their directories go.
//! 3. Garbage is erased at the block services, and the proofs are shown to the shard.
//!
//! Beside it, blocks are healed that are missing or on disks that are gone ([`heal`]), those that readers found damaged
//! ([`reported`]), and every block is read from time to time ([`scrub`]).
//!
//! **Invariant:** all of it is ordinary requests that may be repeated: the collector can be killed at any
//! point, and several may run at once.
//!
//! **Invariant:** what to collect is decided in [`planning`], which is pure; the shards check it again.
//!
//! **Invariant:** memory and requests in flight are bounded; what is left over waits for the next pass.

mod args;
mod background;
mod cluster;
mod directories;
mod garbage;
mod heal;
mod healer;
mod metrics;
mod pass;
pub mod planning;
mod reported;
mod run;
mod scrub;
mod shard_visit;
mod snapshots;
mod tally;
mod transients;

pub use args::Args;
pub use cluster::{Cluster, Erasure};
pub use pass::{Memory, Pass, run as pass};
pub use run::main;
pub use tally::Tally;

#[cfg(test)]
mod healing_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
