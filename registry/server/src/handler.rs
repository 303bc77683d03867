//! Requests of the wire protocol.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use eggs_machine::StoreRead;
use eggs_proto::meta::{MetaReply, MetaRequest, Standing};
use eggs_proto::registry::{
    DiskPace, RegistryReply, RegistryRequest, SCHEMES_MAX, SchemeInUse, SpaceLevel, SpaceReport,
    Succession,
};
use eggs_proto::{
    CallError, CallResult, InvalidArgument, MessageKind, NodeId, ProcessRole, Refusal, RequestId,
    decode, encode,
};
use eggs_raft::Node;
use eggs_registry_state::{
    Beat, GROUPS_MAX, Registration, RegistryCommand, RegistryOutcome, SERVICES_PER_NODE_MAX,
    is_bound, knows, schemes_are_news, space_of,
};
use eggs_rpc::{Answer, Handler, Peer, PeerRole, Reply, Request};

use crate::config::Unknown;
use crate::forward::Forward;
use crate::members;
use crate::queries;
use crate::replica::{Replica, not_read};

/// Answers requests once the replica has started; until then, "not yet".
pub(crate) struct RegistryHandler {
    /// What is answered about this process, also before its replica has started.
    standing: Mutex<Standing>,
    started: OnceLock<Started>,
}

struct Started {
    node: Arc<Node>,
    replica: Arc<Replica>,
    forward: Forward,
}

impl RegistryHandler {
    pub(crate) fn new(standing: Standing) -> Self {
        Self {
            standing: Mutex::new(standing),
            started: OnceLock::new(),
        }
    }

    /// From now on this process has a past.
    pub(crate) fn settle(&self, standing: Standing) {
        *self.standing() = standing;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers about the replicas of this process.
    async fn meta(&self, request: &Request) -> CallResult<MetaReply> {
        let asked = decode(&request.body).map_err(|_| CallError::Malformed)?;
        if asked == MetaRequest::Standing {
            return Ok(MetaReply::Standing(self.standing().clone()));
        }
        match self.started.get() {
            Some(started) => {
                let deadline = request.deadline.into_std();
                started.node.handle_meta(asked, deadline).await
            }
            None => Err(CallError::Unavailable("starting".into())),
        }
    }

    /// From now on there is something to answer with.
    pub(crate) fn start(&self, node: Arc<Node>, replica: Arc<Replica>, forward: Forward) {
        // Only the first call counts, and there is only one.
        let _ = self.started.set(Started {
            node,
            replica,
            forward,
        });
    }
}

impl RegistryHandler {
    async fn reply(&self, peer: &Peer, request: Request) -> Reply {
        if request.kind == MessageKind::Meta && peer.role == PeerRole::Server {
            return Reply {
                body: encode(&self.meta(&request).await).into(),
                payload: Bytes::new(),
            };
        }
        let Some(started) = self.started.get() else {
            return refuse(CallError::Unavailable("starting".into()));
        };
        match request.kind {
            MessageKind::Registry => {
                let deadline = request.deadline.into_std();
                let outcome = answer(&started.replica, peer.role, &request.body, deadline).await;
                if let Err(error) = &outcome
                    && error.is_suspicious()
                {
                    peer.complain(error);
                }
                let known = |node| started.replica.address(node);
                let forwarded = started.forward.ask_leader(peer, &outcome, &request, known);
                if let Some(reply) = forwarded.await {
                    return reply;
                }
                Reply {
                    body: encode(&outcome).into(),
                    payload: Bytes::new(),
                }
            }
            MessageKind::Raft if peer.role == PeerRole::Server => {
                let (body, payload) = started
                    .node
                    .handle_peer(request.body, request.payload)
                    .await;
                Reply { body, payload }
            }
            MessageKind::Raft | MessageKind::Meta => refuse(CallError::Forbidden),
            MessageKind::Hello | MessageKind::Shard | MessageKind::Cdc | MessageKind::Block => {
                refuse(CallError::NotHosted)
            }
        }
    }
}

impl Handler for RegistryHandler {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        self.reply(peer, request).await.into()
    }
}

fn refuse(error: CallError) -> Reply {
    let outcome: CallResult<RegistryReply> = Err(error);
    Reply {
        body: encode(&outcome).into(),
        payload: Bytes::new(),
    }
}

