//! How much memory the program takes when far more is asked of it than it can do at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use eggs_block_store::{Disk, DiskOptions};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, Checksum, FailureDomainId, MessageKind, ServiceKey,
    Statement, StorageClass, Time, decode, encode,
};
use eggs_rpc::{Client, ClientLimits, Credentials};
use tokio::task::JoinSet;

use crate::program::{self, command, secret, secret_file, start_at};

const LONG: Duration = Duration::from_secs(60);
/// What the whole process may take.
const RESIDENT_BYTES_MAX: u64 = 256_000_000;
const BLOCK_BYTES: usize = 2 << 20;
/// Requests of each kind in flight, of several clients.
const AT_ONCE: u64 = 300;

struct Asking {
    client: Client,
    address: SocketAddr,
    service: BlockServiceId,
    key: ServiceKey,
    block: Bytes,
}

impl Asking {
    async fn ask(&self, request: BlockRequest, payload: Bytes) -> Result<BlockReply, BlockRefusal> {
        let body = Bytes::from(encode(&request));
        let call = self
            .client
            .call(self.address, MessageKind::Block, LONG, body, payload);
        decode::<BlockResult>(&call.await.unwrap().body).unwrap()
    }

    async fn write(&self, number: u64) -> Result<BlockReply, BlockRefusal> {
        let facts = BlockFacts {
            service: self.service,
            block: BlockId(number << 8),
            size: self.block.len() as u64,
            checksum: Checksum::of_block(&self.block),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expiry = Time(since.as_millis() as u64).plus_ms(60_000);
        let certificate = self.key.sign(Statement::MayWrite(expiry), &facts);
        let request = BlockRequest::Write {
            facts,
            expiry,
            certificate,
        };
        self.ask(request, self.block.clone()).await
    }

    async fn read(&self, number: u64) -> Result<BlockReply, BlockRefusal> {
        let request = BlockRequest::Read {
            service: self.service,
            block: BlockId(number << 8),
            page: 0,
            pages: (self.block.len() / 4096) as u32,
        };
        self.ask(request, Bytes::new()).await
    }
}

fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_under_load_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let options = DiskOptions::new(StorageClass::Hdd, FailureDomainId(0));
    let label = Disk::create(&path, &options).unwrap().label().clone();
    let port = program::free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let running = start_at(
        command(dir.path(), &secret_file(dir.path()), &["hdd:a"]),
        port,
    );
    let asking = |_| {
        Arc::new(Asking {
            client: Client::new(
                Credentials::client(secret().derive_client()),
                "test",
                ClientLimits::default(),
            ),
            address,
            service: label.service,
            key: label.key.clone(),
            block: vec![7; BLOCK_BYTES].into(),
        })
    };
    let clients: Vec<_> = (0..4).map(asking).collect();
    clients[0].write(1).await.unwrap();
    let mut all = JoinSet::new();
    for number in 0..AT_ONCE {
        let (reader, writer) = (
            clients[number as usize % 2].clone(),
            clients[2 + number as usize % 2].clone(),
        );
        all.spawn(async move { reader.read(1).await });
        all.spawn(async move { writer.write(2 + number).await });
    }
    let mut done = 0;
    while let Some(answer) = all.join_next().await {
        match answer.unwrap() {
            Ok(_) => done += 1,
            // Who asks for this much at once has to come again.
            Err(refusal) => assert_eq!(refusal, BlockRefusal::Overloaded),
        }
    }
    assert!(
        done >= AT_ONCE / 3,
        "only {done} of {} were done",
        2 * AT_ONCE
    );
    let peak = peak_bytes(running.id());
    println!(
        "largest size {} MB, {done} of {} done",
        peak / 1_000_000,
        2 * AT_ONCE
    );
    assert!(peak <= RESIDENT_BYTES_MAX, "{} MB", peak / 1_000_000);
}
