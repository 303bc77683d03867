//! Starting a transaction.

use eggs_machine::{ApplyContext, Fault, Store, StoreRead};
use eggs_proto::cdc::CdcOperation;
use eggs_proto::{InodeId, InvalidArgument, Refusal, RequestId, TransactionId};

use crate::outcomes::Record;
use crate::transaction::{RenameOf, Step, TargetLock, Transaction};
use crate::{CdcAnswer, RUNNING_MAX, TransactionOutcome, keys, outcomes, rename, state};

pub(crate) fn apply(
    store: &mut dyn Store,
    context: ApplyContext,
    request: RequestId,
    operation: CdcOperation,
) -> Result<CdcAnswer, Fault> {
    if let Some(known) = known(store, request)? {
        return Ok(known);
    }
    if let Some(refusal) = refusal(&operation) {
        return refuse(store, context, request, refusal);
    }
    let running =
        state::counter(store, keys::BEGUN)?.saturating_sub(state::counter(store, keys::ENDED)?);
    if running >= RUNNING_MAX {
        return Ok(CdcAnswer::Overloaded);
    }
    let id = TransactionId(state::count(store, keys::BEGUN)?);
    let step = first(store, &operation)?;
    let transaction = Transaction {
        request,
        began: context.now,
        operation,
        serial: 0,
        step,
        source: None,
        target: TargetLock::NotHeld,
        detached: None,
        outcome: None,
    };
    state::save(store, id, &transaction);
    outcomes::remember_running(store, request, id);
    Ok(CdcAnswer::Running(id))
}

/// Refuses a request, unless it was taken before.
pub(crate) fn refuse(
    store: &mut dyn Store,
    context: ApplyContext,
    request: RequestId,
    refusal: Refusal,
) -> Result<CdcAnswer, Fault> {
    if let Some(known) = known(store, request)? {
        return Ok(known);
    }
    let outcome = TransactionOutcome::Refused(refusal);
    outcomes::remember_finished(store, request, &outcome, context.now)?;
    Ok(CdcAnswer::Finished { request, outcome })
}

/// What has become of a request that was taken before.
fn known(store: &dyn StoreRead, request: RequestId) -> Result<Option<CdcAnswer>, Fault> {
    let record = outcomes::recall(store, request)?;
    Ok(record.map(|record| match record {
        Record::Running(transaction) => CdcAnswer::Running(transaction),
        Record::Finished(outcome) => CdcAnswer::Finished { request, outcome },
    }))
}

/// What can be refused without asking anybody.
fn refusal(operation: &CdcOperation) -> Option<Refusal> {
    let entries = match operation {
        CdcOperation::MakeDirectory { entry, .. } | CdcOperation::RemoveDirectory { entry } => {
            [entry, entry]
        }
        CdcOperation::Rename { source, target, .. } => [source, target],
        CdcOperation::UndeleteDirectory { entry, inode, .. } => {
            if !inode.is_directory() || *inode == InodeId::ROOT {
                return Some(Refusal::Invalid(InvalidArgument::Kind));
            }
            [entry, entry]
        }
    };
    let directories = entries.iter().all(|entry| entry.dir.is_directory());
    (!directories).then_some(Refusal::NotDirectory)
}

fn first(store: &mut dyn Store, operation: &CdcOperation) -> Result<Step, Fault> {
    Ok(match operation {
        CdcOperation::MakeDirectory { entry, .. } => {
            let dir = state::name_directory(store)?;
            // Before it is visible: whoever sees it may at once move something into it.
            state::set_parent(store, dir, entry.dir);
            Step::Create { dir }
        }
        CdcOperation::RemoveDirectory { .. } => Step::LockSource,
        CdcOperation::UndeleteDirectory { inode, .. } => Step::Revive { dir: *inode },
        CdcOperation::Rename {
            source,
            target,
            replace,
        } => rename::first(RenameOf {
            source,
            target,
            replace: *replace,
        }),
    })
}
