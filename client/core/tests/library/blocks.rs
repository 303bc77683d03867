//! The disks, and what is done to them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eggs_block_store::{Disk, DiskOptions, WriteOrder};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult, DamagedBlock};
use eggs_proto::{
    BlockId, BlockServiceId, BlockServiceInfo, FailureDomainId, NodeId, ServiceState, StorageClass,
    Time,
};

use crate::shards::now;

pub struct Blocks {
    pub disks: HashMap<BlockServiceId, (Arc<Disk>, PathBuf)>,
    /// Requests to these wait that long first.
    pub delays: Mutex<HashMap<BlockServiceId, Duration>>,
    /// These refuse to read for want of room.
    pub overloaded: Mutex<HashSet<BlockServiceId>>,
    /// Pages of each read that came, answered or not.
    pub reads: Mutex<HashMap<BlockServiceId, Vec<u32>>>,
    /// Writes that came to each, done or not.
    pub writes: Mutex<HashMap<BlockServiceId, usize>>,
    /// Reports of damage that came.
    pub reports: Mutex<Vec<DamagedBlock>>,
    /// Reports are refused.
    pub deaf: AtomicBool,
}

impl Blocks {
    /// Makes an HDD and a flash disk.
    pub fn add(
        &mut self,
        dir: &Path,
        node: NodeId,
        domain: FailureDomainId,
    ) -> Vec<BlockServiceInfo> {
        let classes = [StorageClass::Hdd, StorageClass::Flash];
        let mut infos = Vec::new();
        for class in classes {
            let path = dir.join(format!("{domain}-{class}"));
            let disk = Disk::create(&path, &DiskOptions::new(class, domain)).unwrap();
            let service = disk.label().service;
            self.disks.insert(service, (Arc::new(disk), path));
            infos.push(BlockServiceInfo {
                service,
                node,
                domain,
                class,
                state: ServiceState::Active,
                capacity_bytes: 2 << 40,
                available_bytes: 1 << 40,
                used_bytes: 0,
                blocks: 0,
                last_seen: Time(0),
            });
        }
        infos
    }

    pub async fn answer(&self, request: BlockRequest, payload: Bytes) -> (BlockResult, Bytes) {
        let service = match &request {
            BlockRequest::Write { facts, .. } => facts.service,
            BlockRequest::Read { service, .. } | BlockRequest::Report { service, .. } => *service,
            other => panic!("{other:?}"),
        };
        if let BlockRequest::Read { pages, .. } = &request {
            let mut reads = self.reads.lock().unwrap();
            reads.entry(service).or_default().push(*pages);
        }
        if let BlockRequest::Read { .. } = &request
            && self.overloaded.lock().unwrap().contains(&service)
        {
            return (Err(BlockRefusal::Overloaded), Bytes::new());
        }
        if let BlockRequest::Write { .. } = &request {
            let mut writes = self.writes.lock().unwrap();
            *writes.entry(service).or_default() += 1;
        }
        if let BlockRequest::Report {
            service,
            block,
            file,
            offset,
        } = request
        {
            let told = DamagedBlock {
                service,
                block,
                file,
                offset,
            };
            self.reports.lock().unwrap().push(told);
            return match self.deaf.load(Ordering::Relaxed) {
                true => (Err(BlockRefusal::Overloaded), Bytes::new()),
                false => (Ok(BlockReply::Noted), Bytes::new()),
            };
        }
        let delay = self.delays.lock().unwrap().get(&service).copied();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let disk = self.disks[&service].0.clone();
        let work = tokio::task::spawn_blocking(move || run(&disk, request, &payload));
        match work.await.unwrap() {
            Ok((reply, pages)) => (Ok(reply), pages),
            Err(refusal) => (Err(refusal), Bytes::new()),
        }
    }

    /// Blocks on all disks.
    pub fn count(&self) -> u64 {
        let usage = |(disk, _): &(Arc<Disk>, PathBuf)| disk.usage().unwrap().blocks;
        self.disks.values().map(usage).sum()
    }

    /// Where a block is kept.
    pub fn file(&self, service: BlockServiceId, block: BlockId) -> PathBuf {
        let mut open = vec![self.disks[&service].1.clone()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let named = path
                    .file_name()
                    .is_some_and(|name| name == &*block.to_string());
                if named {
                    return path;
                }
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        panic!("block {block} is not on {service}");
    }
}

fn run(
    disk: &Disk,
    request: BlockRequest,
    payload: &[u8],
) -> Result<(BlockReply, Bytes), BlockRefusal> {
    match request {
        BlockRequest::Write {
            facts,
            expiry,
            certificate,
        } => {
            let order = WriteOrder {
                facts,
                expiry,
                certificate,
            };
            let proof = disk.write(&order, payload, now())?;
            Ok((BlockReply::Written { proof }, Bytes::new()))
        }
        BlockRequest::Read {
            block, page, pages, ..
        } => {
            let read = disk.read(block, page, pages)?;
            let checksums = read.checksums;
            Ok((BlockReply::Pages { checksums }, read.bytes))
        }
        other => panic!("{other:?}"),
    }
}
