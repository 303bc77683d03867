//! From a configuration to a running process, and to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use eggs_machine::TableSpec;
use eggs_obs::{Health, Metrics, http};
use eggs_proto::meta::GroupMembers;
use eggs_proto::{NodeId, ProcessRole};
use eggs_raft::remains::{self, STORE};
use eggs_raft::{Group, GroupSpec, Lookup, Node, NodeConfig, RpcTransport, StartError};
use eggs_registry_client::{
    ClusterView, Condition, Member, Rebuild, RegistryClient, announce, report_members, report_space,
};
use eggs_rpc::{Client, ClientLimits, Server, ServerLimits};
use futures::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fault::FaultBox;
use crate::front::{Front, Service};
use crate::identity;
use crate::label::Identity;
use crate::look::Look;
use crate::metrics::NodeMetrics;
use crate::{Beginning, ServerConfig, label};

/// Longest time to hand over leadership and to flush when stopping.
const SHUTDOWN: Duration = Duration::from_secs(4);
/// Longest time for requests in flight after that, in milliseconds.
const STOP_MS: u64 = 500;

/// What is there before the node starts.
pub(crate) struct Parts {
    pub config: ServerConfig,
    pub node: NodeId,
    pub identity: Identity,
    /// The first members of new groups.
    pub members: BTreeSet<NodeId>,
    pub rpc: Client,
    pub registry: RegistryClient,
    pub metrics: Metrics,
    pub health: Health,
    pub fault: FaultBox,
    pub stop: CancellationToken,
}

/// What a program brings along.
pub(crate) struct Program<S> {
    pub front: Arc<Front<S>>,
    pub view: ClusterView,
    pub groups: Vec<GroupSpec>,
    pub tables: Vec<TableSpec>,
}

/// A process that runs; it goes on when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    http: Option<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Where it serves.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it shows metrics and health.
    pub const fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Cancelling it stops the process cleanly.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits for its end: `Ok` after a clean stop, else what ended it.
    pub async fn finished(self) -> anyhow::Result<()> {
        self.task.await.context("run the process")?
    }
}

impl Parts {
    pub fn new(
        config: ServerConfig,
        role: ProcessRole,
        program: &'static str,
    ) -> anyhow::Result<Self> {
        let identity = label::check(&config.dir, NodeId::new(role, config.id))?;
        let members = match config.beginning {
            Beginning::Founder => config
                .peers
                .keys()
                .map(|id| NodeId::new(role, *id))
                .collect(),
            Beginning::Joiner => BTreeSet::new(),
        };
        let rpc = Client::new(config.credentials.clone(), program, ClientLimits::default());
        Ok(Self {
            node: identity.node,
            identity,
            members,
            registry: RegistryClient::new(rpc.clone(), config.registry.clone()),
            rpc,
            metrics: Metrics::new(program),
            health: Health::default(),
            fault: FaultBox::default(),
            stop: CancellationToken::new(),
            config,
        })
    }

