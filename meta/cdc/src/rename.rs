//! rename: lock both names in the global order, check, bar a directory that is to be replaced, commit, and
//! then change both names while they are locked. An exchange parts from this once both names are locked.
//!
//! The order of the checks, all made with both names locked, is that of Linux: the source must exist; the
//! target must be free if it may not be replaced; no directory below itself; kinds must match.

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{ApplyContext, Fault, Store, StoreRead};
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, InodeKind, Refusal};

use crate::loops::{Place, place};
use crate::transaction::{Advance, RenameOf, Step, TargetLock, Transaction, lock_order};
use crate::{LOCK_WAIT_MS, StepOutcome, TransactionOutcome, detach, exchange, rollback, state};

/// The first step.
pub(crate) fn first(rename: RenameOf<'_>) -> Step {
    if lock_order(rename.source) <= lock_order(rename.target) {
        Step::LockSource
    } else {
        Step::LockTarget {
            guess: InodeKind::File,
        }
    }
}

pub(crate) fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    rename: RenameOf<'_>,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    let waited_ms = context.now.ms_since(transaction.began);
    match (transaction.step, outcome) {
        (
            step @ (Step::LockSource | Step::LockTarget { .. }),
            StepOutcome::Refused(Refusal::Locked),
        ) if waited_ms < LOCK_WAIT_MS => Ok(Advance::To(step)),
        (Step::LockSource, outcome) => source_answered(store, transaction, rename, outcome),
        (Step::LockTarget { guess }, StepOutcome::Refused(refusal)) => {
            Ok(target_refused(transaction, refusal, (guess, waited_ms)))
        }
        (Step::LockTarget { .. }, outcome) => {
            let inode = match outcome {
                StepOutcome::DentryLocked(inode) => inode,
                StepOutcome::Done | StepOutcome::Refused(_) => None,
            };
            transaction.target = TargetLock::Held(inode);
            match transaction.source {
                Some(source) => check(store, transaction, rename, (source, inode)),
                None => Ok(Advance::To(Step::LockSource)),
            }
        }
        (Step::Detach { dir, leaving }, StepOutcome::Refused(refusal)) => {
            detach::refused(store, transaction, (dir, leaving), refusal, context)
        }
        (Step::Detach { dir, .. }, _) => {
            transaction.detached = Some(dir);
            match transaction.source {
                Some(source) => commit(store, transaction, rename, source),
                None => Ok(rollback::refuse(transaction, Refusal::Changed)), // never: it is locked
            }
        }
        (Step::ReleaseMoved, _) => {
            state::left(store, rename.source.dir)?;
            Ok(Advance::Finish(rollback::decided(transaction)))
        }
        (step, outcome) => {
            let exchanged = match rename.replace {
                Replace::Exchange => exchange::forward(transaction),
                Replace::Never | Replace::Files => None,
            };
            Ok(exchanged.unwrap_or_else(|| forward(transaction, step, &outcome)))
        }
    }
}

fn source_answered(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    rename: RenameOf<'_>,
    outcome: StepOutcome,
) -> Result<Advance, Fault> {
    let source = match outcome {
        StepOutcome::DentryLocked(Some(source)) => source,
        StepOutcome::Refused(refusal) => return Ok(rollback::refuse(transaction, refusal)),
        StepOutcome::Done | StepOutcome::DentryLocked(None) => {
            return Ok(rollback::refuse(transaction, Refusal::NotFound));
        }
    };
    transaction.source = Some(source);
    if rename.source == rename.target {
        let outcome = match rename.replace {
            Replace::Never => TransactionOutcome::Refused(Refusal::Exists),
            Replace::Files | Replace::Exchange => TransactionOutcome::Done,
        };
        return Ok(rollback::give_up(transaction, outcome));
    }
    match transaction.target {
        TargetLock::Held(target) => check(store, transaction, rename, (source, target)),
        TargetLock::NotHeld => Ok(Advance::To(Step::LockTarget {
            guess: source.kind(),
        })),
    }
}

