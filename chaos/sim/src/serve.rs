//! What servers do with questions, as `meta/server`, `registry/server` and `blob/server` do.

use eggs_cdc::CdcCommand;
use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Command, CommandHeader};
use eggs_proto::block::BlockRequest;
use eggs_proto::cdc::CdcRequest;
use eggs_proto::hello::PeerRole;
use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardRequest};
use eggs_proto::{CallError, GroupId, NodeId, Refusal, RequestId, ShardId, Time, encode};
use eggs_registry_state::{Beat, ClusterView, Registration, RegistryCommand};
use eggs_shard::{PrepareContext, QueryContext};

use crate::coverage::label;
use crate::group::{Known, Proposal, Waiter};
use crate::message::{Request, Response};
use crate::process::Caller;
use crate::world::{Event, World};

impl World {
    /// A question reaches a process.
    pub(crate) fn serve(&mut self, caller: Caller, to: NodeId, request: Request) {
        let Some(process) = self.processes.get(&to).filter(|process| process.up) else {
            return;
        };
        if let Some(group) = request.group()
            && !process.leads(group, self.now_us)
        {
            let leader = self.groups.get(&group).and_then(|group| group.leader);
            let leader = leader.filter(|leader| *leader != to);
            let refused = request.refuse(CallError::NotLeader { leader });
            return self.respond(to, caller, refused);
        }
        match request {
            Request::Shard { call, origin } => self.serve_shard(caller, to, call, origin),
            Request::Cdc(request) => self.serve_cdc(caller, to, request),
            Request::Registry(request) => self.serve_registry(caller, to, request),
            Request::Block(request) => self.serve_block(caller, to, request),
        }
    }

    /// The clock of a process.
    pub(crate) fn clock(&self, node: NodeId) -> Time {
        let process = self.processes.get(&node);
        process.map_or(Time(self.now_us / 1000), |process| {
            process.clock(self.now_us)
        })
    }

    /// Whether a process really leads a group and a majority can be reached, as a lease would tell.
    pub(crate) fn may_read(&self, node: NodeId, group: GroupId) -> bool {
        let Some(known) = self.groups.get(&group) else {
            return false;
        };
        known.leader == Some(node) && self.has_majority(node, &known.members)
    }

    /// Whether a process reaches a majority, itself included.
    pub(crate) fn has_majority(&self, node: NodeId, members: &[NodeId]) -> bool {
        let is_up = |member: &NodeId| self.processes.get(member).is_some_and(|p| p.up);
        let reached = members
            .iter()
            .filter(|member| is_up(member) && self.network.is_open_both_ways(node, **member));
        is_up(&node) && reached.count() * 2 > members.len()
    }

    fn serve_shard(&mut self, caller: Caller, to: NodeId, call: ShardCall, origin: PeerRole) {
        let (shard, group) = (call.shard, GroupId::of_shard(call.shard));
        match call.request {
            // Followers are not asked in the simulation: what they add is in the Raft layer, which is modelled there.
            ShardRequest::Query(query) | ShardRequest::QueryAny(query) => {
                let answer = self.shard_query(to, shard, &query, origin);
                self.respond(to, caller, Response::Shard(answer));
            }
            ShardRequest::Change { id, change } => {
                match self.prepare(to, shard, change.clone(), origin) {
                    Ok(body) => {
                        let known = Known::Shard { change, origin };
                        self.propose_request(to, group, (Some(id), body), known, caller);
                    }
                    Err(error) => self.respond(to, caller, Response::Shard(Err(error))),
                }
            }
        }
    }

    fn shard_query(
        &mut self,
        to: NodeId,
        shard: ShardId,
        query: &ShardQuery,
        origin: PeerRole,
    ) -> eggs_proto::CallResult<eggs_proto::shard::ShardReply> {
        let group = GroupId::of_shard(shard);
        if !self.may_read(to, group) {
            self.coverage.hit("read refused without a majority");
            return Err(CallError::Unavailable("no lease".into()));
        }
        let now = self.clock(to);
        let Some(keys) = self.processes.get(&to).map(|p| p.memory.keys.clone()) else {
            return Err(CallError::NotHosted);
        };
        let context = QueryContext {
            keys: &|service| keys.get(&service).cloned(),
            origin,
            now,
        };
        let answer = eggs_shard::query(shard, &self.group(group).state, &context, query);
        match answer {
            Ok(answer) => {
                if let Err(refusal) = &answer {
                    let (asked, refusal) = (label(query), label(refusal));
                    self.coverage.hit(format!("refused {asked}: {refusal}"));
                }
                self.watch_read(shard, query, &answer);
                answer.map_err(CallError::Refused)
            }
            Err(fault) => {
                self.violate(|| format!("{group}: {query:?} is a fault: {fault}"));
                Err(CallError::NotHosted)
            }
        }
    }

