//! Putting the parts of a replica together, and taking them apart again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use eggs_obs::{Health, Metrics};
use eggs_proto::GroupId;
use eggs_proto::meta::GroupMembers;
use eggs_raft::remains::{self, STORE};
use eggs_raft::{GroupSpec, Lookup, Node, NodeConfig, RpcTransport, StartError};
use eggs_registry_client::{
    ClusterView, Condition, Member, Rebuild, RegistryClient, announce, report_members, report_space,
};
use eggs_registry_state::{RegistryMachine, TABLES};
use eggs_rpc::{Client, ClientLimits, Server, ServerLimits};
use tokio_util::sync::CancellationToken;

use crate::beats::Beats;
use crate::forward::Forward;
use crate::freshness::Freshness;
use crate::handler::RegistryHandler;
use crate::http::{HttpServer, Web};
use crate::label::Identity;
use crate::paces::Paces;
use crate::replica::{Replica, address};
use crate::{Beginning, Config, RunError, founding, label, pulse};

/// Longest time that handing over leadership and flushing may take.
const SHUTDOWN: Duration = Duration::from_secs(8);
/// Requests of this server are small; the map of the largest cluster is a few megabytes.
const BYTES_IN_FLIGHT: usize = 64 << 20;

/// A replica whose ports and directory are taken, and which has not started yet.
pub struct Registry {
    config: Config,
    identity: Identity,
    rpc: Client,
    server: Server<RegistryHandler>,
    handler: Arc<RegistryHandler>,
    http: HttpServer,
}

/// Runs a replica until `shutdown`, which hands leadership over, or a fault. Boxed, so that all of consensus is compiled into
/// this library, and not again into the program.
pub fn run(config: Config, shutdown: CancellationToken) -> Running {
    Box::pin(async move { start(config).await?.run(shutdown).await })
}

/// A replica at work.
pub type Running = Pin<Box<dyn Future<Output = Result<(), RunError>>>>;

/// Takes the ports and the directory. Must be followed by [`Registry::run`].
pub async fn start(config: Config) -> Result<Registry, RunError> {
    check_peers(&config)?;
    let identity = label::claim(&config)?;
    let handler = Arc::new(RegistryHandler::new(identity.standing()));
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
    Ok(Registry {
        config,
        identity,
        rpc,
        server,
        handler,
        http,
    })
}

/// A replica that runs.
struct Started {
    node: Arc<Node>,
    replica: Arc<Replica>,
    identity: Identity,
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

    /// Recovers the replica, and serves until `shutdown` or a fault.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            config,
            identity,
            rpc,
            server,
            handler,
            http,
        } = self;
        let serving = CancellationToken::new();
        // Others ask about this process before its replica has started.
        let server = tokio::spawn(server.run(serving.clone()));
        let started = tokio::select! {
            started = begin(&config, identity, &rpc, &handler) => started.map(Some),
            () = shutdown.cancelled() => Ok(None),
        };
        let outcome = match started {
            Ok(Some(started)) => serve(&config, started, &rpc, http, shutdown).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        serving.cancel();
        ended(server.await);
        outcome
    }
}

/// Starts the replica once it is certain that it may.
async fn begin(
    config: &Config,
    identity: Identity,
    rpc: &Client,
    handler: &RegistryHandler,
) -> Result<Started, RunError> {
    let identity = founding::confirm(config, rpc, identity).await?;
    handler.settle(identity.standing());
    let (node, identity) = start_or_begin_again(config, identity, rpc).await?;
    let group = node.group(GroupId::REGISTRY).ok_or_else(|| {
        RunError::Fault("the replica of the registry is not there after its start".into())
    })?;
    let replica = Arc::new(Replica {
        node: identity.node,
        unknown: config.unknown(),
        cluster_name: config.cluster_name.clone(),
        group,
        beats: Beats::default(),
        freshness: Freshness::new(),
        stale_ms: config.stale_ms,
        observe_every: config.observe_every,
        paces: Paces::default(),
        judge_every: config.judge_every,
        slow: config.slow,
    });
    // Not the connections of Raft: a request that waits for the leader must not hold up an append.
    let connect =
        |program: &str| Client::new(config.credentials.clone(), program, ClientLimits::default());
    let forward = Forward::new(connect, config.members());
    handler.start(node.clone(), replica.clone(), forward);
    Ok(Started {
        node,
        replica,
        identity,
    })
}

/// Starts the replica as who this process may be. If what it had is found lost or damaged, that is nobody it was; a replica
/// that has no others is left as it is.
async fn start_or_begin_again(
    config: &Config,
    identity: Identity,
    rpc: &Client,
) -> Result<(Arc<Node>, Identity), RunError> {
    match start_node(config, &identity, rpc).await {
        Ok(node) => return Ok((node, identity)),
        Err(error) if error.is_lost() && !config.others().is_empty() => {
            tracing::warn!(node = %identity.node, %error, "this process must not act under its name any more");
        }
        Err(error) => return Err(error.into()),
    }
    let identity = founding::begin_again(config, rpc, identity).await?;
    let node = start_node(config, &identity, rpc).await?;
    Ok((node, identity))
}

