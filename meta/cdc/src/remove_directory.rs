//! rmdir: lock the name, bar the directory from getting entries; that decides.

use eggs_machine::{ApplyContext, Fault, Store};
use eggs_proto::Refusal;
use eggs_proto::cdc::EntryName;

use crate::transaction::{Advance, Step, Transaction};
use crate::{LOCK_WAIT_MS, StepOutcome, TransactionOutcome, detach, rollback, state};

pub(crate) fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    entry: &EntryName,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    let waited_ms = context.now.ms_since(transaction.began);
    Ok(match (transaction.step, outcome) {
        (Step::LockSource, StepOutcome::DentryLocked(Some(dir))) => {
            transaction.source = Some(dir);
            if dir.is_directory() {
                Advance::To(detach::step(store, dir)?)
            } else {
                rollback::refuse(transaction, Refusal::NotDirectory)
            }
        }
        (Step::LockSource, StepOutcome::Refused(Refusal::Locked)) if waited_ms < LOCK_WAIT_MS => {
            Advance::To(Step::LockSource)
        }
        (Step::LockSource, StepOutcome::Refused(refusal)) => rollback::refuse(transaction, refusal),
        (Step::LockSource, StepOutcome::Done | StepOutcome::DentryLocked(None)) => {
            rollback::refuse(transaction, Refusal::NotFound)
        }
        (Step::Detach { dir, leaving }, StepOutcome::Refused(refusal)) => {
            detach::refused(store, transaction, (dir, leaving), refusal, context)?
        }
        (Step::Detach { dir, .. }, _) => {
            state::remove_parent(store, dir);
            state::leave(store, entry.dir)?;
            transaction.outcome = Some(TransactionOutcome::Done);
            Advance::To(Step::SettleRemoved { dir })
        }
        (Step::SettleRemoved { .. }, _) => Advance::To(Step::ReleaseDeleted),
        (Step::ReleaseDeleted, _) => {
            state::left(store, entry.dir)?;
            Advance::Finish(rollback::decided(transaction))
        }
        (step, outcome) => rollback::advance(transaction, step, &outcome),
    })
}
