//! `eggsshuckle`: one replica of the registry, and the dashboard.
//!
//! Every replica answers HTTP from what it has applied, saying how old that is. Requests of the wire protocol
//! are answered by the leader under its lease; others name the leader. Heartbeats are gathered in memory by the
//! leader and proposed together, about once a second, at once when one of them brings news.
//!
//! **Invariant:** what the wire protocol answers is linearizable; what HTTP shows may be old and says so.
//! **Invariant:** keys of block services are given only to connections that proved to be a server's.
//! **Invariant:** no request of either protocol stops the process.

// No server may keep its data in memory.
const _: () = assert!(!eggs_raft::SIMULATED);

mod beats;
mod clock;
mod config;
mod error;
mod forward;
mod founding;
mod freshness;
mod handler;
mod http;
mod label;
mod members;
mod paces;
mod pulse;
mod queries;
mod replica;
mod run;
mod status;

pub use config::{Beginning, Config};
pub use error::RunError;
pub use run::{Registry, Running, run, start};
