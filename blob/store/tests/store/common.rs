//! A disk in a temporary directory, and certificates for it.

use std::path::{Path, PathBuf};

use eggs_block_store::{Disk, DiskOptions, EraseOrder, StoreError, WriteOrder};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{
    BlockFacts, BlockId, Checksum, FailureDomainId, PAGE_BYTES, Statement, StorageClass, Time,
};
use eggs_volume::Volume;

pub const NOW: Time = Time(1_000_000_000);
pub const OPTIONS: DiskOptions = DiskOptions::new(StorageClass::Flash, FailureDomainId(3));

/// Half of the blocks that tests write are as large as this.
pub const DIRECT: DiskOptions = DiskOptions {
    direct_bytes_min: 5 * PAGE_BYTES as u64,
    ..OPTIONS
};

/// A file system of its own; `None` where we may not mount.
pub fn volume(home: &Path) -> Option<Volume> {
    Volume::new(home.join("image"), home.join("mounted"), 64 << 20).unwrap()
}

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub disk: Disk,
}

pub fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::create(dir.path(), &OPTIONS).unwrap();
    Fixture { dir, disk }
}

/// Pages that differ from each other and from those of other seeds.
pub fn content(pages: usize, seed: u8) -> Vec<u8> {
    (0..pages * PAGE_BYTES)
        .map(|at| (at / PAGE_BYTES) as u8 ^ (at % 251) as u8 ^ seed)
        .collect()
}

/// The same bytes in memory that begins on a page, as they come from the network.
pub struct Aligned {
    memory: Vec<u8>,
    from: usize,
}

impl Aligned {
    pub fn copy(bytes: &[u8]) -> Self {
        let mut memory: Vec<u8> = Vec::with_capacity(bytes.len() + PAGE_BYTES);
        let from = memory.as_ptr().align_offset(PAGE_BYTES);
        memory.resize(from, 0);
        memory.extend_from_slice(bytes);
        Self { memory, from }
    }
}

impl std::ops::Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.from..]
    }
}

pub fn facts(disk: &Disk, block: BlockId, bytes: &[u8]) -> BlockFacts {
    BlockFacts {
        service: disk.service(),
        block,
        size: bytes.len() as u64,
        checksum: Checksum::of_block(bytes),
    }
}

pub fn may_write(disk: &Disk, block: BlockId, bytes: &[u8]) -> WriteOrder {
    let facts = facts(disk, block, bytes);
    let expiry = NOW.plus_ms(60_000);
    let certificate = disk.label().key.sign(Statement::MayWrite(expiry), &facts);
    WriteOrder {
        facts,
        expiry,
        certificate,
    }
}

pub fn may_erase(disk: &Disk, write: &WriteOrder) -> EraseOrder {
    let statement = Statement::MayErase(write.expiry);
    EraseOrder {
        facts: write.facts,
        write_expiry: write.expiry,
        certificate: disk.label().key.sign(statement, &write.facts),
    }
}

pub fn write(disk: &Disk, block: BlockId, bytes: &[u8]) -> WriteOrder {
    let order = may_write(disk, block, bytes);
    let proof = disk.write(&order, bytes, NOW).unwrap();
    assert!(
        disk.label()
            .key
            .verify(Statement::Written, &order.facts, &proof)
    );
    order
}

pub fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> BlockRefusal {
    match result.unwrap_err() {
        StoreError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

impl Fixture {
    /// Closes the disk and opens it again, as after a crash of the process.
    pub fn reopen(self) -> Self {
        drop(self.disk);
        let disk = Disk::open(self.dir.path(), &OPTIONS).unwrap();
        Self {
            dir: self.dir,
            disk,
        }
    }

    pub fn files_below(&self, name: &str) -> Vec<PathBuf> {
        files_below(&self.dir.path().join(name))
    }

    /// The file of the only block.
    pub fn only_block_file(&self) -> PathBuf {
        let files = self.files_below("blocks");
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}
