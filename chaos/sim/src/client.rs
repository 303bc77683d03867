//! A client core: the retry rules of `client/core`, without a network.
//!
//! The same request id until there is a decision, from any leader; a new one after `Locked`, which is a decision; a deadline
//! for all of it. Every answer is shown to the oracle.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest};
use eggs_proto::hello::PeerRole;
use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{
    BlockServiceId, CallError, GroupId, NodeId, Refusal, RequestId, ServiceState, ShardId,
};

use crate::message::{Request, Response};
use crate::random::Random;
use crate::sim::Sim;

/// How long one process is waited for.
const ATTEMPT_US: u64 = 3_000_000;
/// Pauses between attempts: the first and the longest.
const PAUSE_US_MIN: u64 = 5_000;
const PAUSE_US_MAX: u64 = 100_000;
/// How often in a row a process may be named by another without a pause.
const HOPS_MAX: u32 = 3;

/// Why an operation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The group said no.
    Refused(Refusal),
    /// A block service said no.
    Block(BlockRefusal),
    /// Nobody answered in time.
    TooLate,
}

/// What an operation comes to.
pub type Outcome<T> = Result<T, Failure>;

/// One client, or the collector.
pub struct Client {
    /// Where it lives.
    pub sim: Sim,
    /// Its place in the network.
    pub node: NodeId,
    /// What servers let it do.
    pub origin: PeerRole,
    id: u64,
    sequence: Cell<u64>,
    leaders: RefCell<BTreeMap<GroupId, NodeId>>,
}

impl Client {
    /// A client that was never heard of.
    pub fn new(sim: Sim, node: NodeId, origin: PeerRole, random: &mut Random) -> Self {
        Self {
            sim,
            node,
            origin,
            id: random.word(),
            sequence: Cell::new(0),
            leaders: RefCell::default(),
        }
    }

    /// Names the next change.
    pub fn next_id(&self) -> RequestId {
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        RequestId {
            client: self.id,
            sequence,
        }
    }

    /// When something that begins now has to end.
    pub fn deadline(&self, seconds: u64) -> u64 {
        self.sim.now_us() + seconds * 1_000_000
    }

    /// Asks a group until it decides or the deadline has passed.
    async fn ask(&self, group: GroupId, request: &Request, deadline_us: u64) -> Outcome<Response> {
        let members = self.sim.with(|world| {
            world.ensure_group(group);
            world.group(group).members.clone()
        });
        let mut named = self.leaders.borrow().get(&group).copied();
        let mut turn = self.sequence.get() as usize;
        let mut pause_us = PAUSE_US_MIN;
        let mut hops = 0;
        loop {
            let now_us = self.sim.now_us();
            if now_us >= deadline_us {
                return Err(Failure::TooLate);
            }
            let target = named.take().unwrap_or_else(|| {
                turn += 1;
                members[turn % members.len()]
            });
            let timeout_us = ATTEMPT_US.min(deadline_us - now_us);
            let answer = self
                .sim
                .call(self.node, target, request.clone(), timeout_us)
                .await;
            let error = match answer {
                None => None,
                Some(response) => match error_of(&response) {
                    None | Some(CallError::Refused(_)) => {
                        self.leaders.borrow_mut().insert(group, target);
                        return Ok(response);
                    }
                    Some(error) => Some(error),
                },
            };
            self.leaders.borrow_mut().remove(&group);
            match error {
                Some(CallError::NotLeader {
                    leader: Some(leader),
                }) if leader != target => {
                    named = Some(leader);
                    hops += 1;
                    if hops <= HOPS_MAX {
                        continue;
                    }
                    hops = 0;
                }
                Some(CallError::Overloaded) => named = Some(target),
                Some(CallError::Malformed | CallError::Forbidden) => {
                    return Err(Failure::Refused(Refusal::Forbidden));
                }
                Some(
                    CallError::NotLeader { .. }
                    | CallError::Refused(_)
                    | CallError::NotHosted
                    | CallError::Deadline
                    | CallError::Unavailable(_),
                )
                | None => {}
            }
            self.sim.sleep_us(pause_us).await;
            pause_us = (pause_us * 2).min(PAUSE_US_MAX);
        }
    }

    /// Waits a little; whether there is time left.
    async fn pause(&self, pause_us: &mut u64, deadline_us: u64) -> bool {
        self.sim.sleep_us(*pause_us).await;
        *pause_us = (*pause_us * 2).min(PAUSE_US_MAX);
        self.sim.now_us() < deadline_us
    }

