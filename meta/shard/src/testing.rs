//! A shard on a table: commands go through [`apply_entry`] as in production, and after each the whole state is checked.

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::audit::{FindingCode, ShardRepair};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    AddExtent, DirectoryCursor, NewExtent, PlacedBlock, Replace, ShardChange, ShardQuery,
    ShardReply, Snapshot,
};
use eggs_proto::{
    AttributeChange, BlockServiceId, BlockServiceInfo, Checksum, ClusterMap, Cookie, ExtentLayout,
    FailureDomainId, InodeId, InodeKind, MacTag, Name, NewAttributes, NodeId, ProcessRole, Refusal,
    RequestId, Scheme, ServiceKey, ServiceState, ShardId, Statement, StorageClass, Time,
    TransactionId, decode, encode,
};

use crate::invariants::check;
use crate::{PrepareContext, QueryContext, ShardCommand, ShardMachine, finish, prepare, query};

pub(crate) const ROOT: InodeId = InodeId::ROOT;
pub(crate) const T1: TransactionId = TransactionId(1);
pub(crate) const T2: TransactionId = TransactionId(2);
pub(crate) const NEW: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 10,
    gid: 20,
    mtime: None,
    atime: None,
};

pub(crate) type Answer = Result<ShardReply, Refusal>;

#[derive(Clone)]
pub(crate) struct Bench {
    machine: ShardMachine,
    pub(crate) store: MemoryStore,
    /// The leader's clock.
    pub(crate) now: Time,
    pub(crate) map: ClusterMap,
    sequence: u64,
    dangling_directories: bool,
    broken: bool,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a good name")
}

pub(crate) fn key_of(service: BlockServiceId) -> Option<ServiceKey> {
    (service.0 < 1000).then(|| ServiceKey::new([service.0 as u8; 32]))
}

pub(crate) fn directory_id(shard: ShardId, counter: u64) -> InodeId {
    InodeId::new(InodeKind::Directory, shard, counter)
}

/// A map of `domains` failure domains with one HDD and one flash service each.
pub(crate) fn map_of(domains: u32) -> ClusterMap {
    let mut services = Vec::new();
    for domain in 0..domains {
        for (class, offset) in [(StorageClass::Hdd, 1), (StorageClass::Flash, 101)] {
            services.push(BlockServiceInfo {
                service: BlockServiceId(u64::from(domain) + offset),
                node: NodeId::new(ProcessRole::Blocks, domain),
                domain: FailureDomainId(domain),
                class,
                state: ServiceState::Active,
                capacity_bytes: 2 << 40,
                available_bytes: 1 << 40,
                used_bytes: 1 << 40,
                blocks: 1000,
                last_seen: Time(0),
            });
        }
    }
    services.sort_by_key(|info| info.service);
    ClusterMap {
        services,
        ..ClusterMap::default()
    }
}

impl Bench {
    /// Shard 0, with root and 16 failure domains.
    pub(crate) fn new() -> Self {
        Self::of_shard(ShardId(0))
    }

    pub(crate) fn of_shard(shard: ShardId) -> Self {
        Self {
            machine: ShardMachine { shard },
            store: MemoryStore::default(),
            now: Time(1_000_000),
            map: map_of(16),
            sequence: 0,
            dangling_directories: false,
            broken: false,
        }
    }

    /// A coordinator that does not keep to its own rules can remove a directory that has a name; no
    /// shard could know.
    pub(crate) fn allow_dangling_directories(&mut self) {
        self.dangling_directories = true;
    }

