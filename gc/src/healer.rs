//! What healing and scrubbing ask of the cluster. Tests answer from machines in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_client::{Client, ClientError, Healed};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, DamagedBlock};
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{BlockServiceId, ClusterMap, Extent, ExtentBlock, InodeId, ShardId};

/// How long any request may take: whole blocks are read and written.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a block is on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// As it was written.
    Whole,
    /// Not there, rotten, unreadable, or another one.
    Damaged,
    /// Nobody could tell.
    Unknown,
}

/// What healing and scrubbing ask of the cluster.
pub(crate) trait Healer {
    /// A linearizable read.
    fn query(
        &self,
        shard: ShardId,
        query: ShardQuery,
    ) -> impl Future<Output = Result<ShardReply, ClientError>>;

    /// Which disks there are.
    fn map(&self) -> Arc<ClusterMap>;

    /// Makes blocks of an extent again; see [`Client::heal_extent`].
    fn heal(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> impl Future<Output = Result<Healed, ClientError>>;

    /// Has a stored block read and verified where it is.
    fn check(&self, block: &ExtentBlock, bytes: u64) -> impl Future<Output = Condition>;

    /// Blocks that readers reported and that are damaged, of all services of the process of this one.
    fn damaged(
        &self,
        service: BlockServiceId,
    ) -> impl Future<Output = Result<Vec<DamagedBlock>, ClientError>>;
}

/// The cluster over the network.
pub(crate) struct RemoteHealer(Client);

impl RemoteHealer {
    pub fn new(client: &Client) -> Self {
        Self(client.with_timeout(TIMEOUT))
    }
}

impl Healer for RemoteHealer {
    async fn query(&self, shard: ShardId, query: ShardQuery) -> Result<ShardReply, ClientError> {
        self.0.shard_query(shard, query).await
    }

    fn map(&self) -> Arc<ClusterMap> {
        self.0.map()
    }

    async fn heal(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> Result<Healed, ClientError> {
        self.0.heal_extent(file, extent, indexes).await
    }

    async fn check(&self, block: &ExtentBlock, bytes: u64) -> Condition {
        let service = block.service;
        let request = BlockRequest::Check {
            service,
            block: block.block,
        };
        match self.0.block_request(service, request, Bytes::new()).await {
            Ok((BlockReply::Checked { checksum, size }, _))
                if checksum == block.checksum && size == bytes =>
            {
                Condition::Whole
            }
            Ok((BlockReply::Checked { .. }, _)) => Condition::Damaged,
            Err(ClientError::Block { refusal, .. }) => match refusal {
                BlockRefusal::NotFound
                | BlockRefusal::Damaged
                | BlockRefusal::WasErased
                | BlockRefusal::Unreadable => Condition::Damaged,
                BlockRefusal::WrongService
                | BlockRefusal::BadCertificate
                | BlockRefusal::Expired
                | BlockRefusal::BadPayload
                | BlockRefusal::BadRange
                | BlockRefusal::NoSpace
                | BlockRefusal::DiskFailed(_)
                | BlockRefusal::Overloaded
                | BlockRefusal::Forbidden
                | BlockRefusal::Malformed => Condition::Unknown,
            },
            Ok(_) | Err(_) => Condition::Unknown,
        }
    }

    async fn damaged(&self, service: BlockServiceId) -> Result<Vec<DamagedBlock>, ClientError> {
        let request = BlockRequest::Damaged { service };
        match self.0.block_request(service, request, Bytes::new()).await? {
            (BlockReply::Damaged { blocks }, _) => Ok(blocks),
            _ => Err(ClientError::Protocol {
                what: format!("block service {service}"),
            }),
        }
    }
}

/// A page of files, and whether there are more.
pub(crate) async fn files(
    healer: &impl Healer,
    shard: ShardId,
    query: ShardQuery,
) -> Result<(Vec<InodeId>, bool), ClientError> {
    match healer.query(shard, query).await? {
        ShardReply::Inodes { inodes, more } => Ok((inodes, more)),
        _ => Err(crate::pass::nonsense(shard)),
    }
}

/// A page of the extents of a file from an offset on, and whether there are more; none for a file that is gone, or
/// is no file.
pub(crate) async fn extents(
    healer: &impl Healer,
    file: InodeId,
    offset: u64,
) -> Result<(Vec<Extent>, bool), ClientError> {
    let query = ShardQuery::Extents {
        file,
        offset,
        limit: EXTENTS_PER_QUERY,
        cookie: None,
    };
    match healer.query(file.shard(), query).await {
        Ok(ShardReply::Extents { extents, more }) => Ok((extents, more)),
        Ok(_) => Err(crate::pass::nonsense(file.shard())),
        Err(ClientError::Refused(_)) => Ok((Vec::new(), false)),
        Err(error) => Err(error),
    }
}

const EXTENTS_PER_QUERY: u32 = 64;
