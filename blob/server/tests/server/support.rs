//! Disks served over a real connection.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use eggs_blob_server::{BlockMetrics, BlockService, ServedDisks, ServiceLimits};
use eggs_block_store::{Disk, DiskOptions};
use eggs_obs::Metrics;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::hello::Secret;
use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, Checksum, FailureDomainId, MessageKind, ServiceKey,
    Statement, StorageClass, Time, decode, encode,
};
use eggs_rpc::{Client, ClientLimits, Credentials, Server, ServerLimits};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const LONG: Duration = Duration::from_secs(30);
pub const BLOCK: BlockId = BlockId(0x0102);

pub struct Fixture {
    _dirs: Vec<tempfile::TempDir>,
    pub services: Vec<(BlockServiceId, ServiceKey)>,
    pub disks: ServedDisks,
    pub metrics: Metrics,
    pub address: SocketAddr,
    pub server: Client,
    pub client: Client,
    pub stop: CancellationToken,
    running: JoinHandle<()>,
}

fn secret() -> Secret {
    Secret::new([42; 32])
}

pub fn fixture() -> Fixture {
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let options = DiskOptions::new(StorageClass::Hdd, FailureDomainId(0));
    let disks: Vec<_> = dirs
        .iter()
        .map(|dir| Disk::create(dir.path(), &options).unwrap())
        .collect();
    let services = disks
        .iter()
        .map(|disk| (disk.service(), disk.label().key.clone()))
        .collect();
    let disks = ServedDisks::new(disks).unwrap();
    let metrics = Metrics::new("test");
    let table = BlockMetrics::register(&metrics);
    let service = BlockService::new(disks.clone(), table, ServiceLimits::default());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let credentials = Credentials::server(secret());
    let limits = ServerLimits {
        payload_bytes_in_flight: ServiceLimits::default().request_bytes_max, // as in the program
        ..ServerLimits::default()
    };
    let server = Server::bind(listen, credentials.clone(), limits, Arc::new(service)).unwrap();
    let (address, stop) = (server.local_addr(), CancellationToken::new());
    let client = Credentials::client(secret().derive_client());
    Fixture {
        _dirs: dirs,
        services,
        disks,
        metrics,
        address,
        server: Client::new(credentials, "server", ClientLimits::default()),
        client: Client::new(client, "client", ClientLimits::default()),
        running: tokio::spawn(server.run(stop.clone())),
        stop,
    }
}

pub fn now() -> Time {
    Time(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64,
    )
}

impl Fixture {
    pub async fn ask_as(
        &self,
        client: &Client,
        request: BlockRequest,
        payload: impl Into<Bytes>,
    ) -> Result<(BlockReply, Bytes), BlockRefusal> {
        let body = encode(&request).into();
        let call = client.call(self.address, MessageKind::Block, LONG, body, payload.into());
        let reply = call.await.unwrap();
        let result: BlockResult = decode(&reply.body).unwrap();
        result.map(|answer| (answer, reply.payload))
    }

    pub async fn ask(
        &self,
        request: BlockRequest,
        payload: impl Into<Bytes>,
    ) -> Result<(BlockReply, Bytes), BlockRefusal> {
        self.ask_as(&self.client, request, payload).await
    }

    pub fn facts(&self, disk: usize, bytes: &[u8]) -> BlockFacts {
        BlockFacts {
            service: self.services[disk].0,
            block: BLOCK,
            size: bytes.len() as u64,
            checksum: Checksum::of_block(bytes),
        }
    }

    pub fn write(&self, disk: usize, bytes: &[u8]) -> BlockRequest {
        let (facts, expiry) = (self.facts(disk, bytes), now().plus_ms(60_000));
        BlockRequest::Write {
            certificate: self.services[disk]
                .1
                .sign(Statement::MayWrite(expiry), &facts),
            facts,
            expiry,
        }
    }

    pub fn erase(&self, disk: usize, bytes: &[u8]) -> BlockRequest {
        let (facts, write_expiry) = (self.facts(disk, bytes), now().plus_ms(60_000));
        BlockRequest::Erase {
            certificate: self.services[disk]
                .1
                .sign(Statement::MayErase(write_expiry), &facts),
            facts,
            write_expiry,
        }
    }

    pub fn read(&self, disk: usize, page: u32, pages: u32) -> BlockRequest {
        BlockRequest::Read {
            service: self.services[disk].0,
            block: BLOCK,
            page,
            pages,
        }
    }

    /// Where a disk is.
    pub fn path(&self, disk: usize) -> &Path {
        self._dirs[disk].path()
    }

    pub async fn finish(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.running)
            .await
            .unwrap()
            .unwrap();
    }
}
