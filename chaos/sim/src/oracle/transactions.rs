//! Transactions as the coordinator's log decides them.

use eggs_cdc::{CdcAnswer, CdcCommand, NextStep, TransactionOutcome, next_step};
use eggs_proto::cdc::CdcOperation;
use eggs_proto::shard::{DirectoryOutcome, ReleaseAction, ShardChange};
use eggs_proto::{GroupId, RequestId, TransactionId};

use super::watch::step_label;
use super::{Before, Known};
use crate::coverage::{STEP, label};
use crate::world::World;

impl World {
    /// A command of the coordinator was applied.
    pub(super) fn watch_transaction(
        &mut self,
        command: &CdcCommand,
        before: &Before,
        reply: &[u8],
    ) {
        let Some(answer) = CdcAnswer::decode(reply) else {
            return self.violate(|| "the coordinator replied nonsense".into());
        };
        if self.trace.is_verbose() {
            let text = format!("cdc: {command:?} -> {answer:?}");
            self.trace.say(self.now_us, &text);
        }
        let seen = match command {
            CdcCommand::Begin { id, operation } => self.see_begin(*id, operation, &answer),
            CdcCommand::StepDone { transaction, .. } => {
                self.see_step(*transaction, before.step.as_ref(), &answer)
            }
            CdcCommand::RepairParent { .. } => Err("nobody repairs anything here".into()),
            CdcCommand::Refuse { .. } => Err("metadata has space here".into()),
        };
        if let Err(what) = seen {
            self.violate(|| format!("cdc: {what} ({command:?} -> {answer:?})"));
        }
    }

    fn see_begin(
        &mut self,
        request: RequestId,
        operation: &CdcOperation,
        answer: &CdcAnswer,
    ) -> Result<(), String> {
        match answer {
            CdcAnswer::Running(transaction) => {
                let known = *self.oracle.begun.entry(request).or_insert(*transaction);
                if known != *transaction {
                    return Err(format!("{request:?} began {known} and {transaction}"));
                }
                let new = || Known {
                    request,
                    operation: operation.clone(),
                    decided: false,
                };
                if !self.oracle.outcomes.contains_key(&request) {
                    let known = self.oracle.transactions.entry(*transaction);
                    known.or_insert_with(new);
                }
                Ok(())
            }
            CdcAnswer::Finished { request, outcome } => self.see_outcome(*request, outcome),
            CdcAnswer::Overloaded | CdcAnswer::Ignored | CdcAnswer::Repaired(_) => Ok(()),
        }
    }

    fn see_step(
        &mut self,
        transaction: TransactionId,
        before: Option<&NextStep>,
        answer: &CdcAnswer,
    ) -> Result<(), String> {
        if *answer == CdcAnswer::Ignored {
            self.coverage.hit("cdc: an old step was reported again");
            return Ok(());
        }
        let after = next_step(&self.group(GroupId::CDC).state, transaction);
        let after = after.map_err(|fault| format!("the step is a fault: {fault}"))?;
        if let (Some(before), Some(after)) = (before, &after)
            && before.serial != after.serial
        {
            let (from, to) = (step_label(&before.change), step_label(&after.change));
            self.coverage.hit(format!("cdc: {from} then {to}"));
        }
        let operation = self.oracle.transactions.get(&transaction);
        if let (Some(step), Some(known)) = (before, operation) {
            let (step, what) = (step_label(&step.change), label(&known.operation));
            self.coverage.hit(format!("{STEP}{what} at {step}"));
        }
        let undelete = operation
            .is_some_and(|known| matches!(known.operation, CdcOperation::UndeleteDirectory { .. }));
        let is_forward = |step: &NextStep| carries_out(&step.change, undelete);
        if after.as_ref().is_some_and(is_forward) && !before.is_some_and(is_forward) {
            self.decide(transaction)?;
        }
        match answer {
            CdcAnswer::Finished { request, outcome } => {
                self.see_end(transaction, *request, outcome)
            }
            CdcAnswer::Running(_)
            | CdcAnswer::Overloaded
            | CdcAnswer::Ignored
            | CdcAnswer::Repaired(_) => Ok(()),
        }
    }

    /// The commit point.
    fn decide(&mut self, transaction: TransactionId) -> Result<(), String> {
        let known = self.oracle.transactions.get_mut(&transaction);
        let known = known.ok_or_else(|| format!("{transaction} was never begun"))?;
        if std::mem::replace(&mut known.decided, true) {
            return Err(format!("{transaction} was decided twice"));
        }
        let names = &mut self.oracle.names;
        match &known.operation {
            CdcOperation::MakeDirectory { .. } => Err("making a directory needs no lock".into()),
            CdcOperation::RemoveDirectory { entry } => names.remove_directory(entry),
            CdcOperation::UndeleteDirectory { entry, inode, .. } => {
                self.oracle.created.remove(inode);
                names.undelete_directory(entry, *inode)
            }
            CdcOperation::Rename {
                source,
                target,
                replace,
            } => {
                for inode in [names.get(source), names.get(target)].iter().flatten() {
                    self.oracle.created.remove(inode); // the shard of the name decides that later
                }
                names.rename(source, target, *replace)
            }
        }
    }

