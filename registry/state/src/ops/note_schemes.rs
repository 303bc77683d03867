//! A process says how blocks were stored lately by the shards that it leads.

use eggs_proto::registry::{SCHEMES_MAX, SchemeInUse};
use eggs_proto::{InvalidArgument, NodeId, Refusal};

use crate::record::{NodeRecord, SchemeRecord};
use crate::tables::{self, NODES, SCHEMES};
use crate::transaction::{Stop, Transaction};
use crate::{SCHEME_KEPT_MS, schemes};

/// Keeps what is used, and forgets what nobody has used for long, unless nothing else would be left: a cluster that rests is
/// what it was.
pub(crate) fn note_schemes(
    tx: &mut Transaction<'_>,
    node: NodeId,
    in_use: &[SchemeInUse],
) -> Result<(), Stop> {
    if tables::get::<_, NodeRecord>(tx.store, NODES, node)?.is_none() {
        return Err(Refusal::NotFound.into());
    }
    if in_use.len() > SCHEMES_MAX || !in_use.iter().all(|used| used.scheme.is_valid()) {
        return Err(Refusal::Invalid(InvalidArgument::List).into());
    }
    if in_use.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    for used in in_use {
        tables::put(tx.store, SCHEMES, *used, &SchemeRecord { last_used: now });
    }
    for (used, record) in schemes::list(tx.store)? {
        if now > record.last_used.plus_ms(SCHEME_KEPT_MS) {
            tables::remove(tx.store, SCHEMES, used);
        }
    }
    Ok(())
}
