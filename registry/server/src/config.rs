//! What a replica is told when it starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use eggs_proto::{NodeId, ProcessRole};
use eggs_raft::Timing;
use eggs_registry_state::{STALE_MS, SlowRules};
use eggs_rpc::Credentials;

/// One small group can afford a livelier timing than hundreds of them: a new leader in about two seconds.
const TIMING: Timing = Timing {
    heartbeat_ms: 150,
    election_ms_min: 500,
    election_ms_max: 1000,
};

/// How a process with a new directory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With all its peers as the first members of the registry.
    Founder,
    /// With an empty replica, until the registry takes it in.
    Joiner,
    /// As a founder, in place of a registry that is lost with all its directories.
    Anew,
}

/// What is done with a process that says it was bound by a registry, of which this one knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It is refused: there must be another registry, which knows more.
    Refused,
    /// It is taken at its word: that registry is lost.
    Taken,
}

/// Configuration of one replica.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number among the registry's processes.
    pub id: u32,
    /// Where the log and the state are kept; created if missing.
    pub dir: PathBuf,
    /// Where to serve the wire protocol.
    pub listen: SocketAddr,
    /// Where to serve HTTP; port 0 takes a free one.
    pub http: SocketAddr,
    /// Where all replicas are reached, this one included.
    pub peers: BTreeMap<u32, SocketAddr>,
    /// How it begins.
    pub beginning: Beginning,
    /// After which an empty directory counts as lost, if another has acted as this process; `None` to ask for a person.
    pub rebuild_empty_after: Option<Duration>,
    /// A server's.
    pub credentials: Credentials,
    /// Name of the cluster, for people.
    pub cluster_name: String,
    /// Silence after which a disk or process is stale, in milliseconds of observed time.
    pub stale_ms: u64,
    /// Longest time between observations.
    pub observe_every: Duration,
    /// Time between judgements of how long disks take.
    pub judge_every: Duration,
    /// When a disk is slow.
    pub slow: SlowRules,
    /// When a leader is suspected.
    pub timing: Timing,
}

impl Config {
    /// A configuration that listens where its peers expect it, with HTTP on a free port of the same address.
    pub fn new(
        id: u32,
        dir: impl Into<PathBuf>,
        peers: BTreeMap<u32, SocketAddr>,
        credentials: Credentials,
    ) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = peers.get(&id).copied().unwrap_or(any);
        Self {
            id,
            dir: dir.into(),
            listen,
            http: SocketAddr::new(listen.ip(), 0),
            peers,
            beginning: Beginning::Founder,
            rebuild_empty_after: None,
            credentials,
            cluster_name: "eggsfs".into(),
            stale_ms: STALE_MS,
            observe_every: Duration::from_secs(1),
            judge_every: Duration::from_secs(10),
            slow: SlowRules::default(),
            timing: TIMING,
        }
    }

    /// The name under which this process was started; it acts under a later one if it has lost its directory.
    pub(crate) const fn place(&self) -> NodeId {
        NodeId::new(ProcessRole::Registry, self.id)
    }

    pub(crate) const fn unknown(&self) -> Unknown {
        match self.beginning {
            Beginning::Founder | Beginning::Joiner => Unknown::Refused,
            Beginning::Anew => Unknown::Taken,
        }
    }

    /// Where the other replicas are reached.
    pub(crate) fn others(&self) -> Vec<SocketAddr> {
        let others = self.peers.iter().filter(|(id, _)| **id != self.id);
        others.map(|(_, address)| *address).collect()
    }

    /// Where a process is reached, whatever its name has become: addresses stay.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        self.peers.get(&node.place().index()).copied()
    }

    /// Where all replicas are reached, by name.
    pub(crate) fn members(&self) -> BTreeMap<NodeId, SocketAddr> {
        let named = |(id, address): (&u32, &SocketAddr)| {
            (NodeId::new(ProcessRole::Registry, *id), *address)
        };
        self.peers.iter().map(named).collect()
    }
}
