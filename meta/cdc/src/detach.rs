//! Barring a directory that is to go from getting entries.
//!
//! A transaction that is decided counts as done, and others may have seen that it is, while its shard still
//! holds the name that it will remove. So `NotEmpty` is believed only if no such transaction was on
//! its way out of the directory when the step was decided on; otherwise the step is taken again.

use eggs_machine::{ApplyContext, Fault, StoreRead};
use eggs_proto::{InodeId, Refusal};

use crate::transaction::{Advance, Step, Transaction};
use crate::{DETACH_WAIT_MS, rollback, state};

/// The step for a directory.
pub(crate) fn step(store: &dyn StoreRead, dir: InodeId) -> Result<Step, Fault> {
    let leaving = state::leaving(store, dir)? > 0;
    Ok(Step::Detach { dir, leaving })
}

/// What comes after a refusal.
pub(crate) fn refused(
    store: &dyn StoreRead,
    transaction: &mut Transaction,
    (dir, leaving): (InodeId, bool),
    refusal: Refusal,
    context: ApplyContext,
) -> Result<Advance, Fault> {
    let patient = context.now.ms_since(transaction.began) < DETACH_WAIT_MS;
    Ok(match (refusal, leaving, patient) {
        (Refusal::Locked, _, true) => Advance::To(step(store, dir)?),
        (Refusal::NotEmpty, true, true) => Advance::To(step(store, dir)?),
        (Refusal::NotEmpty, true, false) => rollback::refuse(transaction, Refusal::Locked),
        (refusal, _, _) => rollback::refuse(transaction, refusal),
    })
}
