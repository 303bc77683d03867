//! A process says how much space it has for metadata.

use eggs_proto::registry::{SpaceLevel, SpaceReport};
use eggs_proto::{NodeId, Refusal};

use crate::record::{NodeRecord, SpaceRecord};
use crate::tables::{self, NODES, SPACE};
use crate::transaction::{Stop, Transaction};

/// Keeps who has little; who has enough is not worth a record.
pub(crate) fn note_space(
    tx: &mut Transaction<'_>,
    node: NodeId,
    report: SpaceReport,
) -> Result<(), Stop> {
    if tables::get::<_, NodeRecord>(tx.store, NODES, node)?.is_none() {
        return Err(Refusal::NotFound.into());
    }
    if report.level == SpaceLevel::Ample {
        tables::remove(tx.store, SPACE, node);
        return Ok(());
    }
    let known: Option<SpaceRecord> = tables::get(tx.store, SPACE, node)?;
    let since = known.map_or(tx.now, |known| known.since);
    tables::put(tx.store, SPACE, node, &SpaceRecord { report, since });
    Ok(())
}
