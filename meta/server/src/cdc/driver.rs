//! Drives all transactions while this process leads.
//!
//! **Invariant:** what is driven is read from the state; a wake-up that is lost costs at most one
//! [`TICK`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eggs_cdc::{CdcAnswer, CdcCommand, LOCK_WAIT_MS, NextStep, StepOutcome};
use eggs_machine::{Command, CommandHeader};
use eggs_proto::{Refusal, RequestId, Time, TransactionId};
use eggs_raft::{Group, ProposeError};
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::steps::ShardCaller;
use super::waiters::Waiters;
use crate::clock;
use crate::fault::FaultBox;
use crate::metrics::CdcMetrics;

/// Between looks at the state for transactions that nobody drives.
const TICK: Duration = Duration::from_secs(1);
/// How long a proposal may take before it is made again.
const PROPOSE: Duration = Duration::from_secs(5);
/// Pause after a proposal that was not taken.
const PAUSE: Duration = Duration::from_millis(20);
/// Most transactions driven at once; the others wait in the state.
const DRIVEN_MAX: usize = 4096;

/// Drives all transactions while this process leads.
pub(super) struct Driver {
    pub caller: ShardCaller,
    pub waiters: Waiters,
    pub metrics: CdcMetrics,
    pub fault: FaultBox,
    pub wake: Wake,
}

/// Transactions that were just begun.
#[derive(Default)]
pub(super) struct Wake {
    begun: Mutex<BTreeSet<TransactionId>>,
    notify: Notify,
}

impl Wake {
    /// Asks for a transaction to be driven. Only the leader calls this.
    pub fn start(&self, transaction: TransactionId) {
        let mut begun = self.lock();
        // What does not fit is found in the state.
        if begun.len() < DRIVEN_MAX {
            begun.insert(transaction);
        }
        drop(begun);
        self.notify.notify_one();
    }

    fn take(&self) -> BTreeSet<TransactionId> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<TransactionId>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a step has met a lock.
#[derive(Default)]
struct Patience {
    since: Option<Instant>,
    /// Attempts so far.
    locked: u16,
}

/// Tasks of one period of leadership.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    driven: std::collections::HashMap<Id, TransactionId>,
    known: BTreeSet<TransactionId>,
}

