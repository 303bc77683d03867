//! Calls to whichever registry process answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::meta::GroupMembers;
use eggs_proto::registry::{
    DiskCondition, DiskPace, HealthFinding, RegistryReply, RegistryRequest, SchemeInUse,
    ServiceRegistration, ServiceReport, Severity, SpaceReport, Succession,
};
use eggs_proto::{
    BlockServiceId, CallError, CallResult, ClusterMap, Epoch, GroupId, MessageKind, NodeId,
    Refusal, RequestId, ServiceKey, ServiceState, decode, encode,
};
use eggs_rpc::{Client, RpcError};
use tokio::time::{Instant, sleep_until};

use crate::RegistryError;

/// One replica is not waited for longer than this while there are others.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// Pause after all replicas were asked in vain: the first one, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// Asks the registry. Remembers who answered last. Cheap to clone.
#[derive(Clone)]
pub struct RegistryClient {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Client,
    addresses: Vec<SocketAddr>,
    /// Index of the address that is asked first.
    preferred: AtomicUsize,
    client: u64,
    sequence: AtomicU64,
}

/// What the registry says of a directory that it has bound to a name before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It acts as the process.
    Acts,
    /// Another one does, or nobody may any more.
    Replaced,
    /// The registry knows nothing of it: it is not the one that bound it, or has lost what it knew.
    Unknown,
}

/// What one attempt came to.
enum Attempt {
    Answer(RegistryReply),
    Final(RegistryError),
    Elsewhere {
        hint: Option<NodeId>,
        reason: String,
    },
}

impl RegistryClient {
    /// Will ask the processes at these addresses, in order of their node numbers where possible, so that
    /// hints about the leader are of use.
    pub fn new(rpc: Client, addresses: Vec<SocketAddr>) -> Self {
        let mut random = [0u8; 8];
        // Without entropy, ids of changes would collide with those of others.
        getrandom::fill(&mut random).expect("the system has entropy");
        Self {
            inner: Arc::new(Inner {
                rpc,
                addresses,
                preferred: AtomicUsize::new(0),
                client: u64::from_le_bytes(random),
                sequence: AtomicU64::new(0),
            }),
        }
    }

