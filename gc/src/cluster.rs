//! What the collector asks of the cluster. Tests answer from machines in memory.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use eggs_client::{Client, ClientError};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::shard::{GarbageBlock, ShardChange, ShardQuery, ShardReply};
use eggs_proto::{BlockServiceId, MacTag, ServiceState, ShardId};

/// How long the collector waits for anything: whatever does not answer gets its turn in the next pass.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A disk that the registry has heard of since then is there.
const HEARD_OF_MS: u64 = 30_000;

/// What an attempt to erase a block came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// It is gone.
    Erased(MacTag),
    /// The service cannot be asked now; other blocks of it need not be tried in this pass.
    ServiceDown,
    /// Not this one, not now.
    Refused(BlockRefusal),
}

/// What the collector asks of the cluster.
pub trait Cluster {
    /// A linearizable read.
    fn query(
        &self,
        shard: ShardId,
        query: ShardQuery,
    ) -> impl Future<Output = Result<ShardReply, ClientError>>;

    /// A change.
    fn change(
        &self,
        shard: ShardId,
        change: ShardChange,
    ) -> impl Future<Output = Result<ShardReply, ClientError>>;

    /// Erases a block.
    fn erase(&self, block: &GarbageBlock, certificate: MacTag) -> impl Future<Output = Erasure>;
}

/// The cluster over the network.
pub(crate) struct Remote(Client);

impl Remote {
    pub fn new(client: &Client) -> Self {
        Self(client.with_timeout(TIMEOUT))
    }

    /// Whether it makes sense to ask. One that is out of service by hand may still be reached, and one that is taken
    /// out for good is to be empty in the end.
    fn may_answer(&self, service: BlockServiceId) -> bool {
        let map = self.0.map();
        map.service(service).is_some_and(|info| match info.state {
            ServiceState::Active | ServiceState::NoRead | ServiceState::NoWrite => true,
            ServiceState::Stale => false,
            ServiceState::Decommissioned => map.time.ms_since(info.last_seen) < HEARD_OF_MS,
        })
    }
}

impl Cluster for Remote {
    async fn query(&self, shard: ShardId, query: ShardQuery) -> Result<ShardReply, ClientError> {
        self.0.shard_query(shard, query).await
    }

    async fn change(&self, shard: ShardId, change: ShardChange) -> Result<ShardReply, ClientError> {
        self.0.shard_change(shard, change).await
    }

    async fn erase(&self, block: &GarbageBlock, certificate: MacTag) -> Erasure {
        let service = block.facts.service;
        if !self.may_answer(service) {
            return Erasure::ServiceDown;
        }
        let request = BlockRequest::Erase {
            facts: block.facts,
            write_expiry: block.write_expiry,
            certificate,
        };
        match self.0.block_request(service, request, Bytes::new()).await {
            Ok((BlockReply::Erased { proof }, _)) => Erasure::Erased(proof),
            Err(ClientError::Block { refusal, .. }) => refused(refusal),
            Ok(_) | Err(_) => Erasure::ServiceDown,
        }
    }
}

/// Which refusals are about the service and not about the block.
fn refused(refusal: BlockRefusal) -> Erasure {
    match refusal {
        BlockRefusal::WrongService | BlockRefusal::DiskFailed(_) | BlockRefusal::Overloaded => {
            Erasure::ServiceDown
        }
        BlockRefusal::NotFound
        | BlockRefusal::BadCertificate
        | BlockRefusal::Expired
        | BlockRefusal::BadPayload
        | BlockRefusal::WasErased
        | BlockRefusal::BadRange
        | BlockRefusal::NoSpace
        | BlockRefusal::Damaged
        | BlockRefusal::Forbidden
        | BlockRefusal::Malformed
        | BlockRefusal::Unreadable => Erasure::Refused(refusal),
    }
}
