//! A cluster in memory: 256 shard machines driven as in production, and block services that only sign.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use eggs_client::{ClientError, Healed};
use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::block::{BlockRefusal, DamagedBlock};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    AddExtent, DirectoryOutcome, GarbageBlock, HealTarget, LockPurpose, PlacedBlock, ReleaseAction,
    Replace, ShardChange, ShardQuery, ShardReply, Snapshot, Usage,
};
use eggs_proto::{
    AttributeChange, BlockServiceId, BlockServiceInfo, Checksum, ClusterMap, Cookie, Extent,
    ExtentBlock, ExtentLayout, FailureDomainId, InodeId, InodeKind, MacTag, Name, NewAttributes,
    NodeId, Policy, ProcessRole, Refusal, RequestId, Scheme, ServiceKey, ServiceState, ShardId,
    SnapshotPolicy, Statement, StorageClass, Time, TransactionId, decode, encode,
};
use eggs_shard::{PrepareContext, QueryContext, ShardMachine, finish, prepare, query};

use crate::cluster::{Cluster, Erasure};
use crate::healer::{Condition, Healer};

pub const ROOT: InodeId = InodeId::ROOT;
const SERVICES: u64 = 8;
const NEW: NewAttributes = NewAttributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};

pub struct TestCluster {
    stores: RefCell<Vec<MemoryStore>>,
    now: Cell<Time>,
    /// How far the clock of whoever answers reads is ahead, in milliseconds.
    pub ahead_ms: Cell<u64>,
    sequence: Cell<u64>,
    /// Services that do not answer.
    pub down: RefCell<BTreeSet<BlockServiceId>>,
    /// Shards that do not answer.
    pub lost: RefCell<BTreeSet<ShardId>>,
    pub erased: RefCell<BTreeSet<eggs_proto::BlockId>>,
    pub queries: Cell<u64>,
    pub changes: Cell<u64>,
    /// The cluster map.
    pub map: RefCell<ClusterMap>,
    /// What block services say that readers have reported.
    pub reported: RefCell<Vec<DamagedBlock>>,
    /// Blocks that are not what they should be.
    pub rotten: RefCell<BTreeSet<eggs_proto::BlockId>>,
    /// What somebody else does before the request with this number of the collector.
    pub meanwhile: RefCell<Vec<(u64, Deed)>>,
}

pub type Deed = Box<dyn FnOnce(&TestCluster)>;

fn key_of(service: BlockServiceId) -> Option<ServiceKey> {
    (service.0 <= SERVICES).then(|| ServiceKey::new([service.0 as u8; 32]))
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn map() -> ClusterMap {
    let service = |number| BlockServiceInfo {
        service: BlockServiceId(number),
        node: NodeId::new(ProcessRole::Blocks, number as u32),
        domain: FailureDomainId(number as u32),
        class: StorageClass::Flash,
        state: ServiceState::Active,
        capacity_bytes: 2 << 40,
        available_bytes: 1 << 40,
        used_bytes: 0,
        blocks: 0,
        last_seen: Time(0),
    };
    ClusterMap {
        services: (1..=SERVICES).map(service).collect(),
        ..ClusterMap::default()
    }
}

impl TestCluster {
    pub fn new() -> Self {
        Self {
            stores: RefCell::new((0..256).map(|_| MemoryStore::default()).collect()),
            now: Cell::new(Time(1_000_000)),
            ahead_ms: Cell::default(),
            sequence: Cell::default(),
            down: RefCell::default(),
            lost: RefCell::default(),
            erased: RefCell::default(),
            queries: Cell::default(),
            changes: Cell::default(),
            map: RefCell::new(map()),
            reported: RefCell::default(),
            rotten: RefCell::default(),
            meanwhile: RefCell::default(),
        }
    }

    pub fn wait_ms(&self, ms: u64) {
        self.now.set(self.now.get().plus_ms(ms));
    }

    fn apply(
        &self,
        shard: ShardId,
        origin: PeerRole,
        change: ShardChange,
    ) -> Result<ShardReply, Refusal> {
        self.wait_ms(1);
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        let mut entropy = [1; 32];
        entropy[..8].copy_from_slice(&sequence.to_le_bytes());
        let map = self.map.borrow().clone();
        let context = PrepareContext {
            map: &map,
            keys: &key_of,
            most_free: eggs_proto::MostFree::of(&map),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy,
            origin,
            now: self.now.get(),
        };
        let mut stores = self.stores.borrow_mut();
        let store = &mut stores[usize::from(shard.0)];
        let command = prepare(shard, store, &context, change).unwrap()?;
        let header = CommandHeader {
            now: self.now.get(),
            request: Some(RequestId {
                client: 1,
                sequence,
            }),
        };
        let body = encode(&command);
        let commands = vec![Command { header, body }];
        let applied = apply_entry(&ShardMachine { shard }, store, &Entry { commands }).unwrap();
        store.commit(&applied.changes);
        let mut answer: Result<ShardReply, Refusal> = decode(&applied.replies[0]).unwrap();
        if let Ok(reply) = &mut answer {
            finish(reply, &key_of);
        }
        answer
    }

    fn read(&self, shard: ShardId, asked: &ShardQuery) -> Result<ShardReply, Refusal> {
        let context = QueryContext {
            keys: &key_of,
            origin: PeerRole::Server,
            now: self.now.get().plus_ms(self.ahead_ms.get()),
        };
        query(
            shard,
            &self.stores.borrow()[usize::from(shard.0)],
            &context,
            asked,
        )
        .unwrap()
    }

    fn be_interrupted(&self) {
        let number = self.queries.get() + self.changes.get();
        let (now, later) = self
            .meanwhile
            .take()
            .into_iter()
            .partition(|due| due.0 <= number);
        self.meanwhile.replace(later);
        let now: Vec<(u64, Deed)> = now;
        now.into_iter().for_each(|(_, deed)| deed(self));
    }

    /// The counters of all shards together.
    pub fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for shard in ShardId::all() {
            let Ok(ShardReply::Usage(usage)) = self.read(shard, &ShardQuery::Usage) else {
                panic!("no counters");
            };
            sum.files += usage.files;
            sum.directories += usage.directories;
            sum.transients += usage.transients;
            sum.garbage_blocks += usage.garbage_blocks;
        }
        sum
    }
}