/// A shard locks a name only for a kind that may replace what has it; the refusal tells the kind to ask for.
/// Whether that fits the source is checked once both names are locked.
fn target_refused(
    transaction: &mut Transaction,
    refusal: Refusal,
    (guess, waited_ms): (InodeKind, u64),
) -> Advance {
    let guess = match (&refusal, guess) {
        (Refusal::IsDirectory, InodeKind::File | InodeKind::Symlink) => InodeKind::Directory,
        (Refusal::NotDirectory, InodeKind::Directory) => InodeKind::File,
        (_, _) => return rollback::refuse(transaction, refusal),
    };
    if waited_ms < LOCK_WAIT_MS {
        Advance::To(Step::LockTarget { guess })
    } else {
        rollback::refuse(transaction, Refusal::Locked)
    }
}

/// Both names are locked.
fn check(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    rename: RenameOf<'_>,
    (source, target): (InodeId, Option<InodeId>),
) -> Result<Advance, Fault> {
    if rename.replace == Replace::Exchange {
        return exchange::decide(store, transaction, rename, (source, target));
    }
    if target.is_some() && rename.replace == Replace::Never {
        return Ok(rollback::refuse(transaction, Refusal::Exists));
    }
    if let Some(refusal) = loop_refusal(store, rename, source)? {
        return Ok(rollback::refuse(transaction, refusal));
    }
    let Some(target) = target else {
        return commit(store, transaction, rename, source);
    };
    match (source.is_directory(), target.is_directory()) {
        (false, true) => Ok(rollback::refuse(transaction, Refusal::IsDirectory)),
        (true, false) => Ok(rollback::refuse(transaction, Refusal::NotDirectory)),
        (false, false) => commit(store, transaction, rename, source),
        // An ancestor of the source is not empty; its shard could only say that a name in it is locked.
        (true, true) => Ok(match place(store, rename.source.dir, target)? {
            Place::Inside => rollback::refuse(transaction, Refusal::NotEmpty),
            Place::Outside | Place::TooDeep => Advance::To(detach::step(store, target)?),
        }),
    }
}

/// The commit point.
fn commit(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    rename: RenameOf<'_>,
    source: InodeId,
) -> Result<Advance, Fault> {
    // Again: others may have moved directories since `check`.
    if !planted(Bug::LoopCheckBeforeCommit)
        && let Some(refusal) = loop_refusal(store, rename, source)?
    {
        return Ok(rollback::refuse(transaction, refusal));
    }
    if source.is_directory() && !planted(Bug::ParentNotNoted) {
        state::set_parent(store, source, rename.target.dir);
    }
    if let Some(replaced) = transaction.detached {
        state::remove_parent(store, replaced);
    }
    state::leave(store, rename.source.dir)?;
    transaction.outcome = Some(TransactionOutcome::Done);
    Ok(Advance::To(if source.is_directory() {
        Step::SettleMoved { dir: source }
    } else {
        Step::SetTarget { inode: source }
    }))
}

fn loop_refusal(
    store: &dyn StoreRead,
    rename: RenameOf<'_>,
    source: InodeId,
) -> Result<Option<Refusal>, Fault> {
    if !source.is_directory() {
        return Ok(None);
    }
    Ok(match place(store, rename.target.dir, source)? {
        Place::Outside => None,
        Place::Inside | Place::TooDeep => Some(Refusal::Loop),
    })
}

/// After the commit point nothing turns it back. The moved directory is told its new parent while its names
/// are locked: once the new one is free, others may move or remove it.
fn forward(transaction: &mut Transaction, step: Step, outcome: &StepOutcome) -> Advance {
    match step {
        Step::SettleMoved { dir } => Advance::To(Step::SetTarget { inode: dir }),
        Step::SetTarget { .. } => {
            let removed = transaction.detached.map(|dir| Step::SettleRemoved { dir });
            Advance::To(removed.unwrap_or(Step::ReleaseMoved))
        }
        Step::SettleRemoved { .. } => Advance::To(Step::ReleaseMoved),
        Step::Create { .. }
        | Step::Link { .. }
        | Step::Abandon { .. }
        | Step::LockSource
        | Step::LockTarget { .. }
        | Step::Detach { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted
        | Step::Reattach { .. }
        | Step::KeepTarget
        | Step::KeepSource
        | Step::Revive { .. }
        | Step::LockVersion
        | Step::RestoreName { .. }
        | Step::Rebury { .. }
        | Step::SettleBack { .. }
        | Step::SetSource { .. } => rollback::advance(transaction, step, outcome),
    }
}