/// What a connection may ask for, and who answers it.
async fn answer(
    replica: &Replica,
    role: PeerRole,
    body: &[u8],
    deadline: Instant,
) -> RegistryOutcome {
    let request: RegistryRequest = decode(body).map_err(|_| CallError::Malformed)?;
    match request {
        RegistryRequest::Map { known } => queries::map(replica, known, deadline).await,
        RegistryRequest::Health => queries::cluster_health(replica, deadline).await,
        RegistryRequest::Disks => queries::disks(replica, deadline).await,
        RegistryRequest::Pace { node, disks } => {
            servers_only(role)?;
            note_pace(replica, node, disks)
        }
        RegistryRequest::Keys => {
            servers_only(role)?;
            queries::keys(replica, deadline).await
        }
        RegistryRequest::RegisterNode {
            id,
            node,
            address,
            groups,
            services,
        } => {
            servers_only(role)?;
            let registration = Registration {
                node,
                address,
                groups,
                services,
            };
            register(replica, id, registration, deadline).await
        }
        RegistryRequest::Heartbeat {
            node,
            leads,
            services,
        } => {
            servers_only(role)?;
            let beat = Beat {
                node,
                leads,
                services,
            };
            heartbeat(replica, beat)
        }
        RegistryRequest::SetServiceState { id, service, state } => {
            servers_only(role)?;
            let command = RegistryCommand::SetServiceState { service, state };
            tracing::info!(%service, ?state, "state of a disk is set by hand");
            replica.propose(&command, Some(id), deadline).await
        }
        RegistryRequest::Claim {
            id,
            node,
            incarnation,
        } => {
            servers_only(role)?;
            let command = RegistryCommand::Claim { node, incarnation };
            replica.propose(&command, Some(id), deadline).await
        }
        RegistryRequest::Confirm {
            id,
            node,
            incarnation,
        } => {
            servers_only(role)?;
            known_or_taken(replica, node, deadline).await?;
            let command = RegistryCommand::Claim { node, incarnation };
            replica.propose(&command, Some(id), deadline).await
        }
        RegistryRequest::Members { id, node, groups } => {
            servers_only(role)?;
            members::note(replica, (id, node), groups, deadline).await
        }
        RegistryRequest::Retire { id, node } => {
            servers_only(role)?;
            tracing::info!(%node, "a process retires");
            let command = RegistryCommand::Retire { node };
            replica.propose(&command, Some(id), deadline).await
        }
        RegistryRequest::Succeed {
            id,
            node,
            was,
            incarnation,
        } => {
            servers_only(role)?;
            succeed(replica, (id, node), (was, incarnation), deadline).await
        }
        RegistryRequest::Schemes { id, node, in_use } => {
            servers_only(role)?;
            note_schemes(replica, (id, node), in_use, deadline).await
        }
        RegistryRequest::Space { id, node, report } => {
            servers_only(role)?;
            note_space(replica, (id, node), report, deadline).await
        }
    }
}

fn servers_only(role: PeerRole) -> Result<(), CallError> {
    match role {
        PeerRole::Server => Ok(()),
        PeerRole::Client => Err(CallError::Forbidden),
    }
}

async fn register(
    replica: &Replica,
    id: RequestId,
    registration: Registration,
    deadline: Instant,
) -> RegistryOutcome {
    let (node, address) = (registration.node, registration.address.clone());
    match node.role() {
        // Before they register they are bound; who is not was bound by another registry.
        ProcessRole::Shard | ProcessRole::Cdc => is_known(replica, node, deadline).await?,
        // Those of the registry are bound by it once it works; the others have no replicas to lose.
        ProcessRole::Registry | ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => {}
    }
    let command = RegistryCommand::RegisterNode(registration);
    let outcome = replica.propose(&command, Some(id), deadline).await;
    match &outcome {
        Ok(_) => tracing::info!(%node, address, "process registered"),
        Err(CallError::Refused(refusal)) => {
            tracing::warn!(%node, address, %refusal, "registration refused");
        }
        Err(_) => {} // it will ask again
    }
    outcome
}

/// Refuses who says that the registry has bound it, and must have been bound by another one.
async fn known_or_taken(
    replica: &Replica,
    node: NodeId,
    deadline: Instant,
) -> Result<(), CallError> {
    match replica.unknown {
        Unknown::Taken => Ok(()),
        Unknown::Refused => is_known(replica, node, deadline).await,
    }
}