    fn see_end(
        &mut self,
        transaction: TransactionId,
        request: RequestId,
        outcome: &TransactionOutcome,
    ) -> Result<(), String> {
        let known = self.oracle.transactions.remove(&transaction);
        let known = known.ok_or_else(|| format!("{transaction} ended twice"))?;
        if known.request != request {
            return Err(format!("{transaction} was begun by {:?}", known.request));
        }
        let (what, how) = (label(&known.operation), label(outcome));
        let why = match outcome {
            TransactionOutcome::Refused(refusal) => label(refusal),
            TransactionOutcome::Done
            | TransactionOutcome::Made { .. }
            | TransactionOutcome::Stuck => String::new(),
        };
        self.coverage
            .hit(format!("cdc: {what} {how} {why}").trim_end());
        let contradiction = match outcome {
            TransactionOutcome::Stuck => {
                let stuck = eggs_cdc::stuck(&self.group(GroupId::CDC).state);
                return Err(format!("{transaction} is stuck: {stuck:?}"));
            }
            TransactionOutcome::Refused(_) => known.decided,
            TransactionOutcome::Done => known.decided != needs_decision(&known.operation),
            TransactionOutcome::Made { dir } => {
                // Others may have renamed it since.
                if !self.oracle.names.directories.contains_key(dir) {
                    return Err(format!("{dir} was made and never had a name"));
                }
                known.decided || !matches!(known.operation, CdcOperation::MakeDirectory { .. })
            }
        };
        if contradiction {
            return Err(format!(
                "{transaction} ended in spite of decided={}",
                known.decided
            ));
        }
        self.see_outcome(request, outcome)
    }

    fn see_outcome(
        &mut self,
        request: RequestId,
        outcome: &TransactionOutcome,
    ) -> Result<(), String> {
        let known = self.oracle.outcomes.entry(request);
        let known = known.or_insert_with(|| outcome.clone());
        if known != outcome {
            return Err(format!("{request:?} came to {known:?} and to {outcome:?}"));
        }
        Ok(())
    }
}

/// Whether an operation that is done has passed a commit point. A directory is made by one step alone and answered
/// otherwise; nothing happens where source and target are the same.
fn needs_decision(operation: &CdcOperation) -> bool {
    match operation {
        CdcOperation::MakeDirectory { .. }
        | CdcOperation::RemoveDirectory { .. }
        | CdcOperation::UndeleteDirectory { .. } => true,
        CdcOperation::Rename { source, target, .. } => source != target,
    }
}

/// Whether a step carries out what is decided, as opposed to preparing or undoing it.
fn carries_out(change: &ShardChange, undelete: bool) -> bool {
    match change {
        ShardChange::ReleaseDentry { action, .. } => match action {
            ReleaseAction::Set { .. }
            | ReleaseAction::RemoveMoved
            | ReleaseAction::RemoveDeleted => true,
            ReleaseAction::Keep => false,
        },
        ShardChange::SettleDirectory { outcome, .. } => match outcome {
            DirectoryOutcome::Removed => !undelete,
            DirectoryOutcome::Moved { .. } => true,
            DirectoryOutcome::Attached => false,
        },
        ShardChange::RestoreDentry { .. } => true,
        // Steps that prepare or undo.
        ShardChange::CreateDirectory { .. }
        | ShardChange::AbandonDirectory { .. }
        | ShardChange::LinkDirectory { .. }
        | ShardChange::LockDentry { .. }
        | ShardChange::DetachDirectory { .. }
        | ShardChange::ReviveDirectory { .. }
        | ShardChange::LockVersion { .. } => false,
        // No steps.
        ShardChange::CreateTransient { .. }
        | ShardChange::AddInline { .. }
        | ShardChange::AddHole { .. }
        | ShardChange::AddExtent(_)
        | ShardChange::ReplaceBlocks { .. }
        | ShardChange::CertifyExtent { .. }
        | ShardChange::Link { .. }
        | ShardChange::CreateFile { .. }
        | ShardChange::Symlink { .. }
        | ShardChange::KeepAlive { .. }
        | ShardChange::Scrap { .. }
        | ShardChange::Unlink { .. }
        | ShardChange::Rename { .. }
        | ShardChange::SetAttributes { .. }
        | ShardChange::SetPolicy { .. }
        | ShardChange::ClearPolicy { .. }
        | ShardChange::DestroyTransient { .. }
        | ShardChange::CollectSnapshot { .. }
        | ShardChange::BeginCollect { .. }
        | ShardChange::ScrapForeign { .. }
        | ShardChange::RemoveDirectory { .. }
        | ShardChange::GarbageErased { .. }
        | ShardChange::CreateWithExtent { .. }
        | ShardChange::CertifyAndLink { .. }
        | ShardChange::Undelete { .. }
        | ShardChange::Reserve { .. }
        | ShardChange::CreateReserved { .. }
        | ShardChange::SetXattr { .. }
        | ShardChange::RemoveXattr { .. }
        | ShardChange::Repair(_)
        | ShardChange::ReportTrees { .. }
        | ShardChange::SettleTrees { .. }
        | ShardChange::AdvanceTime
        | ShardChange::BeginHeal { .. }
        | ShardChange::FinishHeal { .. } => false,
    }
}