    /// The leader's part of a change, from a state that may be old.
    fn prepare(
        &mut self,
        to: NodeId,
        shard: ShardId,
        change: ShardChange,
        origin: PeerRole,
    ) -> Result<Vec<u8>, CallError> {
        let kind = change.kind();
        let entropy = self.random.bytes();
        let lag = if self.random.permille(900) {
            usize::MAX
        } else {
            1
        };
        let now = self.clock(to);
        let id = GroupId::of_shard(shard);
        self.group(id);
        let Some(group) = self.groups.get_mut(&id) else {
            return Err(CallError::NotHosted);
        };
        if let Err(fault) = group.follow(lag) {
            self.violate(|| format!("{id}: replay is a fault: {fault}"));
            return Err(CallError::NotHosted);
        }
        let Some(process) = self.processes.get(&to) else {
            return Err(CallError::NotHosted);
        };
        let keys = &process.memory.keys;
        let context = PrepareContext {
            map: &process.memory.map,
            keys: &|service| keys.get(&service).cloned(),
            most_free: eggs_proto::MostFree::of(&process.memory.map),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy,
            origin,
            now,
        };
        match eggs_shard::prepare(shard, group.behind(), &context, change) {
            Ok(Ok(command)) => Ok(encode(&command)),
            Ok(Err(refusal)) => {
                let state = format!("refused {kind}: {}", label(&refusal));
                self.coverage.hit(state);
                Err(CallError::Refused(refusal))
            }
            Err(fault) => {
                self.violate(|| format!("{id}: preparing is a fault: {fault}"));
                Err(CallError::NotHosted)
            }
        }
    }

    fn propose_request(
        &mut self,
        to: NodeId,
        group: GroupId,
        (request, body): (Option<RequestId>, Vec<u8>),
        known: Known,
        caller: Caller,
    ) {
        let waiter = Waiter::Caller(caller);
        self.propose(to, group, (request, body), known, waiter);
    }

    /// Proposes a command with the proposer's clock.
    pub(crate) fn propose(
        &mut self,
        to: NodeId,
        group: GroupId,
        (request, body): (Option<RequestId>, Vec<u8>),
        known: Known,
        waiter: Waiter,
    ) {
        let header = CommandHeader {
            now: self.clock(to),
            request,
        };
        let command = Command { header, body };
        self.propose_command(to, group, command, known, waiter);
    }

    /// Proposes a command.
    pub(crate) fn propose_command(
        &mut self,
        to: NodeId,
        group: GroupId,
        command: Command,
        known: Known,
        waiter: Waiter,
    ) {
        let incarnation = self.processes.get(&to).map_or(0, |p| p.incarnation);
        let proposal = Proposal {
            command,
            known,
            waiter,
        };
        if planted(Bug::ReplyBeforeCommit) {
            self.answer_before_commit(to, group, &proposal);
        }
        let batch = self.group(group).propose(to, incarnation, proposal);
        self.replicate(group, to, batch);
    }

    /// What no leader may do.
    fn answer_before_commit(&mut self, to: NodeId, group: GroupId, proposal: &Proposal) {
        if let (Waiter::Caller(caller), Known::Shard { .. }) = (&proposal.waiter, &proposal.known)
            && let Ok(reply) = self.group(group).foresee(&proposal.command)
        {
            self.answer_shard(to, *caller, &reply);
        }
    }

    /// Sends a batch to the other replicas.
    pub(crate) fn replicate(&mut self, group: GroupId, process: NodeId, batch: Option<u64>) {
        if let Some(batch) = batch {
            let delay = self.random.between(500, self.log_delay_us);
            let event = Event::Commit {
                group,
                process,
                batch,
            };
            self.after(delay, event);
        }
    }

    fn serve_cdc(&mut self, caller: Caller, to: NodeId, request: CdcRequest) {
        match request {
            CdcRequest::Status | CdcRequest::Audit { .. } | CdcRequest::RepairParent { .. } => {
                let refused = CallError::Unavailable("nobody asks for this here".into());
                self.respond(to, caller, Response::Cdc(Err(refused)));
            }
            CdcRequest::Run { id, operation } => {
                if let Some(process) = self.processes.get_mut(&to) {
                    process.memory.waiters.entry(id).or_default().push(caller);
                }
                let command = CdcCommand::Begin { id, operation };
                let body = command.encode();
                let known = Known::Cdc(command);
                self.propose_request(to, GroupId::CDC, (None, body), known, caller);
            }
        }
    }

