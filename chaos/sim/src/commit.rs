//! What becomes of proposals.

use eggs_cdc::{CdcAnswer, TransactionOutcome};
use eggs_machine::Entry;
use eggs_proto::cdc::CdcReply;
use eggs_proto::registry::RegistryReply;
use eggs_proto::shard::ShardReply;
use eggs_proto::{
    BlockServiceId, CallError, CallResult, GroupId, NodeId, Refusal, RequestId, decode,
};

use crate::group::{Batch, Known, Proposal, Waiter};
use crate::message::Response;
use crate::process::Caller;
use crate::world::{Action, Event, World};

/// Between looks at a batch that a leader without a majority cannot get replicated.
const STALLED_US: u64 = 50_000;

/// What becomes of a batch.
enum Fate {
    /// Committed and answered.
    Committed,
    /// Committed, but whoever proposed it will never know.
    CommittedUnknown,
    /// As if it had never been.
    Lost,
    /// Not known yet.
    Stalled,
}

impl World {
    /// The moment at which a batch has been replicated, or was going to be.
    pub(crate) fn replicated(&mut self, group: GroupId, process: NodeId, number: u64) {
        let known = self.group(group);
        let Some(queue) = known.queues.get_mut(&process) else {
            return;
        };
        let Some(batch) = queue.in_flight.take_if(|batch| batch.number == number) else {
            return;
        };
        match self.fate(group, process, &batch) {
            Fate::Committed => self.commit(group, process, batch.proposals, true),
            Fate::CommittedUnknown => {
                self.coverage
                    .hit("log: committed after its leader was gone");
                self.give_up(process, &batch);
                self.commit(group, process, batch.proposals, false);
            }
            Fate::Lost => {
                self.coverage.hit("log: lost with its leader");
                self.give_up(process, &batch);
            }
            Fate::Stalled => {
                let event = Event::Commit {
                    group,
                    process,
                    batch: number,
                };
                if let Some(queue) = self.group(group).queues.get_mut(&process) {
                    queue.in_flight = Some(batch);
                }
                return self.after(STALLED_US, event);
            }
        }
        let incarnation = self.processes.get(&process).map_or(0, |p| p.incarnation);
        let next = self.group(group).next_batch(process, incarnation);
        self.replicate(group, process, next);
    }

    fn fate(&mut self, group: GroupId, process: NodeId, batch: &Batch) -> Fate {
        let same = self
            .processes
            .get(&process)
            .is_some_and(|p| p.up && p.incarnation == batch.incarnation);
        let Some(known) = self.groups.get(&group) else {
            return Fate::Lost;
        };
        let leads = known.leader == Some(process);
        if same && leads {
            return if self.has_majority(process, &known.members) {
                Fate::Committed
            } else {
                Fate::Stalled
            };
        }
        if self.random.permille(400) {
            Fate::CommittedUnknown
        } else {
            Fate::Lost
        }
    }

    /// Those who wait are told that nobody knows.
    fn give_up(&mut self, process: NodeId, batch: &Batch) {
        let alive = self
            .processes
            .get(&process)
            .is_some_and(|p| p.up && p.incarnation == batch.incarnation);
        if !alive {
            return;
        }
        for proposal in &batch.proposals {
            match &proposal.waiter {
                Waiter::Nobody => {}
                Waiter::Task(slot) => slot.fill(None),
                Waiter::Caller(caller) => {
                    let error = CallError::NotLeader { leader: None };
                    let response = refuse(&proposal.known, error);
                    self.respond(process, *caller, response);
                }
            }
        }
    }

