//! Requests to the coordinator.

use std::sync::Arc;
use std::time::Instant;

use eggs_cdc::{CdcAnswer, CdcCommand};
use eggs_machine::{Command, CommandHeader};
use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest};
use eggs_proto::hello::PeerRole;
use eggs_proto::meta::MetaReply;
use eggs_proto::{CallError, CallResult, GroupId, MessageKind, Refusal, RequestId, decode};
use eggs_raft::{Group, Node};
use eggs_rpc::{Peer, Reply, Request};

use super::driver::Driver;
use super::hold::{Gate, Hold};
use crate::fault::FaultBox;
use crate::front::Service;
use crate::metrics::CdcMetrics;
use crate::space::Room;
use crate::{call, clock, space};

/// Serves the coordinator's group.
pub(super) struct CdcService {
    pub driver: Arc<Driver>,
    pub metrics: CdcMetrics,
    pub fault: FaultBox,
    pub hold: Hold,
}

impl Service for CdcService {
    const KIND: MessageKind = MessageKind::Cdc;

    async fn serve(&self, node: &Arc<Node>, peer: &Peer, request: Request) -> Reply {
        let began = Instant::now();
        let deadline = request.deadline.into_std();
        let answer = self
            .answer(node, (peer.role, deadline), &request.body)
            .await;
        let seconds = began.elapsed().as_secs_f64();
        self.metrics.request_seconds.observe(seconds);
        self.metrics
            .requests
            .get_or_create(&[("outcome", call::outcome(&answer))])
            .inc();
        call::complain(peer, &answer);
        call::reply(&answer)
    }

    fn hold(&self, node: &Node, ms: u32) -> CallResult<MetaReply> {
        let group = node.group(GroupId::CDC).ok_or(CallError::NotHosted)?;
        if !group.is_leader() {
            let leader = group.leader();
            return Err(CallError::NotLeader { leader });
        }
        self.hold.set(ms);
        Ok(MetaReply::Done)
    }
}

impl CdcService {
    async fn answer(
        &self,
        node: &Node,
        (role, deadline): (PeerRole, Instant),
        body: &[u8],
    ) -> CallResult<CdcReply> {
        let request: CdcRequest = decode(body).map_err(|_| CallError::Malformed)?;
        let group = node.group(GroupId::CDC).ok_or(CallError::NotHosted)?;
        match request {
            CdcRequest::Run { id, operation } => {
                self.run(&group, (role, deadline), id, operation).await
            }
            CdcRequest::Status => {
                group.ready_to_read(deadline).await.map_err(call::of_read)?;
                let status = group
                    .read_local(|store| eggs_cdc::status(store))
                    .map_err(|fault| self.fault.report(&fault))?;
                Ok(CdcReply::Status {
                    running: status.running,
                    finished: status.finished,
                })
            }
            CdcRequest::Audit { after, limit } => {
                group.ready_to_read(deadline).await.map_err(call::of_read)?;
                let read = tokio::task::spawn_blocking(move || {
                    group.read_local(|store| eggs_cdc::audit(store, after, limit))
                });
                read.await
                    .map_err(|_| CallError::Unavailable("the audit was cut off".into()))?
                    .map(CdcReply::Audit)
                    .map_err(|fault| self.fault.report(&fault))
            }
            CdcRequest::RepairParent { .. } if role != PeerRole::Server => {
                Err(CallError::Forbidden)
            }
            CdcRequest::RepairParent { dir, known, parent } => {
                let repair = CdcCommand::RepairParent { dir, known, parent };
                repair_parent(&group, deadline, &repair).await
            }
        }
    }

    async fn run(
        &self,
        group: &Group,
        (role, deadline): (PeerRole, Instant),
        id: RequestId,
        operation: CdcOperation,
    ) -> CallResult<CdcReply> {
        if !group.is_leader() {
            let leader = group.leader();
            return Err(CallError::NotLeader { leader });
        }
        if self.hold.pass(deadline).await == Gate::Shut {
            return Err(CallError::Deadline);
        }
        let asked = match space::room_for(operation.growth(), role, group.space()) {
            Room::Enough => CdcCommand::Begin { id, operation },
            Room::OnlyToSayNo => CdcCommand::Refuse {
                id,
                refusal: Refusal::MetadataFull,
            },
            Room::None => return Err(CallError::Refused(Refusal::MetadataFull)),
        };
        let mut waiting = self.driver.waiters.join(id);
        let command = Command {
            // The machine itself knows requests by their ids, and for longer than a reply table could tell.
            header: CommandHeader {
                now: clock::now(),
                request: None,
            },
            body: asked.encode(),
        };
        let reply = group
            .propose(command, deadline)
            .await
            .map_err(call::of_propose)?;
        match CdcAnswer::decode(&reply) {
            Some(CdcAnswer::Running(transaction)) => self.driver.wake.start(transaction),
            Some(CdcAnswer::Finished { outcome, .. }) => return outcome.into_answer(),
            Some(CdcAnswer::Overloaded) => return Err(CallError::Overloaded),
            Some(CdcAnswer::Ignored | CdcAnswer::Repaired(_)) | None => {
                return Err(CallError::Unavailable("the log answered nonsense".into()));
            }
        }
        match tokio::time::timeout_at(deadline.into(), waiting.outcome()).await {
            Ok(Some(outcome)) => outcome.into_answer(),
            Ok(None) => Err(CallError::NotLeader {
                leader: group.leader(),
            }),
            Err(_) => Err(CallError::Deadline),
        }
    }
}

async fn repair_parent(
    group: &Group,
    deadline: Instant,
    repair: &CdcCommand,
) -> CallResult<CdcReply> {
    let header = CommandHeader {
        now: clock::now(),
        request: None, // a repeat is fine
    };
    let body = repair.encode();
    let reply = group
        .propose(Command { header, body }, deadline)
        .await
        .map_err(call::of_propose)?;
    match CdcAnswer::decode(&reply) {
        Some(CdcAnswer::Repaired(answer)) => Ok(answer.map(|()| CdcReply::Done)?),
        Some(
            CdcAnswer::Running(_)
            | CdcAnswer::Finished { .. }
            | CdcAnswer::Overloaded
            | CdcAnswer::Ignored,
        )
        | None => Err(CallError::Unavailable("the log answered nonsense".into())),
    }
}