    /// Lets invariants be broken meanwhile.
    pub(crate) fn while_broken<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.broken, true);
        let result = act(self);
        self.broken = before;
        result
    }

    /// Does not look at the invariants from now on.
    pub(crate) fn stay_broken(&mut self) {
        self.broken = true;
    }

    fn entropy(&self) -> [u8; 32] {
        let mut entropy = [0x5a; 32];
        entropy[..8].copy_from_slice(&self.sequence.to_le_bytes());
        entropy
    }

    pub(crate) fn prepare(
        &self,
        origin: PeerRole,
        change: ShardChange,
    ) -> Result<ShardCommand, Refusal> {
        let context = PrepareContext {
            map: &self.map,
            keys: &key_of,
            most_free: eggs_proto::MostFree::of(&self.map),
            shares: &crate::placement::share::Shares::ALL_FULL,
            entropy: self.entropy(),
            origin,
            now: self.now,
        };
        prepare(self.machine.shard, &self.store, &context, change).expect("no fault")
    }

    /// Applies a command under a request id.
    pub(crate) fn apply(&mut self, command: &ShardCommand, sequence: u64) -> Answer {
        let header = CommandHeader {
            now: self.now,
            request: Some(RequestId {
                client: 7,
                sequence,
            }),
        };
        let body = encode(command);
        let entry = Entry {
            commands: vec![Command { header, body }],
        };
        let applied = apply_entry(&self.machine, &self.store, &entry).expect("no fault");
        self.store.commit(&applied.changes);
        let mut violations = check(self.machine.shard, &self.store).expect("no fault");
        if self.dangling_directories {
            violations.retain(|found| found.code != FindingCode::NameWithoutInode);
        }
        if !self.broken {
            assert_eq!(violations, [], "after {command:?}");
        }
        let mut answer: Answer = decode(&applied.replies[0]).expect("a reply");
        if let Ok(reply) = &mut answer {
            finish(reply, &key_of);
        }
        answer
    }

    /// Prepares and applies a change as the leader does, a millisecond later.
    pub(crate) fn change_as(&mut self, origin: PeerRole, change: ShardChange) -> Answer {
        self.now = self.now.plus_ms(1);
        self.sequence += 1;
        let command = self.prepare(origin, change)?;
        self.apply(&command, self.sequence)
    }

    pub(crate) fn change(&mut self, change: ShardChange) -> Answer {
        self.change_as(PeerRole::Client, change)
    }

    /// As the CDC or the collector.
    pub(crate) fn serve(&mut self, change: ShardChange) -> Answer {
        self.change_as(PeerRole::Server, change)
    }

    /// Repairs something, in as many requests as it takes.
    pub(crate) fn repair(&mut self, repair: &ShardRepair) {
        let mut reply = self.serve(ShardChange::Repair(repair.clone()));
        while reply == Ok(ShardReply::Progress { finished: false }) {
            let next = repair.next().expect("a count goes on");
            reply = self.serve(ShardChange::Repair(next));
        }
        assert!(reply.is_ok(), "{reply:?}");
    }

    pub(crate) fn query_as(&self, origin: PeerRole, asked: &ShardQuery) -> Answer {
        let context = QueryContext {
            keys: &key_of,
            origin,
            now: self.now,
        };
        query(self.machine.shard, &self.store, &context, asked).expect("no fault")
    }

    pub(crate) fn query(&self, asked: &ShardQuery) -> Answer {
        self.query_as(PeerRole::Client, asked)
    }

    /// Lets time pass.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }
}

/// Shorthands for what most tests need first.
impl Bench {
    pub(crate) fn lookup(&self, dir: InodeId, text: &str) -> Result<InodeId, Refusal> {
        let name = name(text);
        match self.query(&ShardQuery::Lookup { dir, name })? {
            ShardReply::Dentry(dentry) => Ok(dentry.inode),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn names(&self, dir: InodeId) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let query = ShardQuery::List {
                dir,
                after,
                limit: 3,
            };
            let ShardReply::Listing { entries, more } = self.query(&query)? else {
                panic!("not a listing");
            };
            names.extend(entries.iter().map(|entry| entry.name.to_string()));
            if !more {
                names.sort();
                return Ok(names);
            }
            after = entries.last().map(|entry| DirectoryCursor {
                hash: entry.hash,
                name: Some(entry.name.clone()),
            });
        }
    }