/// What users do.
impl TestCluster {
    fn must(&self, shard: ShardId, change: ShardChange) -> ShardReply {
        let described = format!("{change:?}");
        let answer = self.apply(shard, PeerRole::Server, change);
        answer.unwrap_or_else(|refusal| panic!("{described}: {refusal}"))
    }

    pub fn keep(&self, dir: InodeId, keep_ms: Option<u64>, keep_versions: Option<u32>) {
        let policy = Policy::Snapshot(SnapshotPolicy {
            keep_ms,
            keep_versions,
        });
        self.must(dir.shard(), ShardChange::SetPolicy { dir, policy });
    }

    pub fn create(&self, dir: InodeId, text: &str) -> InodeId {
        let change = ShardChange::CreateFile {
            dir,
            name: name(text),
            replace: Replace::Files,
            attributes: NEW,
            content: b"inline".to_vec(),
        };
        match self.must(dir.shard(), change) {
            ShardReply::Linked { inode, .. } => inode,
            other => panic!("{other:?}"),
        }
    }

    /// A transient file with one extent of three blocks.
    pub fn begin(&self, dir: InodeId) -> (InodeId, Cookie, Vec<PlacedBlock>) {
        let create = ShardChange::CreateTransient {
            dir,
            attributes: NEW,
            note: "test".to_owned(),
        };
        let ShardReply::Transient { file, cookie } = self.must(dir.shard(), create) else {
            panic!("not a transient file");
        };
        let scheme = Scheme { data: 1, parity: 2 };
        let extent = ShardChange::AddExtent(AddExtent {
            file,
            cookie,
            offset: 0,
            size: 5000,
            class: StorageClass::Flash,
            layout: ExtentLayout::for_size(5000, scheme, 1 << 20),
            checksums: vec![Checksum(7); 3],
            exclude: vec![],
            certify: None,
        });
        match self.must(dir.shard(), extent) {
            ShardReply::Placed(placed) => (file, cookie, placed),
            other => panic!("{other:?}"),
        }
    }

    /// A linked file of three blocks.
    pub fn write(&self, dir: InodeId, text: &str) -> InodeId {
        let (file, cookie, placed) = self.begin(dir);
        let proof = |block: &PlacedBlock| {
            let key = key_of(block.facts.service).unwrap();
            Some(key.sign(Statement::Written, &block.facts))
        };
        let certify = ShardChange::CertifyExtent {
            file,
            cookie,
            offset: 0,
            proofs: placed.iter().map(proof).collect(),
        };
        self.must(dir.shard(), certify);
        let link = ShardChange::Link {
            file,
            cookie,
            dir,
            name: name(text),
            replace: Replace::Files,
            attributes: AttributeChange::default(),
        };
        self.must(dir.shard(), link);
        file
    }

    pub fn unlink(&self, dir: InodeId, text: &str) {
        let name = name(text);
        let expected = None;
        self.must(
            dir.shard(),
            ShardChange::Unlink {
                dir,
                name,
                expected,
            },
        );
    }
}

