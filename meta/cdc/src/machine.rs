//! Applying commands.

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{
    ApplyContext, Fault, Outcome, PutRow, RestoredRow, StateMachine, Store, StoreRead, to_bytes,
};
use eggs_proto::cdc::CdcOperation;
use eggs_proto::{Time, TransactionId, decode, encode};

use crate::transaction::{Advance, RenameOf, Transaction};
use crate::{
    CdcAnswer, CdcCommand, StepOutcome, Stuck, TransactionOutcome, begin, keys, make_directory,
    outcomes, remove_directory, rename, repair_parent, restored, state, undelete_directory,
};

/// The coordinator's machine. All it knows is in the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct CdcMachine;

impl StateMachine for CdcMachine {
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let command: CdcCommand = decode(command)
            .map_err(|_| Fault::Entry("a command of the coordinator does not decode".into()))?;
        let answer = match command {
            CdcCommand::Begin { id, operation } => begin::apply(store, context, id, operation)?,
            CdcCommand::Refuse { id, refusal } => begin::refuse(store, context, id, refusal)?,
            CdcCommand::StepDone {
                transaction,
                serial,
                outcome,
            } => step_done(store, context, (transaction, serial), outcome)?,
            CdcCommand::RepairParent { dir, known, parent } => {
                repair_parent::apply(store, dir, known, parent)?
            }
        };
        Ok(Outcome::Accepted(encode(&answer)))
    }

    fn is_empty(&self, store: &dyn StoreRead) -> Result<bool, Fault> {
        restored::is_empty(store)
    }

    fn restored(
        &self,
        _now: Time,
        row: RestoredRow<'_>,
        put: &mut PutRow<'_>,
    ) -> Result<(), Fault> {
        restored::take(row, put)
    }
}

fn step_done(
    store: &mut dyn Store,
    context: ApplyContext,
    (id, serial): (TransactionId, u32),
    outcome: StepOutcome,
) -> Result<CdcAnswer, Fault> {
    let Some(mut transaction) = state::load(store, id)? else {
        return Ok(CdcAnswer::Ignored);
    };
    if transaction.serial != serial && !planted(Bug::StaleReportApplied) {
        return Ok(CdcAnswer::Ignored);
    }
    if transaction.step.is_decided()
        && let StepOutcome::Refused(refusal) = &outcome
    {
        let record = Stuck::new(id, &transaction, refusal.clone(), context.now);
        store.put(keys::STUCK, &keys::stuck(id), &to_bytes(&record));
        if transaction.outcome == Some(TransactionOutcome::Done) {
            transaction.outcome = Some(TransactionOutcome::Stuck);
        }
    }
    match advance(store, &mut transaction, outcome, context)? {
        Advance::To(step) => {
            transaction.step = step;
            transaction.serial = serial.saturating_add(1);
            state::save(store, id, &transaction);
            Ok(CdcAnswer::Running(id))
        }
        Advance::Finish(outcome) => finish(store, context, (id, &transaction), outcome),
    }
}

fn advance(
    store: &mut dyn Store,
    transaction: &mut Transaction,
    outcome: StepOutcome,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    match transaction.operation.clone() {
        CdcOperation::MakeDirectory { .. } => {
            make_directory::advance(store, transaction, outcome, context)
        }
        CdcOperation::RemoveDirectory { entry } => {
            remove_directory::advance(store, transaction, &entry, outcome, context)
        }
        CdcOperation::Rename {
            source,
            target,
            replace,
        } => {
            let rename = RenameOf {
                source: &source,
                target: &target,
                replace,
            };
            rename::advance(store, transaction, rename, outcome, context)
        }
        CdcOperation::UndeleteDirectory { entry, inode, .. } => {
            let place = undelete_directory::Place {
                parent: entry.dir,
                dir: inode,
            };
            undelete_directory::advance(store, transaction, place, outcome, context)
        }
    }
}

fn finish(
    store: &mut dyn Store,
    context: ApplyContext,
    (id, transaction): (TransactionId, &Transaction),
    outcome: TransactionOutcome,
) -> Result<CdcAnswer, Fault> {
    let request = transaction.request;
    store.delete(keys::TRANSACTIONS, &keys::transaction(id));
    state::count(store, keys::ENDED)?;
    outcomes::remember_finished(store, request, &outcome, context.now)?;
    Ok(CdcAnswer::Finished { request, outcome })
}