impl Driver {
    /// Drives whenever this process leads, until `stop` or until the group has stopped.
    pub async fn run(self: Arc<Self>, group: Group, stop: CancellationToken) {
        let mut leadership = group.changed();
        loop {
            if group.is_leader() {
                let term = leadership.current();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = leadership.changed() => if changed.is_none() { return },
                    () = self.clone().lead(&group) => {}
                }
                tracing::info!(?term, "no longer driving transactions");
                self.waiters.dismiss();
                self.metrics.running.set(0);
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = leadership.changed() => if changed.is_none() { return },
            }
        }
    }

    /// Ends only when this process is found not to lead; its tasks end with it.
    async fn lead(self: Arc<Self>, group: &Group) {
        while let Err(error) = group.ready_to_read(Instant::now() + PROPOSE).await {
            tracing::debug!(%error, "not yet sure to lead");
            tokio::time::sleep(PAUSE).await;
            if !group.is_leader() {
                return;
            }
        }
        tracing::info!("driving transactions");
        let mut tasks = Tasks::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.look(group, &mut tasks),
                () = self.wake.notify.notified() => {
                    for transaction in self.wake.take() {
                        self.drive(group, &mut tasks, transaction);
                    }
                }
                Some(ended) = tasks.set.join_next_with_id() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => error.id(), // it panicked; the state knows what is left to do
                    };
                    let was_full = tasks.known.len() >= DRIVEN_MAX;
                    if let Some(transaction) = tasks.driven.remove(&id) {
                        tasks.known.remove(&transaction);
                    }
                    if was_full {
                        self.look(group, &mut tasks);
                    }
                }
            }
            let running = i64::try_from(tasks.known.len()).unwrap_or(i64::MAX);
            self.metrics.running.set(running);
        }
    }

    /// Drives what the state says is pending.
    fn look(self: &Arc<Self>, group: &Group, tasks: &mut Tasks) {
        let pending = group.read_local(|store| eggs_cdc::pending(store, None, DRIVEN_MAX));
        match pending {
            Ok(pending) => {
                for step in pending {
                    self.drive(group, tasks, step.transaction);
                }
            }
            Err(fault) => drop(self.fault.report(&fault)),
        }
    }

    fn drive(self: &Arc<Self>, group: &Group, tasks: &mut Tasks, transaction: TransactionId) {
        if tasks.known.len() >= DRIVEN_MAX || !tasks.known.insert(transaction) {
            return;
        }
        let (driver, group) = (self.clone(), group.clone());
        let task = async move { driver.finish(&group, transaction).await };
        let id = tasks.set.spawn(task).id();
        tasks.driven.insert(id, transaction);
    }

    /// Drives one transaction to its end, or until this process leads no longer.
    async fn finish(&self, group: &Group, transaction: TransactionId) {
        let mut patience = Patience::default();
        let mut request = None;
        loop {
            let next = group.read_local(|store| eggs_cdc::next_step(store, transaction));
            let step = match next {
                Ok(Some(step)) => step,
                Ok(None) => return self.ended_elsewhere(group, request),
                Err(fault) => return drop(self.fault.report(&fault)),
            };
            request = Some(step.request);
            let outcome = self.caller.call(&step.call()).await;
            let not_before = self.wait_if_locked(&step, &outcome, &mut patience).await;
            if !self.report(group, &step, outcome, not_before).await {
                return;
            }
        }
    }

    /// The answer to our last report was lost, and with it the outcome.
    fn ended_elsewhere(&self, group: &Group, request: Option<RequestId>) {
        let Some(request) = request else { return };
        match group.read_local(|store| eggs_cdc::recorded(store, request)) {
            Ok(Some(CdcAnswer::Finished { outcome, .. })) => self.waiters.tell(request, &outcome),
            Ok(_) => {}
            Err(fault) => drop(self.fault.report(&fault)),
        }
    }

    /// After `Locked` there may be another attempt, which the log has to know of first: pauses a little. Gives the time
    /// that the log has to see because patience has ended by our monotonic clock: the wall clock may have been set back.
    async fn wait_if_locked(
        &self,
        step: &NextStep,
        outcome: &StepOutcome,
        patience: &mut Patience,
    ) -> Time {
        let (StepOutcome::Refused(Refusal::Locked), Some(until)) = (outcome, step.patient_until)
        else {
            *patience = Patience::default();
            return Time(0);
        };
        self.metrics.locked.inc();
        let since = *patience.since.get_or_insert_with(Instant::now);
        if clock::now() >= until || since.elapsed() >= Duration::from_millis(LOCK_WAIT_MS) {
            return until;
        }
        let pause = eggs_cdc::locked_delay_ms(patience.locked);
        patience.locked = patience.locked.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Time(0)
    }

    /// Puts an outcome into the log. `false`: nothing is left to be done here.
    async fn report(
        &self,
        group: &Group,
        step: &NextStep,
        outcome: StepOutcome,
        not_before: Time,
    ) -> bool {
        let body = CdcCommand::StepDone {
            transaction: step.transaction,
            serial: step.serial,
            outcome,
        }
        .encode();
        loop {
            let header = CommandHeader {
                now: clock::now().max(not_before),
                request: None, // a second copy is ignored because of its serial
            };
            let command = Command {
                header,
                body: body.clone(),
            };
            match group.propose(command, Instant::now() + PROPOSE).await {
                Ok(reply) => return self.judge(step, &reply),
                Err(
                    ProposeError::Overloaded | ProposeError::Deadline | ProposeError::Restoring,
                ) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(
                    ProposeError::NotLeader { .. } | ProposeError::Stopped | ProposeError::TooLarge,
                ) => return false,
            }
        }
    }

    fn judge(&self, step: &NextStep, reply: &[u8]) -> bool {
        match CdcAnswer::decode(reply) {
            Some(CdcAnswer::Finished { request, outcome }) => {
                if outcome == eggs_cdc::TransactionOutcome::Stuck {
                    tracing::error!(
                        transaction = %step.transaction,
                        "a shard refused to carry out a decided transaction"
                    );
                }
                self.waiters.tell(request, &outcome);
                false
            }
            // `Ignored`: somebody else has reported it, and perhaps driven it on.
            Some(CdcAnswer::Running(_) | CdcAnswer::Ignored) => true,
            Some(CdcAnswer::Overloaded | CdcAnswer::Repaired(_)) | None => {
                tracing::error!(transaction = %step.transaction, "the log answered nonsense");
                false
            }
        }
    }
}
