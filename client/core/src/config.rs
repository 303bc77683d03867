//! What a client is told when it starts.

use std::net::SocketAddr;
use std::time::Duration;

use eggs_rpc::Credentials;

use crate::{ReadCache, ReadFrom};

/// How to reach a cluster and how much to spend on it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where to ask for the cluster map first; the other registry addresses are learned from the map.
    pub registry: Vec<SocketAddr>,
    /// Who we are.
    pub credentials: Credentials,
    /// Name of the program, for the servers' logs.
    pub program: String,
    /// Bound of every whole operation, retries included.
    pub timeout: Duration,
    /// Bound of the first contact with the registry.
    pub connect_timeout: Duration,
    /// Which replicas answer reads of shards.
    pub read_from: ReadFrom,
    /// Bytes that all writers together may hold, parity included, beyond 1 MiB of data and its parity each.
    pub writers_memory_bytes: usize,
    /// Bytes that all readers together may read ahead.
    pub readers_memory_bytes: usize,
    /// Where content that was read is kept on a local disk.
    pub cache: Option<ReadCache>,
}

impl ClientConfig {
    /// The defaults for a program of one machine.
    pub fn new(registry: Vec<SocketAddr>, credentials: Credentials, program: &str) -> Self {
        Self {
            registry,
            credentials,
            program: program.to_owned(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            read_from: ReadFrom::default(),
            writers_memory_bytes: 192 << 20,
            readers_memory_bytes: 64 << 20,
            cache: None,
        }
    }
}
