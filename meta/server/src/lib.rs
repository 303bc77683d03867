//! The shells of the metadata: `eggsshard` hosts replicas of all shards, `eggscdc` one of the coordinator.
//!
//! Decisions are made in `eggs-shard` and `eggs-cdc`; here they are fetched, put into the log of a Raft group,
//! and answered. [`start_shard`] and [`start_cdc`] are the whole programs but for their arguments.
//!
//! **Invariant:** whatever bytes arrive, there is an answer, and nothing else happens because of bytes that
//! do not decode.
//!
//! **Invariant:** a refusal is given only for a change that is in the log, so that a retry is refused likewise; but for
//! clients of a group whose disks are full to the last byte ([`space`]).

// No server may keep its data in memory.
const _: () = assert!(!eggs_raft::SIMULATED);

pub mod args;
mod call;
mod cdc;
mod clock;
mod config;
mod fault;
mod front;
mod identity;
mod label;
mod launch;
mod look;
mod metrics;
mod shard;
mod shard_round;
mod space;

pub use config::{Beginning, ServerConfig};
pub use launch::Running;

/// Starts a process with a replica of every shard.
pub async fn start_shard(config: ServerConfig) -> anyhow::Result<Running> {
    shard::start(config).await
}

/// Starts a process with a replica of the coordinator.
pub async fn start_cdc(config: ServerConfig) -> anyhow::Result<Running> {
    cdc::start(config).await
}