async fn is_known(replica: &Replica, node: NodeId, deadline: Instant) -> Result<(), CallError> {
    let bound = replica.group.read(|store| is_bound(store, node), deadline);
    let bound = bound.await.map_err(not_read)?;
    if bound.map_err(|fault| queries::unreadable(&fault))? {
        return Ok(());
    }
    tracing::warn!(
        %node,
        "a process was bound by a registry that is not this one, and is refused: this one may have been founded because \
         the disks of another were missing. If those are lost, start the registry with --found-anew"
    );
    Err(CallError::Refused(Refusal::NotFound))
}

/// Gives a process that lost its directory its next name.
async fn succeed(
    replica: &Replica,
    (id, lost): (RequestId, NodeId),
    (was, incarnation): (Option<u64>, u64),
    deadline: Instant,
) -> RegistryOutcome {
    let command = RegistryCommand::Succeed {
        node: lost,
        was,
        incarnation,
    };
    let outcome = replica.propose(&command, Some(id), deadline).await;
    match &outcome {
        Ok(RegistryReply::Succession(Succession::Named { node, .. })) => {
            tracing::warn!(%lost, %node, "a process has lost its directory and is rebuilt under a new name");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%lost, %error, "no new name"),
    }
    outcome
}

/// Keeps what is news: a process that has enough says so at each start.
async fn note_space(
    replica: &Replica,
    (id, node): (RequestId, NodeId),
    report: SpaceReport,
    deadline: Instant,
) -> RegistryOutcome {
    let known = replica.group.read(|store| space_of(store, node), deadline);
    let known = known
        .await
        .map_err(not_read)?
        .map_err(|fault| queries::unreadable(&fault))?;
    if known.is_none() && report.level == SpaceLevel::Ample {
        return Ok(RegistryReply::Done);
    }
    if known.is_none_or(|known| known.level != report.level) {
        let (level, available_bytes) = (report.level, report.available_bytes);
        tracing::info!(%node, ?level, available_bytes, "space for metadata has changed");
    }
    let command = RegistryCommand::NoteSpace { node, report };
    replica.propose(&command, Some(id), deadline).await
}

/// Keeps what is news: most of the time everything is stored as before.
async fn note_schemes(
    replica: &Replica,
    (id, node): (RequestId, NodeId),
    in_use: Vec<SchemeInUse>,
    deadline: Instant,
) -> RegistryOutcome {
    if in_use.len() > SCHEMES_MAX {
        return Err(CallError::Refused(Refusal::Invalid(InvalidArgument::List)));
    }
    let are_news = |store: &dyn StoreRead| schemes_are_news(store, &in_use);
    let news = replica.group.read(are_news, deadline).await;
    let news = news
        .map_err(not_read)?
        .map_err(|fault| queries::unreadable(&fault))?;
    if !news {
        return Ok(RegistryReply::Done);
    }
    let command = RegistryCommand::NoteSchemes { node, in_use };
    replica.propose(&command, Some(id), deadline).await
}

/// Keeps latencies for the next judgement.
fn note_pace(replica: &Replica, node: NodeId, disks: Vec<DiskPace>) -> RegistryOutcome {
    if disks.len() > SERVICES_PER_NODE_MAX {
        return Err(CallError::Refused(Refusal::Invalid(InvalidArgument::List)));
    }
    leader_only(replica)?;
    let known = replica.group.read_local(|store| knows(store, node, &[]));
    if !known.map_err(|fault| queries::unreadable(&fault))? {
        return Err(CallError::Refused(Refusal::NotFound));
    }
    replica.paces.put(node, disks);
    Ok(RegistryReply::Done)
}

fn leader_only(replica: &Replica) -> Result<(), CallError> {
    if replica.group.is_leader() {
        return Ok(());
    }
    let leader = replica
        .group
        .leader()
        .filter(|leader| *leader != replica.node);
    Err(CallError::NotLeader { leader })
}

/// Keeps a heartbeat for the next observation. `NotFound` asks the process to register (again).
fn heartbeat(replica: &Replica, beat: Beat) -> RegistryOutcome {
    if beat.leads.len() > GROUPS_MAX || beat.services.len() > SERVICES_PER_NODE_MAX {
        return Err(CallError::Refused(Refusal::Invalid(InvalidArgument::List)));
    }
    leader_only(replica)?;
    let known = replica
        .group
        .read_local(|store| knows(store, beat.node, &beat.services));
    if !known.map_err(|fault| queries::unreadable(&fault))? {
        return Err(CallError::Refused(Refusal::NotFound));
    }
    replica.beats.put(beat);
    Ok(RegistryReply::Done)
}