    pub async fn launch<S: Service>(mut self, program: Program<S>) -> anyhow::Result<Running> {
        let limits = ServerLimits {
            stop_ms: STOP_MS,
            ..ServerLimits::default()
        };
        let credentials = self.config.credentials.clone();
        let front = program.front.clone();
        let server = Server::bind(self.config.listen, credentials, limits, front)
            .context("choose another address with --listen, or stop what uses this one")?;
        let http = match self.config.http {
            Some(address) => Some(
                http::HttpServer::bind(address)
                    .await
                    .context("choose another address with --http, or stop what uses this one")?,
            ),
            None => None,
        };
        // Its type is deep; whoever starts several processes in one would have to raise a limit of the compiler.
        let node = self.start(&program).boxed_local().await?;
        if program.front.node.set(node.clone()).is_err() {
            return Err(anyhow!("a process has one node"));
        }
        let (address, http_address) = (server.local_addr(), http.as_ref().map(|h| h.local_addr()));
        let stop = self.stop.clone();
        let background = Background {
            serving: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        background.spawn(|stop| server.run(stop));
        let rebuild_view = program.view.clone();
        background.spawn(|stop| async move { program.view.run(stop).await });
        if let Some(http) = http {
            let routes = http::routes(self.metrics.clone(), self.health.clone());
            background.spawn(|stop| async move {
                if let Err(error) = http.run(routes, stop).await {
                    tracing::error!(error = format!("{error:#}"), "no more metrics and health");
                }
            });
        }
        let look = Look {
            metrics: NodeMetrics::register(&self.metrics),
            health: self.health.clone(),
            node: node.clone(),
        };
        let stopping = self.stop.clone();
        background.spawn(|_| async move {
            let _ = stopping.run_until_cancelled(look.run()).await;
        });
        let announcing = self.announce(&node, address);
        background.spawn(announcing);
        let (node_id, told, registry) = (self.node, node.clone(), self.registry.clone());
        let heard = node.clone();
        background.spawn(|stop| {
            let (known, hear) = (
                move || told.decided_members(),
                move |newer: &[GroupMembers]| heard.hear_of_members(newer),
            );
            report_members(registry, node_id, known, hear, stop)
        });
        let (registry, looked) = (self.registry.clone(), node.clone());
        background.spawn(|stop| report_space(registry, node_id, move || looked.space(), stop));
        let (registry, fault) = (self.registry.clone(), self.fault.clone());
        let identity = self.identity.clone();
        let confirming =
            identity::confirm_again(registry, self.config.dir.clone(), identity, fault);
        background.spawn(|stop| async move {
            let _ = stop.run_until_cancelled(confirming).await;
        });
        let rebuild = Rebuild {
            rpc: self.rpc.clone(),
            view: rebuild_view,
            registry: self.registry.clone(),
            node: self.node,
            places: self.identity.places.clone(),
        };
        let noting = self.note_rebuilt();
        background.spawn(|stop| async move {
            if stop.run_until_cancelled(rebuild.run()).await.is_some() {
                noting.await;
            }
        });
        tracing::info!(node = %self.node, %address, "serving");
        let task = tokio::spawn(self.supervise(node, background));
        Ok(Running {
            address,
            http: http_address,
            stop,
            task,
        })
    }

    /// Starts the node as who this process may be. If what it had is found lost or damaged, that is nobody it was.
    async fn start<S>(&mut self, program: &Program<S>) -> anyhow::Result<Arc<Node>> {
        let (registry, dir) = (self.registry.clone(), self.config.dir.clone());
        let empty = self.config.rebuild_empty_after;
        let identity = identity::confirm(&registry, &dir, self.identity.clone(), empty).await?;
        self.act_as(identity);
        match self.start_node(program).await {
            Ok(node) => return Ok(node),
            Err(error) if error.is_lost() => {
                tracing::warn!(node = %self.node, %error, "this process must not act under its name any more");
            }
            Err(error) => return Err(self.not_started(error)),
        }
        let identity = self.identity.clone();
        let identity = identity::begin_again(&registry, &dir, identity).await?;
        self.act_as(identity);
        let started = self.start_node(program).await;
        started.map_err(|error| self.not_started(error))
    }

    fn act_as(&mut self, identity: Identity) {
        self.node = identity.node;
        self.identity = identity;
    }

    fn not_started(&self, error: StartError) -> anyhow::Error {
        let what = format!("start {} in {}", self.node, self.config.dir.display());
        anyhow::Error::from(error).context(what)
    }

    async fn start_node<S>(&self, program: &Program<S>) -> Result<Arc<Node>, StartError> {
        let (store, tables) = (self.config.dir.join(STORE), program.tables.clone());
        let mut config = NodeConfig::new(self.node, store, tables);
        config.limits.block_cache_bytes = self.config.block_cache_bytes;
        config.timing = self.config.timing;
        let role = self.node.role();
        let peers: BTreeMap<_, _> = self
            .config
            .peers
            .iter()
            .map(|(id, address)| (NodeId::new(role, *id), *address))
            .collect();
        let view = program.view.clone();
        let lookup: Lookup = Box::new(move |node| view.current().address(node));
        let transport = RpcTransport::with_lookup(self.rpc.clone(), peers, lookup);
        let mut groups = program.groups.clone();
        if self.node != self.node.place() {
            // It was made for the place of somebody who was there before.
            groups.iter_mut().for_each(|group| group.members.clear());
        }
        let node = Node::start(config, groups, transport).await?;
        remains::note_begun(&self.config.dir).await?;
        Ok(node)
    }

    /// Registers and reports which groups are led.
    fn announce(
        &self,
        node: &Arc<Node>,
        bound: SocketAddr,
    ) -> impl FnOnce(CancellationToken) -> BoxFuture + use<> {
        // What peers reach us by, which is not always what we listen on.
        let address = self.config.peers.get(&self.config.id).unwrap_or(&bound);
        let member = Member {
            node: self.node,
            address: address.to_string(),
            // Who the members are is said as they change.
            groups: Vec::new(),
            services: Vec::new(),
        };
        let (registry, node) = (self.registry.clone(), node.clone());
        let condition = move || Condition {
            leads: node
                .groups()
                .filter(Group::is_leader)
                .map(|g| g.id())
                .collect(),
            services: Vec::new(),
            paces: Vec::new(),
        };
        |stop| Box::pin(announce(registry, member, condition, stop))
    }

    /// Notes that nobody is left in whose place the process belongs.
    fn note_rebuilt(&self) -> impl Future<Output = ()> + use<> {
        let (dir, identity) = (self.config.dir.clone(), self.identity.clone());
        async move {
            let node = identity.node;
            if identity.places.is_empty() {
                return;
            }
            let noted = tokio::task::spawn_blocking(move || label::rebuilt(&dir, identity)).await;
            match noted {
                Ok(Ok(())) => {}
                // At the next start there is nothing left to do but this.
                Ok(Err(error)) => tracing::warn!(%node, error = format!("{error:#}"), "rebuilt"),
                Err(error) => tracing::warn!(%node, %error, "rebuilt"),
            }
        }
    }

    /// What has rotten while it was used may look good to the next start, which reads little of it.
    fn give_up_what_rots(&self, reason: &anyhow::Error) {
        if !eggs_raft::is_rot(&reason.to_string()) {
            return;
        }
        match label::give_up(&self.config.dir, self.identity.clone()) {
            Ok(_) => {
                tracing::warn!(node = %self.node, "its store has rotten: with its next start it is rebuilt");
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "give up a rotten store"),
        }
    }

    async fn supervise(self, node: Arc<Node>, background: Background) -> anyhow::Result<()> {
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            reason = node.fatal() => Err(anyhow!(reason)),
            reason = self.fault.met() => Err(anyhow!(reason)),
        };
        match &ended {
            Ok(()) => {
                self.health.set_not_ready("stopping");
                // Still serving, so that peers can take over.
                if tokio::time::timeout(SHUTDOWN, node.shutdown())
                    .await
                    .is_err()
                {
                    tracing::warn!("handing over took too long");
                }
            }
            Err(error) => {
                self.health.set_dead(error.to_string());
                self.give_up_what_rots(error);
                tracing::error!(%error, node = %self.node, "fault");
            }
        }
        self.stop.cancel();
        background.serving.cancel();
        background.tasks.close();
        background.tasks.wait().await;
        ended
    }
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that run until the node has stopped.
struct Background {
    serving: CancellationToken,
    tasks: TaskTracker,
}

impl Background {
    fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task(self.serving.clone()));
    }
}
