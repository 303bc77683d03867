//! Starting a transaction.

use eggs_machine::{ApplyContext, Fault, Store};
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
    match outcomes::recall(store, request)? {
        Some(Record::Running(transaction)) => return Ok(CdcAnswer::Running(transaction)),
        Some(Record::Finished(outcome)) => return Ok(CdcAnswer::Finished { request, outcome }),
        None => {}
    }
    if let Some(refusal) = refusal(&operation) {
        let outcome = TransactionOutcome::Refused(refusal);
        outcomes::remember_finished(store, request, &outcome, context.now)?;
        return Ok(CdcAnswer::Finished { request, outcome });
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