    fn serve_registry(&mut self, caller: Caller, to: NodeId, request: RegistryRequest) {
        let (id, command) = match request {
            RegistryRequest::SetServiceState { id, service, state } => {
                (id, RegistryCommand::SetServiceState { service, state })
            }
            RegistryRequest::Claim {
                id,
                node,
                incarnation,
            }
            | RegistryRequest::Confirm {
                id,
                node,
                incarnation,
            } => (id, RegistryCommand::Claim { node, incarnation }),
            RegistryRequest::Members { id, groups, .. } => {
                (id, RegistryCommand::NoteMembers(groups))
            }
            RegistryRequest::Retire { id, node } => (id, RegistryCommand::Retire { node }),
            RegistryRequest::Succeed {
                id,
                node,
                was,
                incarnation,
            } => {
                let command = RegistryCommand::Succeed {
                    node,
                    was,
                    incarnation,
                };
                (id, command)
            }
            RegistryRequest::Schemes { id, node, in_use } => {
                (id, RegistryCommand::NoteSchemes { node, in_use })
            }
            RegistryRequest::Space { id, node, report } => {
                (id, RegistryCommand::NoteSpace { node, report })
            }
            RegistryRequest::RegisterNode {
                id,
                node,
                address,
                groups,
                services,
            } => {
                let registration = Registration {
                    node,
                    address,
                    groups,
                    services,
                };
                (id, RegistryCommand::RegisterNode(registration))
            }
            RegistryRequest::Heartbeat {
                node,
                leads,
                services,
            } => {
                let beat = Beat {
                    node,
                    leads,
                    services,
                };
                let state = &self.group(GroupId::REGISTRY).state;
                if !eggs_registry_state::knows(state, node, &beat.services).unwrap_or(false) {
                    self.coverage
                        .hit("registry: a heartbeat of somebody unknown");
                    let refused = Err(CallError::Refused(Refusal::NotFound));
                    return self.respond(to, caller, Response::Registry(refused));
                }
                if let Some(process) = self.processes.get_mut(&to) {
                    process.memory.heard.insert(node, beat);
                }
                return self.respond(to, caller, Response::Registry(Ok(RegistryReply::Done)));
            }
            // Nobody here measures time: disks answer at once.
            RegistryRequest::Pace { .. } => {
                return self.respond(to, caller, Response::Registry(Ok(RegistryReply::Done)));
            }
            RegistryRequest::Map { .. }
            | RegistryRequest::Keys
            | RegistryRequest::Health
            | RegistryRequest::Disks => {
                let answer = self.registry_read(to, &request);
                return self.respond(to, caller, Response::Registry(answer));
            }
        };
        let body = encode(&command);
        let known = Known::Registry(command);
        self.propose_request(to, GroupId::REGISTRY, (Some(id), body), known, caller);
    }

    fn registry_read(
        &mut self,
        to: NodeId,
        request: &RegistryRequest,
    ) -> eggs_proto::CallResult<RegistryReply> {
        if !self.may_read(to, GroupId::REGISTRY) {
            return Err(CallError::Unavailable("no lease".into()));
        }
        let state = &self.group(GroupId::REGISTRY).state;
        let read = match request {
            RegistryRequest::Keys => {
                eggs_registry_state::service_keys(state).map(RegistryReply::Keys)
            }
            RegistryRequest::Map { .. }
            | RegistryRequest::Health
            | RegistryRequest::RegisterNode { .. }
            | RegistryRequest::Heartbeat { .. }
            | RegistryRequest::SetServiceState { .. }
            | RegistryRequest::Claim { .. }
            | RegistryRequest::Confirm { .. }
            | RegistryRequest::Members { .. }
            | RegistryRequest::Retire { .. }
            | RegistryRequest::Space { .. }
            | RegistryRequest::Schemes { .. }
            | RegistryRequest::Pace { .. }
            | RegistryRequest::Succeed { .. }
            | RegistryRequest::Disks => {
                ClusterView::read(state).map(|view| RegistryReply::Map(view.map))
            }
        };
        read.map_err(|fault| CallError::Unavailable(fault.to_string()))
    }

    fn serve_block(&mut self, caller: Caller, to: NodeId, request: BlockRequest) {
        let service = match &request {
            BlockRequest::Write { facts, .. } | BlockRequest::Erase { facts, .. } => facts.service,
            BlockRequest::Read { service, .. }
            | BlockRequest::Check { service, .. }
            | BlockRequest::List { service, .. }
            | BlockRequest::Report { service, .. }
            | BlockRequest::Damaged { service } => *service,
        };
        let incarnation = self.processes.get(&to).map_or(0, |p| p.incarnation);
        let delay = self.random.between(200, 6_000);
        let event = Event::Disk {
            service,
            node: to,
            incarnation,
            caller,
            request,
        };
        self.after(delay, event);
    }
}
