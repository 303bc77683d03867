//! What travels over the simulated network.

use eggs_proto::block::{BlockRequest, BlockResult};
use eggs_proto::cdc::{CdcReply, CdcRequest};
use eggs_proto::hello::PeerRole;
use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::shard::{ShardCall, ShardReply};
use eggs_proto::{CallResult, GroupId};

/// One question.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // lives only in the queue of events
pub enum Request {
    /// To a shard.
    Shard {
        /// The question.
        call: ShardCall,
        /// Who asks.
        origin: PeerRole,
    },
    /// To the coordinator.
    Cdc(CdcRequest),
    /// To the registry.
    Registry(RegistryRequest),
    /// To a block service; the bytes of a write are what its facts say.
    Block(BlockRequest),
}

/// One answer.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // lives only in the queue of events
pub enum Response {
    /// Of a shard.
    Shard(CallResult<ShardReply>),
    /// Of the coordinator.
    Cdc(CallResult<CdcReply>),
    /// Of the registry.
    Registry(CallResult<RegistryReply>),
    /// Of a block service.
    Block(BlockResult),
}

/// What came of a call: `None` if no answer came in time.
pub type Answer = Option<Response>;

impl Request {
    /// The group it is for; `None` for a block service.
    pub const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Shard { call, .. } => Some(GroupId::of_shard(call.shard)),
            Self::Cdc(_) => Some(GroupId::CDC),
            Self::Registry(_) => Some(GroupId::REGISTRY),
            Self::Block(_) => None,
        }
    }

    /// "Not the leader", in the words of the group.
    pub fn refuse(&self, error: eggs_proto::CallError) -> Response {
        match self {
            Self::Shard { .. } => Response::Shard(Err(error)),
            Self::Cdc(_) => Response::Cdc(Err(error)),
            Self::Registry(_) => Response::Registry(Err(error)),
            Self::Block(_) => Response::Block(Err(eggs_proto::block::BlockRefusal::WrongService)),
        }
    }
}
