//! mkdir: make the inode on its own shard, then link it in its parent; the link decides.

use eggs_machine::{ApplyContext, Fault, Store};
use eggs_proto::Refusal;

use crate::transaction::{Advance, Step, Transaction};
use crate::{LOCK_WAIT_MS, StepOutcome, TransactionOutcome, rollback, state};

pub(crate) fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    Ok(match (transaction.step, outcome) {
        (Step::Create { dir }, StepOutcome::Refused(refusal)) => {
            state::remove_parent(store, dir);
            rollback::refuse(transaction, refusal)
        }
        (Step::Create { dir }, _) => Advance::To(Step::Link { dir }),
        (step @ Step::Link { .. }, StepOutcome::Refused(Refusal::Locked))
            if context.now.ms_since(transaction.began) < LOCK_WAIT_MS =>
        {
            Advance::To(step)
        }
        (Step::Link { dir }, StepOutcome::Refused(refusal)) => {
            state::remove_parent(store, dir);
            transaction.outcome = Some(TransactionOutcome::Refused(refusal));
            Advance::To(Step::Abandon { dir })
        }
        (Step::Link { dir }, _) => Advance::Finish(TransactionOutcome::Made { dir }),
        (_, _) => Advance::Finish(rollback::decided(transaction)), // Abandon
    })
}
