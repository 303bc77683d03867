//! Disks as they are stored: what is said every second, and apart from it how long they take.
//!
//! **Invariant:** whoever reads a disk's record here has its pace in its condition, so that the state that follows
//! from the condition is the same everywhere.

use std::collections::BTreeMap;

use eggs_machine::{Fault, Store, StoreRead};
use eggs_proto::BlockServiceId;

use crate::pace::Pace;
use crate::record::ServiceRecord;
use crate::tables::{self, PACES, SERVICES};

/// Reads one.
pub(crate) fn get(
    store: &dyn StoreRead,
    service: BlockServiceId,
) -> Result<Option<ServiceRecord>, Fault> {
    let Some(mut record) = tables::get::<_, ServiceRecord>(store, SERVICES, service)? else {
        return Ok(None);
    };
    record.condition.pace = tables::get(store, PACES, service)?.unwrap_or_default();
    Ok(Some(record))
}

/// Reads all.
pub(crate) fn list(
    store: &dyn StoreRead,
) -> Result<BTreeMap<BlockServiceId, ServiceRecord>, Fault> {
    let listed: Vec<(BlockServiceId, ServiceRecord)> = tables::list(store, SERVICES)?;
    let mut records: BTreeMap<_, _> = listed.into_iter().collect();
    for (service, pace) in tables::list::<BlockServiceId, Pace>(store, PACES)? {
        if let Some(record) = records.get_mut(&service) {
            record.condition.pace = pace;
        }
    }
    Ok(records)
}

/// Writes one without its pace.
pub(crate) fn put(store: &mut dyn Store, service: BlockServiceId, record: &ServiceRecord) {
    tables::put(store, SERVICES, service, record);
}

/// Writes the pace of one.
pub(crate) fn put_pace(store: &mut dyn Store, service: BlockServiceId, pace: &Pace) {
    tables::put(store, PACES, service, pace);
}
