//! A person sets the state of a disk.

use eggs_proto::{BlockServiceId, InvalidArgument, Refusal, ServiceState};

use crate::services;
use crate::transaction::{Stop, Transaction};

/// Sets what a person wants; `Active` takes it back, and has the disk not be found slow for [`crate::PARDON_MS`]. Being stale is observed, never wanted.
pub(crate) fn set_service_state(
    tx: &mut Transaction<'_>,
    service: BlockServiceId,
    state: ServiceState,
) -> Result<(), Stop> {
    let manual = match state {
        ServiceState::Active => None,
        ServiceState::NoRead | ServiceState::NoWrite | ServiceState::Decommissioned => Some(state),
        ServiceState::Stale => return Err(Refusal::Invalid(InvalidArgument::Range).into()),
    };
    let Some(mut record) = services::get(tx.store, service)? else {
        return Err(Refusal::NotFound.into());
    };
    let before = record.condition.effective();
    record.condition.manual = manual;
    if manual.is_none() {
        record.condition.pace.pardon(tx.cluster.observed_ms);
        services::put_pace(tx.store, service, &record.condition.pace);
    }
    if record.condition.effective() != before {
        tx.tell_clients();
    }
    services::put(tx.store, service, &record);
    Ok(())
}