/// Bringing things back.
impl TestCluster {
    pub fn only_snapshot(&self, dir: InodeId) -> Snapshot {
        let (after, limit) = (None, 10);
        let query = ShardQuery::Snapshots { dir, after, limit };
        match self.read(dir.shard(), &query) {
            Ok(ShardReply::Snapshots { mut snapshots, .. }) => {
                snapshots.retain(|snapshot| snapshot.owned);
                assert_eq!(snapshots.len(), 1);
                snapshots.remove(0)
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn undelete(&self, dir: InodeId, snapshot: &Snapshot) -> Result<(), Refusal> {
        let change = ShardChange::Undelete {
            dir,
            key: snapshot.key.clone(),
            inode: snapshot.inode,
            name: name("back"),
            replace: Replace::Never,
        };
        self.apply(dir.shard(), PeerRole::Client, change).map(drop)
    }

    /// One step of the CDC that brings a directory back.
    pub fn undelete_step(&self, parent: InodeId, snapshot: &Snapshot, step: usize) -> bool {
        let (dir, transaction) = (snapshot.inode, TransactionId(u64::MAX));
        let (key, name) = (snapshot.key.clone(), name("back"));
        let (shard, change) = match step {
            0 => (
                dir.shard(),
                ShardChange::ReviveDirectory { dir, transaction },
            ),
            1 => (
                parent.shard(),
                ShardChange::LockVersion {
                    dir: parent,
                    name,
                    key,
                    inode: dir,
                    transaction,
                },
            ),
            2 => (
                dir.shard(),
                ShardChange::SettleDirectory {
                    dir,
                    outcome: DirectoryOutcome::Moved { parent },
                    transaction,
                },
            ),
            _ => (
                parent.shard(),
                ShardChange::RestoreDentry {
                    dir: parent,
                    name,
                    key,
                    inode: dir,
                    transaction,
                },
            ),
        };
        self.apply(shard, PeerRole::Server, change).is_ok()
    }

    pub fn lookup(&self, dir: InodeId, text: &str) -> Option<InodeId> {
        let name = name(text);
        match self.read(dir.shard(), &ShardQuery::Lookup { dir, name }) {
            Ok(ShardReply::Dentry(dentry)) => Some(dentry.inode),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    /// Breaks that any shard finds in its state.
    pub fn violations(&self) -> usize {
        let stores = self.stores.borrow();
        let check = |shard: ShardId| {
            eggs_shard::invariants::check(shard, &stores[usize::from(shard.0)]).unwrap()
        };
        ShardId::all().map(|shard| check(shard).len()).sum()
    }
}

/// What the CDC does for them.
impl TestCluster {
    fn transaction(&self) -> TransactionId {
        TransactionId(self.sequence.get() + 1)
    }

    pub fn mkdir(&self, parent: InodeId, text: &str, shard: u8) -> InodeId {
        let transaction = self.transaction();
        let dir = InodeId::new(InodeKind::Directory, ShardId(shard), transaction.0);
        let create = ShardChange::CreateDirectory {
            dir,
            parent,
            attributes: NEW,
            transaction,
        };
        self.must(dir.shard(), create);
        let link = ShardChange::LinkDirectory {
            parent,
            name: name(text),
            dir,
            transaction,
        };
        self.must(parent.shard(), link);
        dir
    }

    fn lock(&self, dir: InodeId, text: &str, purpose: LockPurpose, transaction: TransactionId) {
        let name = name(text);
        let lock = ShardChange::LockDentry {
            dir,
            name,
            purpose,
            transaction,
        };
        self.must(dir.shard(), lock);
    }

    fn release(&self, dir: InodeId, text: &str, action: ReleaseAction, transaction: TransactionId) {
        let name = name(text);
        let release = ShardChange::ReleaseDentry {
            dir,
            name,
            action,
            transaction,
        };
        self.must(dir.shard(), release);
    }

    pub fn rmdir(&self, parent: InodeId, text: &str, dir: InodeId) {
        let transaction = self.transaction();
        let expected = Some(dir);
        self.lock(parent, text, LockPurpose::Source { expected }, transaction);
        self.must(
            dir.shard(),
            ShardChange::DetachDirectory { dir, transaction },
        );
        let settle = ShardChange::SettleDirectory {
            dir,
            outcome: DirectoryOutcome::Removed,
            transaction,
        };
        self.must(dir.shard(), settle);
        self.release(parent, text, ReleaseAction::RemoveDeleted, transaction);
    }

    /// Moves a file to another directory; the name stays.
    pub fn begin_move(
        &self,
        source: InodeId,
        target: InodeId,
        text: &str,
        file: InodeId,
    ) -> TransactionId {
        let transaction = self.transaction();
        let expected = Some(file);
        self.lock(source, text, LockPurpose::Source { expected }, transaction);
        let replace = Replace::Never;
        let kind = InodeKind::File;
        self.lock(
            target,
            text,
            LockPurpose::Target { replace, kind },
            transaction,
        );
        self.release(
            target,
            text,
            ReleaseAction::Set { inode: file },
            transaction,
        );
        transaction
    }

    pub fn end_move(&self, source: InodeId, text: &str, transaction: TransactionId) {
        self.release(source, text, ReleaseAction::RemoveMoved, transaction);
    }
}

/// What happens to disks.
impl TestCluster {
    pub fn set_state(&self, service: BlockServiceId, state: ServiceState) {
        let mut map = self.map.borrow_mut();
        let infos = map.services.iter_mut();
        for info in infos.filter(|info| info.service == service) {
            info.state = state;
        }
    }

    /// The blocks of a file of one extent.
    pub fn blocks(&self, file: InodeId) -> Vec<ExtentBlock> {
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 10,
            cookie: None,
        };
        match self.read(file.shard(), &query) {
            Ok(ShardReply::Extents { extents, .. }) => {
                crate::planning::blocks_of(&extents[0]).to_vec()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Blocks are not stored anywhere here: to make one again is to sign for it.
impl Healer for TestCluster {
    async fn query(&self, shard: ShardId, query: ShardQuery) -> Result<ShardReply, ClientError> {
        Cluster::query(self, shard, query).await
    }

    fn map(&self) -> Arc<ClusterMap> {
        Arc::new(self.map.borrow().clone())
    }

    async fn heal(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> Result<Healed, ClientError> {
        let blocks = crate::planning::blocks_of(extent);
        let bad = |block: &ExtentBlock| self.rotten.borrow().contains(&block.block);
        if blocks.iter().all(bad) {
            let offset = extent.offset;
            return Err(ClientError::Damaged { file, offset });
        }
        let mut target = HealTarget {
            file,
            offset: extent.offset,
            indexes: indexes.to_vec(),
            seen: blocks.iter().map(|block| block.block).collect(),
        };
        let begin = ShardChange::BeginHeal {
            target: target.clone(),
            exclude: Vec::new(),
        };
        let ShardReply::Started {
            file: scratch,
            cookie,
            blocks: placed,
        } = self.change(file.shard(), begin).await?
        else {
            panic!("not begun");
        };
        target.indexes = placed.iter().map(|place| place.index).collect();
        let proof = |place: &PlacedBlock| {
            let key = key_of(place.facts.service).unwrap();
            Some(key.sign(Statement::Written, &place.facts))
        };
        let finish = ShardChange::FinishHeal {
            scratch,
            cookie,
            target,
            proofs: placed.iter().map(proof).collect(),
        };
        self.change(file.shard(), finish).await?;
        Ok(Healed {
            blocks: placed.len() as u64,
            bytes: placed.iter().map(|place| place.facts.size).sum(),
        })
    }

    async fn check(&self, block: &ExtentBlock, _bytes: u64) -> Condition {
        let is_rotten = self.rotten.borrow().contains(&block.block);
        match (self.down.borrow().contains(&block.service), is_rotten) {
            (true, _) => Condition::Unknown,
            (false, true) => Condition::Damaged,
            (false, false) => Condition::Whole,
        }
    }

    async fn damaged(&self, service: BlockServiceId) -> Result<Vec<DamagedBlock>, ClientError> {
        if self.down.borrow().contains(&service) {
            return Err(ClientError::UnknownService(service));
        }
        let reported = self.reported.borrow();
        let of_service = reported.iter().filter(|block| block.service == service);
        Ok(of_service.copied().collect())
    }
}

impl Cluster for TestCluster {
    async fn query(&self, shard: ShardId, query: ShardQuery) -> Result<ShardReply, ClientError> {
        self.be_interrupted();
        self.queries.set(self.queries.get() + 1);
        if self.lost.borrow().contains(&shard) {
            let what = "a shard".to_owned();
            return Err(ClientError::Deadline { what });
        }
        Ok(self.read(shard, &query)?)
    }

    async fn change(&self, shard: ShardId, change: ShardChange) -> Result<ShardReply, ClientError> {
        self.be_interrupted();
        self.changes.set(self.changes.get() + 1);
        Ok(self.apply(shard, PeerRole::Server, change)?)
    }

    async fn erase(&self, block: &GarbageBlock, certificate: MacTag) -> Erasure {
        let facts = &block.facts;
        if self.down.borrow().contains(&facts.service) {
            return Erasure::ServiceDown;
        }
        let key = key_of(facts.service).unwrap();
        let statement = Statement::MayErase(block.write_expiry);
        if !key.verify(statement, facts, &certificate) {
            return Erasure::Refused(BlockRefusal::BadCertificate);
        }
        self.erased.borrow_mut().insert(facts.block);
        Erasure::Erased(key.sign(Statement::Erased, facts))
    }
}