async fn serve(
    config: &Config,
    started: Started,
    rpc: &Client,
    http: HttpServer,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let Started {
        node,
        replica,
        identity,
    } = started;
    let health = Health::default();
    let metrics = Metrics::new("eggsshuckle");
    let web = Arc::new(Web::new(replica.clone(), metrics, health.clone()));
    let working = CancellationToken::new();
    let registry = RegistryClient::new(rpc.clone(), config.peers.values().copied().collect());
    let tasks = [
        tokio::spawn(announcing(config, &replica, registry.clone(), &working)),
        tokio::spawn(rebuilding(config, &identity, rpc, &working)),
        tokio::spawn(reporting(&node, registry.clone(), &working)),
        tokio::spawn(telling_space(&node, registry.clone(), &working)),
        tokio::spawn(pulsing(&replica, health, &working)),
    ];
    let (listen, http_address) = (config.listen, config.http);
    tracing::info!(node = %replica.node, %listen, http = %http_address, "serving");
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        fault = node.fatal() => Err(RunError::Fault(fault)),
        error = http.run(web) => Err(RunError::Http(error)),
        error = founding::confirm_again(registry, &identity) => Err(error),
    };
    if let Err(RunError::Fault(reason)) = &outcome {
        give_up_what_rots(config, &identity, reason);
    }
    // Peers must still be answered while leadership is handed over, but nothing new is proposed.
    working.cancel();
    for task in tasks {
        ended(task.await);
    }
    if tokio::time::timeout(SHUTDOWN, node.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the replica did not stop in time");
    }
    outcome
}

/// What has rotten while it was used may look good to the next start, which reads little of it.
fn give_up_what_rots(config: &Config, identity: &Identity, reason: &str) {
    if config.others().is_empty() || !eggs_raft::is_rot(reason) {
        return;
    }
    let node = identity.node;
    match label::give_up(config, identity.clone()) {
        Ok(_) => {
            tracing::warn!(%node, "its store has rotten: with its next start it is rebuilt");
        }
        Err(error) => tracing::warn!(%node, %error, "give up a rotten store"),
    }
}

/// Puts the process into the places of those it was before.
fn rebuilding(
    config: &Config,
    identity: &Identity,
    rpc: &Client,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let registry = RegistryClient::new(rpc.clone(), config.peers.values().copied().collect());
    let rebuild = Rebuild {
        rpc: rpc.clone(),
        view: ClusterView::new(registry.clone()),
        registry,
        node: identity.node,
        places: identity.places.clone(),
    };
    let (config, identity, stop) = (config.clone(), identity.clone(), stop.clone());
    async move {
        if identity.places.is_empty() || stop.run_until_cancelled(rebuild.run()).await.is_none() {
            return;
        }
        let node = identity.node;
        // If this fails, there is nothing left to do at the next start but this.
        let noted = tokio::task::spawn_blocking(move || label::rebuilt(&config, identity)).await;
        match noted {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%node, %error, "rebuilt"),
            Err(error) => tracing::warn!(%node, %error, "rebuilt"),
        }
    }
}

fn announcing(
    config: &Config,
    replica: &Arc<Replica>,
    registry: RegistryClient,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let own = config.peers.get(&config.id);
    let member = Member {
        node: replica.node,
        address: own.unwrap_or(&config.listen).to_string(),
        // Who the members are is said as they change.
        groups: Vec::new(),
        services: Vec::new(),
    };
    let replica = replica.clone();
    let leads = move || Condition {
        leads: if replica.group.is_leader() {
            vec![GroupId::REGISTRY]
        } else {
            Vec::new()
        },
        services: Vec::new(),
        paces: Vec::new(),
    };
    announce(registry, member, leads, stop.clone())
}

fn reporting(
    node: &Arc<Node>,
    registry: RegistryClient,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (told, heard) = (node.clone(), node.clone());
    let hear = move |newer: &[GroupMembers]| heard.hear_of_members(newer);
    report_members(
        registry,
        node.id(),
        move || told.decided_members(),
        hear,
        stop.clone(),
    )
}

fn telling_space(
    node: &Arc<Node>,
    registry: RegistryClient,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let looked = node.clone();
    report_space(registry, node.id(), move || looked.space(), stop.clone())
}

fn pulsing(
    replica: &Arc<Replica>,
    health: Health,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (replica, stop) = (replica.clone(), stop.clone());
    async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = pulse::run(&replica, &health) => {}
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

async fn start_node(
    config: &Config,
    identity: &Identity,
    rpc: &Client,
) -> Result<Arc<Node>, StartError> {
    let peers = config.members();
    let members = match config.beginning {
        Beginning::Founder | Beginning::Anew if identity.node == config.place() => {
            peers.keys().copied().collect()
        }
        // Also of one that was made for the place of somebody who was there before.
        Beginning::Founder | Beginning::Anew | Beginning::Joiner => BTreeSet::new(),
    };
    let mut node = NodeConfig::new(identity.node, config.dir.join(STORE), TABLES.to_vec());
    node.timing = config.timing;
    node.limits.block_cache_bytes = 4 << 20;
    node.limits.log_buffer_bytes = 4 << 20;
    node.limits.state_buffer_bytes = 4 << 20;
    node.limits.reserve_bytes = 8 << 20;
    let group = GroupSpec {
        group: GroupId::REGISTRY,
        machine: Arc::new(RegistryMachine),
        members,
    };
    // Those who joined later are on the map, which this replica has itself. The replica has the transport, so the transport must
    // not have the replica.
    let own: Arc<OnceLock<Weak<Node>>> = Arc::default();
    let (map, given) = (own.clone(), config.clone());
    let lookup: Lookup = Box::new(move |peer| {
        let on_map = || {
            let group = map.get()?.upgrade()?.group(GroupId::REGISTRY)?;
            address(&group, peer)
        };
        on_map().or_else(|| given.address_of(peer))
    });
    let transport = RpcTransport::with_lookup(rpc.clone(), peers, lookup);
    let node = Node::start(node, vec![group], transport).await?;
    let _ = own.set(Arc::downgrade(&node)); // once
    remains::note_begun(&config.dir).await?;
    Ok(node)
}
