//! Bringing a removed directory back: bar it from being collected, lock the name it gets; that decides.
//!
//! The bar comes first: while it holds, the directory's snapshot stays what it is, so that what is found with the name
//! locked is still true when the name is set. Of several transactions for one directory the others wait for the bar and then
//! find it attached. Nobody who holds a name waits for such a bar, because a removed directory has none.
//!
//! No loop can come of it: a removed directory has no entries, so nothing that has a name is below it.

use eggs_machine::{ApplyContext, Fault, Store};
use eggs_proto::{InodeId, Refusal};

use crate::transaction::{Advance, Step, Transaction};
use crate::{LOCK_WAIT_MS, StepOutcome, TransactionOutcome, rollback, state};

/// A directory and where it comes back to.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub parent: InodeId,
    pub dir: InodeId,
}

pub(crate) fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    Place { parent, dir }: Place,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    let waited_ms = context.now.ms_since(transaction.began);
    Ok(match (transaction.step, outcome) {
        (
            step @ (Step::Revive { .. } | Step::LockVersion),
            StepOutcome::Refused(Refusal::Locked),
        ) if waited_ms < LOCK_WAIT_MS => Advance::To(step),
        // Nothing is held yet.
        (Step::Revive { .. }, StepOutcome::Refused(refusal)) => {
            rollback::refuse(transaction, refusal)
        }
        (Step::Revive { .. }, StepOutcome::Done | StepOutcome::DentryLocked(_)) => {
            Advance::To(Step::LockVersion)
        }
        (Step::LockVersion, StepOutcome::Refused(refusal)) => {
            transaction.outcome = Some(TransactionOutcome::Refused(refusal));
            Advance::To(Step::Rebury { dir })
        }
        // The commit point. The directory learns its parent while its name is locked: once it is free, others may
        // move or remove it.
        (Step::LockVersion, StepOutcome::Done | StepOutcome::DentryLocked(_)) => {
            state::set_parent(store, dir, parent);
            transaction.outcome = Some(TransactionOutcome::Done);
            Advance::To(Step::SettleMoved { dir })
        }
        (Step::SettleMoved { .. }, _) => Advance::To(Step::RestoreName { dir }),
        (step, outcome) => rollback::advance(transaction, step, &outcome),
    })
}