    /// Puts commands into the log for good.
    pub(crate) fn commit(
        &mut self,
        group: GroupId,
        process: NodeId,
        proposals: Vec<Proposal>,
        answer: bool,
    ) {
        let mut commands = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let Some(reply) = self.apply(group, &proposal) else {
                return;
            };
            commands.push(proposal.command.clone());
            if answer {
                self.answer(group, process, &proposal, reply);
            }
        }
        self.group(group).committed(Entry { commands });
    }

    /// Applies a command under the eyes of the oracle.
    fn apply(&mut self, id: GroupId, proposal: &Proposal) -> Option<Vec<u8>> {
        let before = self.watch_before(id, proposal);
        let group = self.group(id);
        match group.apply(&proposal.command) {
            Ok(reply) => {
                self.trace.reply(&reply);
                self.watch_after(id, proposal, &before, &reply);
                Some(reply)
            }
            Err(fault) => {
                self.violate(|| format!("{id}: {:?} is a fault: {fault}", proposal.known));
                None
            }
        }
    }

    fn answer(&mut self, group: GroupId, process: NodeId, proposal: &Proposal, reply: Vec<u8>) {
        match (&proposal.waiter, &proposal.known) {
            (Waiter::Nobody, _) => {}
            (Waiter::Task(slot), _) => slot.fill(Some(reply)),
            (Waiter::Caller(caller), Known::Shard { .. }) => {
                self.answer_shard(process, *caller, &reply);
            }
            (Waiter::Caller(caller), Known::Registry(_)) => {
                let reply: CallResult<RegistryReply> = match decode(&reply) {
                    Ok(reply) => reply,
                    Err(_) => return self.violate(|| format!("{group} replied nonsense")),
                };
                self.respond(process, *caller, Response::Registry(reply));
            }
            (Waiter::Caller(caller), Known::Cdc(_)) => {
                self.answer_cdc(process, *caller, &reply);
            }
        }
    }

    /// Finishes the reply of a shard and sends it.
    pub(crate) fn answer_shard(&mut self, process: NodeId, caller: Caller, reply: &[u8]) {
        let Ok(answer) = decode::<Result<ShardReply, Refusal>>(reply) else {
            return self.violate(|| "a shard replied nonsense".into());
        };
        let Some(known) = self.processes.get(&process) else {
            return;
        };
        let keys = &known.memory.keys;
        let finished = answer.map(|mut reply| {
            eggs_shard::finish(&mut reply, &|service| keys.get(&service).cloned());
            reply
        });
        let response = Response::Shard(finished.map_err(CallError::Refused));
        self.respond(process, caller, response);
    }

    fn answer_cdc(&mut self, process: NodeId, caller: Caller, reply: &[u8]) {
        match CdcAnswer::decode(reply) {
            Some(CdcAnswer::Running(transaction)) => {
                self.actions.push(Action::Drive(process, transaction));
            }
            Some(CdcAnswer::Finished { request, outcome }) => {
                self.tell(process, request, &outcome);
            }
            Some(CdcAnswer::Overloaded) => {
                let response = Response::Cdc(Err(CallError::Overloaded));
                self.respond(process, caller, response);
            }
            Some(CdcAnswer::Ignored | CdcAnswer::Repaired(_)) | None => {
                self.violate(|| "the coordinator answered nonsense".into());
            }
        }
    }

    /// Tells everybody at a process who waits for a transaction how it ended.
    pub(crate) fn tell(
        &mut self,
        process: NodeId,
        request: RequestId,
        outcome: &TransactionOutcome,
    ) {
        let waiters = self
            .processes
            .get_mut(&process)
            .and_then(|process| process.memory.waiters.remove(&request));
        for caller in waiters.unwrap_or_default() {
            let answer: CallResult<CdcReply> = outcome.clone().into_answer();
            self.respond(process, caller, Response::Cdc(answer));
        }
    }

    /// A disk has done what it was asked, unless its process died meanwhile: then nobody knows.
    pub(crate) fn disk_done(
        &mut self,
        service: BlockServiceId,
        (node, incarnation): (NodeId, u64),
        caller: Caller,
        request: &eggs_proto::block::BlockRequest,
    ) {
        if self
            .disks
            .get(&service)
            .is_none_or(|disk| disk.node != node)
        {
            self.coverage
                .hit("a disk was asked where it had been before");
            let refused = Response::Block(Err(eggs_proto::block::BlockRefusal::WrongService));
            return self.respond(node, caller, refused);
        }
        let same = self
            .processes
            .get(&node)
            .is_some_and(|p| p.up && p.incarnation == incarnation);
        if !same && self.random.permille(500) {
            return;
        }
        let now = self.clock(node);
        let Some(disk) = self.disks.get_mut(&service) else {
            return;
        };
        let answer = disk.serve(request, now);
        if let Err(refusal) = &answer {
            let (asked, refusal) = (
                crate::coverage::label(request),
                crate::coverage::label(refusal),
            );
            self.coverage
                .hit(format!("block service refused {asked}: {refusal}"));
        }
        if same {
            self.respond(node, caller, Response::Block(answer));
        }
    }
}

fn refuse(known: &Known, error: CallError) -> Response {
    match known {
        Known::Shard { .. } => Response::Shard(Err(error)),
        Known::Cdc(_) => Response::Cdc(Err(error)),
        Known::Registry(_) => Response::Registry(Err(error)),
    }
}
