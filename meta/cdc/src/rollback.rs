//! The way back: whatever a transaction holds is given up, the last first.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::Refusal;

use crate::transaction::{Advance, Step, TargetLock, Transaction};
use crate::{StepOutcome, TransactionOutcome};

/// Ends a transaction with a refusal.
pub(crate) fn refuse(transaction: &mut Transaction, refusal: Refusal) -> Advance {
    give_up(transaction, TransactionOutcome::Refused(refusal))
}

/// Gives up what the transaction holds and then ends it.
pub(crate) fn give_up(transaction: &mut Transaction, outcome: TransactionOutcome) -> Advance {
    transaction.outcome = Some(outcome);
    next(transaction)
}

/// What comes after one of the steps back. Their shards cannot refuse them; if one does, the rest is still
/// given up.
pub(crate) fn advance(transaction: &mut Transaction, step: Step, _: &StepOutcome) -> Advance {
    match step {
        Step::Reattach { .. } => transaction.detached = None,
        Step::KeepTarget => transaction.target = TargetLock::NotHeld,
        Step::KeepSource => transaction.source = None,
        Step::Create { .. }
        | Step::Link { .. }
        | Step::Abandon { .. }
        | Step::LockSource
        | Step::LockTarget { .. }
        | Step::Detach { .. }
        | Step::SetTarget { .. }
        | Step::SettleMoved { .. }
        | Step::SettleRemoved { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted
        | Step::Revive { .. }
        | Step::LockVersion
        | Step::RestoreName { .. }
        | Step::Rebury { .. }
        | Step::SettleBack { .. }
        | Step::SetSource { .. } => {}
    }
    next(transaction)
}

fn next(transaction: &Transaction) -> Advance {
    if let Some(dir) = transaction.detached {
        return Advance::To(Step::Reattach { dir });
    }
    if transaction.target != TargetLock::NotHeld {
        return Advance::To(Step::KeepTarget);
    }
    if transaction.source.is_some() && !planted(Bug::LockLeakedOnAbort) {
        return Advance::To(Step::KeepSource);
    }
    Advance::Finish(decided(transaction))
}

/// The outcome that was decided.
pub(crate) fn decided(transaction: &Transaction) -> TransactionOutcome {
    let outcome = transaction.outcome.clone();
    outcome.unwrap_or(TransactionOutcome::Stuck) // it is set before any step that leads here
}
