//! rmdir: lock the name, bar the directory from getting entries; that decides.

use eggs_machine::{ApplyContext, Fault, Store};
use eggs_proto::Refusal;

use crate::transaction::{Advance, Step, Transaction};
use crate::{DETACH_WAIT_MS, LOCK_WAIT_MS, StepOutcome, TransactionOutcome, rollback, state};

pub(crate) fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    let waited_ms = context.now.ms_since(transaction.began);
    Ok(match (transaction.step, outcome) {
        (Step::LockSource, StepOutcome::DentryLocked(Some(dir))) => {
            transaction.source = Some(dir);
            if dir.is_directory() {
                Advance::To(Step::Detach { dir })
            } else {
                rollback::refuse(transaction, Refusal::NotDirectory)
            }
        }
        (Step::LockSource, StepOutcome::Refused(Refusal::Locked)) if waited_ms < LOCK_WAIT_MS => {
            Advance::Stay
        }
        (Step::LockSource, StepOutcome::Refused(refusal)) => rollback::refuse(transaction, refusal),
        (Step::LockSource, StepOutcome::Done | StepOutcome::DentryLocked(None)) => {
            rollback::refuse(transaction, Refusal::NotFound)
        }
        (Step::Detach { .. }, StepOutcome::Refused(Refusal::Locked))
            if waited_ms < DETACH_WAIT_MS =>
        {
            Advance::Stay
        }
        (Step::Detach { .. }, StepOutcome::Refused(refusal)) => {
            rollback::refuse(transaction, refusal)
        }
        (Step::Detach { dir }, _) => {
            state::remove_parent(store, dir);
            transaction.outcome = Some(TransactionOutcome::Done);
            Advance::To(Step::SettleRemoved { dir })
        }
        (Step::SettleRemoved { .. }, _) => Advance::To(Step::ReleaseDeleted),
        (Step::ReleaseDeleted, _) => Advance::Finish(rollback::decided(transaction)),
        (step, outcome) => rollback::advance(transaction, step, &outcome),
    })
}