    /// Changes something on a shard.
    pub async fn change(
        &self,
        shard: ShardId,
        change: ShardChange,
        deadline_us: u64,
    ) -> Outcome<ShardReply> {
        let mut pause_us = PAUSE_US_MIN;
        loop {
            let id = self.next_id();
            let request = ShardRequest::Change {
                id,
                change: change.clone(),
            };
            let answer = self.ask_shard(shard, request, deadline_us).await?;
            self.sim
                .with(|world| world.told_of_change(shard, id, &answer));
            match decided(answer) {
                Err(Failure::Refused(Refusal::Locked)) => {
                    if !self.pause(&mut pause_us, deadline_us).await {
                        return Err(Failure::Refused(Refusal::Locked));
                    }
                }
                other => return other,
            }
        }
    }

    /// Asks a shard.
    pub async fn query(
        &self,
        shard: ShardId,
        query: ShardQuery,
        deadline_us: u64,
    ) -> Outcome<ShardReply> {
        let mut pause_us = PAUSE_US_MIN;
        loop {
            let request = ShardRequest::Query(query.clone());
            let answer = self.ask_shard(shard, request, deadline_us).await?;
            match decided(answer) {
                Err(Failure::Refused(Refusal::Locked)) => {
                    if !self.pause(&mut pause_us, deadline_us).await {
                        return Err(Failure::Refused(Refusal::Locked));
                    }
                }
                other => return other,
            }
        }
    }

    async fn ask_shard(
        &self,
        shard: ShardId,
        request: ShardRequest,
        deadline_us: u64,
    ) -> Outcome<eggs_proto::CallResult<ShardReply>> {
        let call = ShardCall { shard, request };
        let origin = self.origin;
        let request = Request::Shard { call, origin };
        match self
            .ask(GroupId::of_shard(shard), &request, deadline_us)
            .await?
        {
            Response::Shard(answer) => Ok(answer),
            Response::Cdc(_) | Response::Registry(_) | Response::Block(_) => Err(Failure::TooLate),
        }
    }

    /// Runs a transaction.
    pub async fn transact(&self, operation: CdcOperation, deadline_us: u64) -> Outcome<CdcReply> {
        let mut pause_us = PAUSE_US_MIN;
        loop {
            let id = self.next_id();
            let operation = operation.clone();
            let request = Request::Cdc(CdcRequest::Run { id, operation });
            let Response::Cdc(answer) = self.ask(GroupId::CDC, &request, deadline_us).await? else {
                return Err(Failure::TooLate);
            };
            self.sim
                .with(|world| world.told_of_transaction(id, &answer));
            match decided(answer) {
                Err(Failure::Refused(Refusal::Locked)) => {
                    if !self.pause(&mut pause_us, deadline_us).await {
                        return Err(Failure::Refused(Refusal::Locked));
                    }
                }
                other => return other,
            }
        }
    }

    /// Sets the state of a disk.
    pub async fn set_service(
        &self,
        service: BlockServiceId,
        state: ServiceState,
        deadline_us: u64,
    ) -> Outcome<RegistryReply> {
        let id = self.next_id();
        let request = RegistryRequest::SetServiceState { id, service, state };
        self.registry(request, deadline_us).await
    }

    /// Asks the registry.
    pub async fn registry(
        &self,
        request: RegistryRequest,
        deadline_us: u64,
    ) -> Outcome<RegistryReply> {
        let request = Request::Registry(request);
        match self.ask(GroupId::REGISTRY, &request, deadline_us).await? {
            Response::Registry(answer) => decided(answer),
            Response::Shard(_) | Response::Cdc(_) | Response::Block(_) => Err(Failure::TooLate),
        }
    }

    /// Asks a block service once.
    pub async fn block(
        &self,
        service: BlockServiceId,
        request: BlockRequest,
    ) -> Outcome<BlockReply> {
        let home = self
            .sim
            .with(|world| world.disks.get(&service).map(|disk| disk.node));
        let node = home.ok_or(Failure::Block(BlockRefusal::WrongService))?;
        let request = Request::Block(request);
        match self.sim.call(self.node, node, request, ATTEMPT_US).await {
            Some(Response::Block(answer)) => answer.map_err(Failure::Block),
            Some(Response::Shard(_) | Response::Cdc(_) | Response::Registry(_)) | None => {
                Err(Failure::TooLate)
            }
        }
    }
}

fn error_of(response: &Response) -> Option<CallError> {
    match response {
        Response::Shard(answer) => answer.as_ref().err().cloned(),
        Response::Cdc(answer) => answer.as_ref().err().cloned(),
        Response::Registry(answer) => answer.as_ref().err().cloned(),
        Response::Block(_) => None,
    }
}

fn decided<T>(answer: eggs_proto::CallResult<T>) -> Outcome<T> {
    answer.map_err(|error| match error {
        CallError::Refused(refusal) => Failure::Refused(refusal),
        CallError::NotLeader { .. }
        | CallError::NotHosted
        | CallError::Overloaded
        | CallError::Deadline
        | CallError::Unavailable(_)
        | CallError::Malformed
        | CallError::Forbidden => Failure::TooLate,
    })
}
