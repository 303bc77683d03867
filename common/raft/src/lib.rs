//! Many Raft groups in one process: one log store, one state store, one link per peer.
//!
//! A [`Node`] hosts this process's replica of every [`GroupSpec`] it is given; a [`Group`] is the handle
//! through which a server proposes commands and reads. Consensus is openraft's; storage is RocksDB's; neither
//! name leaves this crate, so that nothing generic is compiled again in the programs.
//!
//! **Invariant:** a reply is given only for a command that a quorum has on disk.
//! **Invariant:** a linearizable read never misses a command that was answered before the read began.
//! **Invariant:** a replica that finds less on its disk than it promised does not start.
//! **Invariant:** a frame that was meant for another process is refused, so that nobody's promise counts as another's.

// Deliberate bugs are for tests: nobody gets those of the state machines without asking for them here.
#[cfg(not(feature = "bugs"))]
const _: () = assert!(!eggs_machine::bugs::COMPILED_IN);

/// Whether deliberate bugs can be planted in this build: the programs that are shipped refuse to be built so.
pub const BUGS: bool = cfg!(feature = "bugs");

/// Whether the stores of this build are in memory, for tests: a server refuses to be built so.
pub const SIMULATED: bool = cfg!(feature = "sim");

mod admin;
mod asked;
mod backup;
#[cfg(feature = "bugs")]
pub mod bugs;
mod certainty;
mod change;
mod codec;
mod config;
mod error;
mod fatal;
mod group;
mod hollow;
mod keeper;
mod kv;
mod log;
mod members;
mod memory_transport;
mod net;
mod node;
mod order;
mod proposer;
mod read_index;
pub mod remains;
mod rest;
mod rocks;
mod rpc_transport;
#[cfg(feature = "sim")]
pub mod sim;
mod space;
mod start;
mod state;
#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod storage_tests;
mod transport;
mod types;

pub use config::{GroupSpec, Limits, NodeConfig, Timing};
pub use error::{ProposeError, ReadError, StartError, TransportError};
pub use group::{Group, GroupStatus, LeaderWatch, Leadership};
pub use members::{ChangeError, LEARNERS_MAX, MemberChange, Members, Progress, VOTERS_MAX};
pub use memory_transport::MemoryNetwork;
pub use node::Node;
pub use read_index::ReadPoint;
pub use rocks::is_rot;
pub use rpc_transport::{Lookup, RpcTransport};
pub use transport::Transport;
