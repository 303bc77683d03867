//! Drives one transaction, as `meta/server/src/cdc/driver.rs` does.

use eggs_cdc::{
    CdcAnswer, CdcCommand, LOCK_WAIT_MS, NextStep, StepOutcome, TransactionOutcome,
    locked_delay_ms, next_step, recorded,
};
use eggs_machine::{Command, CommandHeader};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardCall;
use eggs_proto::{CallError, GroupId, NodeId, Refusal, Time, TransactionId};

use crate::group::Known;
use crate::message::{Request, Response};
use crate::sim::Sim;

/// How long one process is waited for.
const ATTEMPT_US: u64 = 2_000_000;
/// Pause after all replicas were asked in vain: the first and the longest.
const PAUSE_US_MIN: u64 = 10_000;
const PAUSE_US_MAX: u64 = 500_000;
/// Pause after a proposal that was not taken.
const PROPOSE_PAUSE_US: u64 = 20_000;

/// Drives a transaction to its end, or until the process leads no longer.
pub(crate) async fn drive(sim: Sim, process: NodeId, transaction: TransactionId) {
    let first = sim.with(|world| {
        let process = world.processes.get_mut(&process);
        process.is_some_and(|p| p.up && p.memory.driven.insert(transaction))
    });
    if first {
        let driver = Driver { sim, process };
        driver.finish(transaction).await;
        driver.sim.with(|world| {
            if let Some(process) = world.processes.get_mut(&process) {
                process.memory.driven.remove(&transaction);
            }
        });
    }
}

struct Driver {
    sim: Sim,
    process: NodeId,
}

impl Driver {
    fn leads(&self) -> bool {
        self.sim.with(|world| {
            let process = world.processes.get(&self.process);
            process.is_some_and(|p| p.leads(GroupId::CDC, world.now_us))
        })
    }

    fn clock(&self) -> Time {
        self.sim.with(|world| world.clock(self.process))
    }

    /// The step as this process knows it: the latest only if it really leads.
    fn step(&self, transaction: TransactionId) -> Option<NextStep> {
        self.sim.with(|world| {
            let group = world.group(GroupId::CDC);
            let step = if group.leader == Some(self.process) {
                next_step(&group.state, transaction)
            } else {
                next_step(group.behind(), transaction)
            };
            match step {
                Ok(step) => step,
                Err(fault) => {
                    world.violate(|| format!("the step of {transaction} is a fault: {fault}"));
                    None
                }
            }
        })
    }

    async fn finish(&self, transaction: TransactionId) {
        let mut locked = 0u16;
        let mut locked_since = None;
        let mut request = None;
        while self.leads() {
            let Some(step) = self.step(transaction) else {
                return self.ended_elsewhere(request);
            };
            request = Some(step.request);
            let outcome = self.ask(&step.call()).await;
            let mut not_before = Time(0);
            if let (StepOutcome::Refused(Refusal::Locked), Some(until)) =
                (&outcome, step.patient_until)
            {
                let since = *locked_since.get_or_insert(self.sim.now_us());
                if self.clock() >= until || self.sim.now_us() - since >= LOCK_WAIT_MS * 1000 {
                    not_before = until;
                } else {
                    let pause_ms = locked_delay_ms(locked);
                    locked = locked.saturating_add(1);
                    self.sim.sleep_us(pause_ms * 1000).await;
                }
            } else {
                locked = 0;
                locked_since = None;
            }
            if !self.report(&step, outcome, not_before).await {
                return;
            }
        }
    }

    fn ended_elsewhere(&self, request: Option<eggs_proto::RequestId>) {
        let Some(request) = request else { return };
        self.sim.with(|world| {
            let group = world.group(GroupId::CDC);
            if let Ok(Some(CdcAnswer::Finished { outcome, .. })) = recorded(&group.state, request) {
                world.tell(self.process, request, &outcome);
            }
        });
    }

    /// Asks the replicas of a shard until one of them says what the step came to.
    async fn ask(&self, call: &ShardCall) -> StepOutcome {
        let group = GroupId::of_shard(call.shard);
        let members = crate::group::members(group);
        let mut pause_us = PAUSE_US_MIN;
        let mut hint = self.sim.with(|world| {
            world.ensure_group(group);
            world.group(group).leader
        });
        loop {
            let mut turn: Vec<NodeId> = hint.take().into_iter().collect();
            turn.extend(members.iter().filter(|node| Some(**node) != hint));
            for node in turn {
                let request = Request::Shard {
                    call: call.clone(),
                    origin: PeerRole::Server,
                };
                let answer = self.sim.call(self.process, node, request, ATTEMPT_US).await;
                let Some(Response::Shard(answer)) = answer else {
                    continue;
                };
                if let Err(CallError::NotLeader { leader }) = &answer {
                    hint = *leader;
                }
                if let Some(outcome) = StepOutcome::of_answer(answer) {
                    return outcome;
                }
            }
            self.sim.sleep_us(pause_us).await;
            pause_us = (pause_us * 2).min(PAUSE_US_MAX);
        }
    }

    /// Puts an outcome into the log. `false`: nothing is left to be done here.
    async fn report(&self, step: &NextStep, outcome: StepOutcome, not_before: Time) -> bool {
        let done = CdcCommand::StepDone {
            transaction: step.transaction,
            serial: step.serial,
            outcome,
        };
        while self.leads() {
            let header = CommandHeader {
                now: self.clock().max(not_before),
                request: None,
            };
            let body = done.encode();
            let command = Command { header, body };
            let known = Known::Cdc(done.clone());
            match self
                .sim
                .propose(self.process, GroupId::CDC, command, known)
                .await
            {
                Some(reply) => return self.judge(step, &reply),
                None => self.sim.sleep_us(PROPOSE_PAUSE_US).await,
            }
        }
        false
    }

    fn judge(&self, step: &NextStep, reply: &[u8]) -> bool {
        match CdcAnswer::decode(reply) {
            Some(CdcAnswer::Finished { request, outcome }) => {
                self.sim.with(|world| {
                    if outcome == TransactionOutcome::Stuck {
                        world.violate(|| format!("{} is stuck", step.transaction));
                    }
                    world.tell(self.process, request, &outcome);
                });
                false
            }
            Some(CdcAnswer::Running(_) | CdcAnswer::Ignored) => true,
            Some(CdcAnswer::Overloaded | CdcAnswer::Repaired(_)) | None => false,
        }
    }
}
