//! The leader's part of a change.

use eggs_machine::{Fault, StoreRead};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardChange;
use eggs_proto::{BlockServiceId, ClusterMap, Refusal, ServiceKey, ShardId, Time};

use crate::ShardCommand;

/// What the leader knows besides the state.
pub struct PrepareContext<'a> {
    /// Which disks there are.
    pub map: &'a ClusterMap,
    /// Keys of block services.
    pub keys: &'a dyn Fn(BlockServiceId) -> Option<ServiceKey>,
    /// Fresh random bytes.
    pub entropy: [u8; 32],
    /// Who asks.
    pub origin: PeerRole,
    /// The leader's clock.
    pub now: Time,
}

/// Decides what is not deterministic and checks what can be checked before the log.
pub fn prepare(
    _shard: ShardId,
    _store: &dyn StoreRead,
    context: &PrepareContext<'_>,
    change: ShardChange,
) -> Result<Result<ShardCommand, Refusal>, Fault> {
    let _ = (context.origin, change);
    Ok(Err(Refusal::Unsupported))
}