    pub(crate) fn snapshots(&self, dir: InodeId) -> Vec<Snapshot> {
        let query = ShardQuery::Snapshots {
            dir,
            after: None,
            limit: 1000,
        };
        match self.query(&query) {
            Ok(ShardReply::Snapshots { snapshots, .. }) => snapshots,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn stat(&self, inode: InodeId) -> Result<eggs_proto::Attributes, Refusal> {
        match self.query(&ShardQuery::Stat { inode })? {
            ShardReply::Attributes(attributes) => Ok(attributes),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn usage(&self) -> eggs_proto::shard::Usage {
        match self.query(&ShardQuery::Usage) {
            Ok(ShardReply::Usage(usage)) => usage,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn garbage(&self) -> Vec<eggs_proto::shard::GarbageBlock> {
        let query = ShardQuery::VisitGarbage {
            after: None,
            limit: 1000,
        };
        match self.query_as(PeerRole::Server, &query) {
            Ok(ShardReply::Garbage { blocks, .. }) => blocks,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn extents(&self, file: InodeId) -> Vec<eggs_proto::Extent> {
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 1000,
            cookie: None,
        };
        match self.query_as(PeerRole::Server, &query) {
            Ok(ShardReply::Extents { extents, .. }) => extents,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn create_file_as(
        &mut self,
        dir: InodeId,
        text: &str,
        replace: Replace,
    ) -> Result<InodeId, Refusal> {
        let change = ShardChange::CreateFile {
            dir,
            name: name(text),
            replace,
            attributes: NEW,
            content: b"content".to_vec(),
        };
        match self.change(change)? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    /// A linked file of 7 bytes in root.
    pub(crate) fn create_file(&mut self, text: &str) -> InodeId {
        self.create_file_as(ROOT, text, Replace::Never)
            .expect("the name is free")
    }

    /// A directory of this shard, in root.
    pub(crate) fn create_directory(&mut self, text: &str, counter: u64) -> InodeId {
        let dir = directory_id(self.machine.shard, counter);
        let create = ShardChange::CreateDirectory {
            dir,
            parent: ROOT,
            attributes: NEW,
            transaction: TransactionId(counter),
        };
        let link = ShardChange::LinkDirectory {
            parent: ROOT,
            name: name(text),
            dir,
            transaction: TransactionId(counter),
        };
        assert_eq!(self.serve(create), Ok(ShardReply::Done));
        assert!(matches!(self.serve(link), Ok(ShardReply::Linked { .. })));
        dir
    }

    pub(crate) fn create_transient(&mut self) -> (InodeId, Cookie) {
        let change = ShardChange::CreateTransient {
            dir: ROOT,
            attributes: NEW,
            note: "note".into(),
        };
        match self.change(change) {
            Ok(ShardReply::Transient { file, cookie }) => (file, cookie),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn link(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        text: &str,
    ) -> Result<InodeId, Refusal> {
        let change = ShardChange::Link {
            file,
            cookie,
            dir: ROOT,
            name: name(text),
            replace: Replace::Files,
            attributes: AttributeChange::default(),
        };
        match self.change(change)? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    /// Adds three bytes.
    pub(crate) fn add_inline(&mut self, (file, cookie): (InodeId, Cookie), offset: u64) -> Answer {
        self.change(ShardChange::AddInline {
            file,
            cookie,
            offset,
            content: b"abc".to_vec(),
        })
    }

    /// Adds an extent of 100,000 bytes as 4+2.
    pub(crate) fn add_extent(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        offset: u64,
    ) -> Result<Vec<PlacedBlock>, Refusal> {
        match self.change(ShardChange::AddExtent(extent_request(
            (file, cookie),
            offset,
        )))? {
            ShardReply::Placed(blocks) => Ok(blocks),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn certify(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        offset: u64,
        proofs: Vec<Option<MacTag>>,
    ) -> Answer {
        self.change(ShardChange::CertifyExtent {
            file,
            cookie,
            offset,
            proofs,
        })
    }

    /// A linked file with one extent of six blocks.
    pub(crate) fn create_big_file(&mut self, text: &str) -> InodeId {
        let file = self.create_transient();
        let placed = self.add_extent(file, 0).expect("there is space");
        assert_eq!(
            self.certify(file, 0, proofs(&placed, 6)),
            Ok(ShardReply::Done)
        );
        self.link(file, text).expect("all is certified")
    }

    /// Destroys a transient file, whatever it takes.
    pub(crate) fn destroy(&mut self, file: InodeId) -> Result<usize, Refusal> {
        for round in 1.. {
            match self.serve(ShardChange::DestroyTransient { file })? {
                ShardReply::Progress { finished: true } => return Ok(round),
                ShardReply::Progress { finished: false } => {}
                other => panic!("{other:?}"),
            }
        }
        unreachable!("the loop has no end")
    }
}

pub(crate) const EXTENT_SIZE: u64 = 100_000;

pub(crate) fn extent_request((file, cookie): (InodeId, Cookie), offset: u64) -> AddExtent {
    let scheme = Scheme { data: 4, parity: 2 };
    AddExtent {
        file,
        cookie,
        offset,
        size: EXTENT_SIZE,
        class: StorageClass::Hdd,
        layout: ExtentLayout::for_size(EXTENT_SIZE, scheme, 1 << 20),
        checksums: (0..6).map(Checksum).collect(),
        exclude: Vec::new(),
        certify: None,
    }
}

/// The first extent of a file, 100,000 bytes as 4+2.
pub(crate) fn new_extent() -> NewExtent {
    let AddExtent {
        size,
        class,
        layout,
        checksums,
        exclude,
        ..
    } = extent_request((ROOT, Cookie(0)), 0);
    NewExtent {
        size,
        class,
        layout,
        checksums,
        exclude,
    }
}

/// The proof that a placed block was written.
pub(crate) fn proof(block: &PlacedBlock) -> MacTag {
    let key = key_of(block.facts.service).expect("a known service");
    let may_write = Statement::MayWrite(block.expiry);
    assert!(key.verify(may_write, &block.facts, &block.certificate));
    key.sign(Statement::Written, &block.facts)
}

/// Proofs of the first `count` of six placed blocks, by their indexes.
pub(crate) fn proofs(placed: &[PlacedBlock], count: usize) -> Vec<Option<MacTag>> {
    let mut proofs = vec![None; 6];
    for block in placed.iter().take(count) {
        proofs[usize::from(block.index)] = Some(proof(block));
    }
    proofs
}
