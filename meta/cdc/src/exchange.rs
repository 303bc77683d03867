//! An exchange of two names: with both locked, check and commit in one log entry, tell moved directories their new
//! parents, and then set both names, the target first.
//!
//! Until its name is set, each stays locked, so no reader finds one inode under both names or one of them nowhere.
//!
//! Neither inode may be an ancestor of the directory it goes to. That is enough for both at once: only the parents of
//! the two change, and neither was above its own parent.

use eggs_machine::{Fault, Store};
use eggs_proto::{InodeId, Refusal};

use crate::loops::{Place, place};
use crate::transaction::{Advance, RenameOf, Step, TargetLock, Transaction};
use crate::{TransactionOutcome, rollback, state};

/// Both names are locked: the commit point.
pub(crate) fn decide(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    rename: RenameOf<'_>,
    (source, target): (InodeId, Option<InodeId>),
) -> Result<Advance, Fault> {
    let Some(target) = target else {
        return Ok(rollback::refuse(transaction, Refusal::NotFound));
    };
    let moves = [(source, rename.target.dir), (target, rename.source.dir)];
    let directories = moves.iter().filter(|(moved, _)| moved.is_directory());
    for (moved, to) in directories.clone() {
        match place(store, *to, *moved)? {
            Place::Outside => {}
            Place::Inside | Place::TooDeep => {
                return Ok(rollback::refuse(transaction, Refusal::Loop));
            }
        }
    }
    for (moved, to) in directories {
        state::set_parent(store, *moved, *to);
    }
    transaction.outcome = Some(TransactionOutcome::Done);
    Ok(Advance::To(after_start(source, target)))
}

/// What comes after a step that was decided; `None` if the step is none of an exchange.
pub(crate) fn forward(transaction: &Transaction) -> Option<Advance> {
    let source = transaction.source?;
    let TargetLock::Held(Some(target)) = transaction.target else {
        return None;
    };
    match transaction.step {
        Step::SettleMoved { .. } => Some(Advance::To(after_source(source, target))),
        Step::SettleBack { .. } => Some(Advance::To(Step::SetTarget { inode: source })),
        Step::SetTarget { .. } => Some(Advance::To(Step::SetSource { inode: target })),
        Step::SetSource { .. } => Some(Advance::Finish(rollback::decided(transaction))),
        Step::Create { .. }
        | Step::Link { .. }
        | Step::Abandon { .. }
        | Step::LockSource
        | Step::LockTarget { .. }
        | Step::Detach { .. }
        | Step::SettleRemoved { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted
        | Step::Reattach { .. }
        | Step::KeepTarget
        | Step::KeepSource
        | Step::Revive { .. }
        | Step::LockVersion
        | Step::RestoreName { .. }
        | Step::Rebury { .. } => None,
    }
}

fn after_start(source: InodeId, target: InodeId) -> Step {
    if source.is_directory() {
        Step::SettleMoved { dir: source }
    } else {
        after_source(source, target)
    }
}

fn after_source(source: InodeId, target: InodeId) -> Step {
    if target.is_directory() {
        Step::SettleBack { dir: target }
    } else {
        Step::SetTarget { inode: source }
    }
}
