//! Putting the parts of a replica together, and taking them apart again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eggs_obs::{Health, Metrics};
use eggs_proto::{GroupId, NodeId};
use eggs_raft::{GroupSpec, Node, NodeConfig, RpcTransport};
use eggs_registry_client::{Condition, Member, RegistryClient, announce};
use eggs_registry_state::{RegistryMachine, TABLES};
use eggs_rpc::{Client, ClientLimits, Server, ServerLimits};
use tokio_util::sync::CancellationToken;

use crate::beats::Beats;
use crate::forward::Forward;
use crate::freshness::Freshness;
use crate::handler::RegistryHandler;
use crate::http::{HttpServer, Web};
use crate::replica::Replica;
use crate::{Config, RunError, label, pulse};

/// Longest time that handing over leadership and flushing may take.
const SHUTDOWN: Duration = Duration::from_secs(8);
/// Requests of this server are small; the map of the largest cluster is a few megabytes.
const BYTES_IN_FLIGHT: usize = 64 << 20;

/// A replica that has started and is not served yet.
pub struct Registry {
    config: Config,
    rpc: Client,
    server: Server<RegistryHandler>,
    http: HttpServer,
    node: Arc<Node>,
    replica: Arc<Replica>,
    health: Health,
    web: Arc<Web>,
}

/// Runs a replica until `shutdown`, which hands leadership over, or a fault.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    start(config).await?.run(shutdown).await
}

/// Takes the ports and the directory, and recovers the replica. Must be followed by [`Registry::run`].
pub async fn start(config: Config) -> Result<Registry, RunError> {
    check_peers(&config)?;
    label::claim(&config)?;
    let handler = Arc::new(RegistryHandler::default());
    let limits = ServerLimits {
        payload_bytes_in_flight: BYTES_IN_FLIGHT,
        ..ServerLimits::default()
    };
    let server = Server::bind(
        config.listen,
        config.credentials.clone(),
        limits,
        handler.clone(),
    );
    let server = server.map_err(|cause| listen_error("--listen", config.listen, cause))?;
    let http = HttpServer::bind(config.http).await;
    let http = http.map_err(|cause| listen_error("--http", config.http, cause))?;
    let rpc = Client::new(
        config.credentials.clone(),
        "eggsshuckle",
        ClientLimits::default(),
    );
    let node = start_node(&config, &rpc).await?;
    let group = node.group(GroupId::REGISTRY).ok_or_else(|| {
        RunError::Fault("the replica of the registry is not there after its start".into())
    })?;
    let replica = Arc::new(Replica {
        node: config.node(),
        cluster_name: config.cluster_name.clone(),
        group,
        beats: Beats::default(),
        freshness: Freshness::new(),
        stale_ms: config.stale_ms,
        observe_every: config.observe_every,
    });
    // Not the connections of Raft: a request that waits for the leader must not hold up an append.
    let connect =
        |program: &str| Client::new(config.credentials.clone(), program, ClientLimits::default());
    let forward = Forward::new(connect, config.members());
    handler.start(node.clone(), replica.clone(), forward);
    let health = Health::default();
    let metrics = Metrics::new("eggsshuckle");
    let web = Arc::new(Web::new(replica.clone(), metrics, health.clone()));
    Ok(Registry {
        config,
        rpc,
        server,
        http,
        node,
        replica,
        health,
        web,
    })
}

impl Registry {
    /// Where it serves the wire protocol.
    pub fn rpc_address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Where it serves HTTP.
    pub fn http_address(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Serves until `shutdown` or a fault.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let (working, serving) = (CancellationToken::new(), CancellationToken::new());
        let announcement = self.announcement();
        let registry = RegistryClient::new(
            self.rpc.clone(),
            self.config.peers.values().copied().collect(),
        );
        let replica = self.replica.clone();
        let leads = move || Condition {
            leads: if replica.group.is_leader() {
                vec![GroupId::REGISTRY]
            } else {
                Vec::new()
            },
            services: Vec::new(),
        };
        let announcing = tokio::spawn(announce(registry, announcement, leads, working.clone()));
        let (replica, health, stop) = (self.replica.clone(), self.health.clone(), working.clone());
        let pulse = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = pulse::run(&replica, &health) => {}
            }
        });
        let server = tokio::spawn(self.server.run(serving.clone()));
        let http = self.http.run(self.web);
        tracing::info!(node = %self.replica.node, listen = %self.config.listen, http = %self.config.http, "serving");

        let outcome = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            fault = self.node.fatal() => Err(RunError::Fault(fault)),
            error = http => Err(RunError::Http(error)),
        };
        // Peers must still be answered while leadership is handed over, but nothing new is proposed.
        working.cancel();
        for task in [announcing, pulse] {
            ended(task.await);
        }
        if tokio::time::timeout(SHUTDOWN, self.node.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("the replica did not stop in time");
        }
        serving.cancel();
        ended(server.await);
        outcome
    }

    fn announcement(&self) -> Member {
        let members: Vec<NodeId> = self.config.members().into_keys().collect();
        let own = self.config.peers.get(&self.config.id);
        Member {
            node: self.config.node(),
            address: own.unwrap_or(&self.config.listen).to_string(),
            groups: vec![(GroupId::REGISTRY, members)],
            services: Vec::new(),
        }
    }
}

fn ended(task: Result<(), tokio::task::JoinError>) {
    if let Err(error) = task {
        tracing::error!(%error, "a task ended in panic");
    }
}

fn check_peers(config: &Config) -> Result<(), RunError> {
    if config.peers.contains_key(&config.id) {
        return Ok(());
    }
    let peers: Vec<String> = config.peers.keys().map(u32::to_string).collect();
    Err(RunError::NotAPeer {
        id: config.id,
        peers: peers.join(", "),
    })
}

fn listen_error(option: &'static str, address: SocketAddr, cause: std::io::Error) -> RunError {
    RunError::Listen {
        option,
        address,
        cause,
    }
}

async fn start_node(config: &Config, rpc: &Client) -> Result<Arc<Node>, RunError> {
    let members = config.members();
    let mut node = NodeConfig::new(config.node(), config.dir.join("raft"), TABLES.to_vec());
    node.timing = config.timing;
    node.limits.block_cache_bytes = 4 << 20;
    node.limits.write_buffer_bytes = 4 << 20;
    let group = GroupSpec {
        group: GroupId::REGISTRY,
        machine: Arc::new(RegistryMachine),
        members: members.keys().copied().collect::<BTreeSet<NodeId>>(),
    };
    let transport = RpcTransport::new(rpc.clone(), members);
    Ok(Node::start(node, vec![group], transport).await?)
}
