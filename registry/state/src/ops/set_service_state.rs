//! A person sets the state of a disk.

use eggs_proto::{BlockServiceId, InvalidArgument, Refusal, ServiceState};

use crate::record::ServiceRecord;
use crate::tables::{self, SERVICES};
use crate::transaction::{Stop, Transaction};

/// Sets what a person wants; `Active` takes it back. Being stale is observed, never wanted.
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
    let record: Option<ServiceRecord> = tables::get(tx.store, SERVICES, service)?;
    let Some(mut record) = record else {
        return Err(Refusal::NotFound.into());
    };
    let before = record.condition.effective();
    record.condition.manual = manual;
    if record.condition.effective() != before {
        tx.tell_clients();
    }
    tables::put(tx.store, SERVICES, service, &record);
    Ok(())
}