    /// The map, or `None` if `known` is current.
    pub async fn map(
        &self,
        known: Option<Epoch>,
        timeout: Duration,
    ) -> Result<Option<ClusterMap>, RegistryError> {
        match self.call(&RegistryRequest::Map { known }, timeout).await? {
            RegistryReply::Map(map) => Ok(Some(map)),
            RegistryReply::Unchanged => Ok(None),
            RegistryReply::Done
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    /// Keys of the block services; for servers only.
    pub async fn keys(
        &self,
        timeout: Duration,
    ) -> Result<Vec<(BlockServiceId, ServiceKey)>, RegistryError> {
        match self.call(&RegistryRequest::Keys, timeout).await? {
            RegistryReply::Keys(keys) => Ok(keys),
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    /// Tells that a process has started or moved; for servers only.
    pub async fn register(
        &self,
        node: NodeId,
        address: String,
        groups: Vec<(GroupId, Vec<NodeId>)>,
        services: Vec<ServiceRegistration>,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        let request = RegistryRequest::RegisterNode {
            id: self.next_id(),
            node,
            address,
            groups,
            services,
        };
        self.done(&request, timeout).await
    }

    /// Tells that a process is alive; for servers only.
    pub async fn heartbeat(
        &self,
        node: NodeId,
        leads: Vec<GroupId>,
        services: Vec<ServiceReport>,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        let request = RegistryRequest::Heartbeat {
            node,
            leads,
            services,
        };
        self.done(&request, timeout).await
    }

    /// What the map does not say about disks.
    pub async fn disks(&self, timeout: Duration) -> Result<Vec<DiskCondition>, RegistryError> {
        match self.call(&RegistryRequest::Disks, timeout).await? {
            RegistryReply::Disks(disks) => Ok(disks),
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    /// Tells how long disks took lately; for servers only.
    pub async fn pace(
        &self,
        node: NodeId,
        disks: Vec<DiskPace>,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        self.done(&RegistryRequest::Pace { node, disks }, timeout)
            .await
    }

    /// Sets the state of a disk by hand.
    pub async fn set_service_state(
        &self,
        service: BlockServiceId,
        state: ServiceState,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        let request = RegistryRequest::SetServiceState {
            id: self.next_id(),
            service,
            state,
        };
        self.done(&request, timeout).await
    }

    /// Makes a directory the only one that may act as a process; for servers only. `false` if another one is, or
    /// nobody may any more.
    pub async fn claim(
        &self,
        node: NodeId,
        incarnation: u64,
        timeout: Duration,
    ) -> Result<bool, RegistryError> {
        let request = RegistryRequest::Claim {
            id: self.next_id(),
            node,
            incarnation,
        };
        match self.done(&request, timeout).await {
            Ok(()) => Ok(true),
            Err(RegistryError::Refused(CallError::Refused(Refusal::Exists))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says again that a directory acts as a process, as the registry has confirmed before; for servers only.
    pub async fn confirm(
        &self,
        node: NodeId,
        incarnation: u64,
        timeout: Duration,
    ) -> Result<Confirmation, RegistryError> {
        let request = RegistryRequest::Confirm {
            id: self.next_id(),
            node,
            incarnation,
        };
        match self.done(&request, timeout).await {
            Ok(()) => Ok(Confirmation::Acts),
            Err(RegistryError::Refused(CallError::Refused(Refusal::Exists))) => {
                Ok(Confirmation::Replaced)
            }
            Err(RegistryError::Refused(CallError::Refused(Refusal::NotFound))) => {
                Ok(Confirmation::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a process whose directory is lost its next name; for servers only. `None` if there is nothing to be lost,
    /// or it was replaced by a person.
    pub async fn succeed(
        &self,
        node: NodeId,
        (was, incarnation): (Option<u64>, u64),
        timeout: Duration,
    ) -> Result<Option<Succession>, RegistryError> {
        let request = RegistryRequest::Succeed {
            id: self.next_id(),
            node,
            was,
            incarnation,
        };
        match self.call(&request, timeout).await {
            Ok(RegistryReply::Succession(succession)) => Ok(Some(succession)),
            Ok(
                RegistryReply::Done
                | RegistryReply::Unchanged
                | RegistryReply::Map(_)
                | RegistryReply::Keys(_)
                | RegistryReply::Health { .. }
                | RegistryReply::Members(_)
                | RegistryReply::Disks(_),
            ) => Err(RegistryError::Unexpected),
            Err(RegistryError::Refused(CallError::Refused(
                Refusal::Exists | Refusal::NotFound,
            ))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a process that votes nowhere off the map for ever; for servers only. `false` if it still votes somewhere.
    pub async fn retire(&self, node: NodeId, timeout: Duration) -> Result<bool, RegistryError> {
        let id = self.next_id();
        match self
            .done(&RegistryRequest::Retire { id, node }, timeout)
            .await
        {
            Ok(()) | Err(RegistryError::Refused(CallError::Refused(Refusal::NotFound))) => Ok(true),
            Err(RegistryError::Refused(CallError::Refused(Refusal::NotEmpty))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells who votes in which group; for servers only. Answers what the registry knows better.
    pub async fn members(
        &self,
        node: NodeId,
        groups: Vec<GroupMembers>,
        timeout: Duration,
    ) -> Result<Vec<GroupMembers>, RegistryError> {
        let request = RegistryRequest::Members {
            id: self.next_id(),
            node,
            groups,
        };
        match self.call(&request, timeout).await? {
            RegistryReply::Members(newer) => Ok(newer),
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    /// Says how much space a process has for metadata.
    pub async fn space(
        &self,
        node: NodeId,
        report: SpaceReport,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        let id = self.next_id();
        let request = RegistryRequest::Space { id, node, report };
        self.done(&request, timeout).await
    }

    /// Says how blocks were stored lately by the shards that a process leads.
    pub async fn schemes(
        &self,
        node: NodeId,
        in_use: Vec<SchemeInUse>,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        let id = self.next_id();
        let request = RegistryRequest::Schemes { id, node, in_use };
        self.done(&request, timeout).await
    }

    /// Health in words, with its severity.
    pub async fn health(
        &self,
        timeout: Duration,
    ) -> Result<(Severity, Vec<HealthFinding>), RegistryError> {
        match self.call(&RegistryRequest::Health, timeout).await? {
            RegistryReply::Health { severity, findings } => Ok((severity, findings)),
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    async fn done(
        &self,
        request: &RegistryRequest,
        timeout: Duration,
    ) -> Result<(), RegistryError> {
        match self.call(request, timeout).await? {
            RegistryReply::Done => Ok(()),
            RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(RegistryError::Unexpected),
        }
    }

    fn next_id(&self) -> RequestId {
        RequestId {
            client: self.inner.client,
            sequence: self.inner.sequence.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Asks one process after the other until one answers or the time is up.
    pub async fn call(
        &self,
        request: &RegistryRequest,
        timeout: Duration,
    ) -> Result<RegistryReply, RegistryError> {
        let inner = &*self.inner;
        if inner.addresses.is_empty() {
            return Err(RegistryError::NoAddress);
        }
        let body = Bytes::from(encode(request));
        let deadline = Instant::now() + timeout;
        let mut at = inner.preferred.load(Ordering::Relaxed);
        let mut pause = PAUSE_MIN;
        let mut last = None;
        for asked in 1.. {
            at %= inner.addresses.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match inner.attempt(at, &body, left.min(ATTEMPT)).await {
                Attempt::Answer(reply) => {
                    inner.preferred.store(at, Ordering::Relaxed);
                    return Ok(reply);
                }
                Attempt::Final(error) => return Err(error),
                Attempt::Elsewhere { hint, reason } => {
                    last = Some(reason);
                    at = inner.hinted(hint, at).unwrap_or(at + 1);
                }
            }
            if asked % inner.addresses.len() == 0 {
                sleep_until(deadline.min(Instant::now() + pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        Err(inner.deadline(last))
    }
}

impl Inner {
    async fn attempt(&self, at: usize, body: &Bytes, wait: Duration) -> Attempt {
        let Some(&address) = self.addresses.get(at) else {
            return Attempt::Final(RegistryError::NoAddress);
        };
        let kind = MessageKind::Registry;
        let call = self
            .rpc
            .call(address, kind, wait, body.clone(), Bytes::new());
        let reply = match call.await {
            Ok(reply) => reply,
            Err(error @ (RpcError::Unauthorized { .. } | RpcError::TooLarge { .. })) => {
                return Attempt::Final(RegistryError::Unusable(error));
            }
            Err(error) => return elsewhere(None, &error),
        };
        match decode::<CallResult<RegistryReply>>(&reply.body) {
            Ok(Ok(reply)) => Attempt::Answer(reply),
            Ok(Err(error)) => judge(error),
            Err(malformed) => elsewhere(None, &malformed),
        }
    }

    /// The address of the process that is said to lead, unless that is the one that said so.
    fn hinted(&self, hint: Option<NodeId>, asked: usize) -> Option<usize> {
        let at = hint?.place().index() as usize;
        (at < self.addresses.len() && at != asked).then_some(at)
    }

    fn deadline(&self, last: Option<String>) -> RegistryError {
        let addresses: Vec<_> = self.addresses.iter().map(SocketAddr::to_string).collect();
        RegistryError::Deadline {
            addresses: addresses.join(","),
            last,
        }
    }
}

fn judge(error: CallError) -> Attempt {
    match error {
        CallError::NotLeader { leader } => elsewhere(leader, &error),
        CallError::NotHosted
        | CallError::Overloaded
        | CallError::Deadline
        | CallError::Unavailable(_) => elsewhere(None, &error),
        CallError::Refused(_) | CallError::Malformed | CallError::Forbidden => {
            Attempt::Final(RegistryError::Refused(error))
        }
    }
}

fn elsewhere(hint: Option<NodeId>, reason: &dyn std::fmt::Display) -> Attempt {
    Attempt::Elsewhere {
        hint,
        reason: reason.to_string(),
    }
}
