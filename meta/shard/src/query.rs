//! Reads of a shard: one exhaustive table of what answers what.

use eggs_machine::{Fault, StoreRead};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{BlockServiceId, Refusal, ServiceKey, ShardId, Time};

/// What a read needs besides the state.
pub struct QueryContext<'a> {
    /// Keys of block services, for erase certificates.
    pub keys: &'a dyn Fn(BlockServiceId) -> Option<ServiceKey>,
    /// Who asks.
    pub origin: PeerRole,
    /// The clock of the replica that answers.
    pub now: Time,
}

/// Answers a query from a consistent view.
pub fn query(
    _shard: ShardId,
    _store: &dyn StoreRead,
    context: &QueryContext<'_>,
    _query: &ShardQuery,
) -> Result<Result<ShardReply, Refusal>, Fault> {
    let _ = context.origin;
    Ok(Err(Refusal::Unsupported))
}
