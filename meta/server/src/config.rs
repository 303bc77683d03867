//! What a process is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use eggs_raft::Timing;
use eggs_rpc::Credentials;

/// How a process with a new directory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With all its peers as the first members of each group.
    Founder,
    /// With no replica, until one is moved to it.
    Joiner,
}

/// What a process is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its number among the processes of its role.
    pub id: u32,
    /// Where it keeps everything.
    pub dir: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Processes of its role, itself included, and where they are reached.
    pub peers: BTreeMap<u32, SocketAddr>,
    /// How it begins.
    pub beginning: Beginning,
    /// For how long an empty directory is not taken for a lost disk, although another one has acted as this process;
    /// `None`: for ever.
    pub rebuild_empty_after: Option<Duration>,
    /// The processes of the registry in order of their numbers.
    pub registry: Vec<SocketAddr>,
    /// A server's credentials.
    pub credentials: Credentials,
    /// Where it shows metrics and health, if anywhere.
    pub http: Option<SocketAddr>,
    /// Memory for blocks of the stores.
    pub block_cache_bytes: usize,
    /// When leaders are suspected; the same in all processes of the role.
    pub timing: Timing,
}
