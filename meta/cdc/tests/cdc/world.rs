//! The coordinator's machine and all shards in memory, and a clock that only moves when told.

pub mod model;

use std::collections::{BTreeMap, BTreeSet};

use eggs_cdc::{CdcAnswer, CdcCommand, CdcMachine, NextStep, StepOutcome};
use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, StateMachine, apply_entry};
use eggs_proto::audit::Finding;
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    DirectoryInfo, Replace, ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest, Snapshot,
};
use eggs_proto::{
    CallError, CallResult, ClusterMap, InodeId, Name, NewAttributes, Refusal, RequestId, ShardId,
    Time, decode,
};
use eggs_shard::{PrepareContext, QueryContext, ShardMachine};

use model::Version;

pub const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o755,
    uid: 1,
    gid: 2,
    mtime: None,
    atime: None,
};

#[derive(Default)]
pub struct World {
    pub cdc: MemoryStore,
    pub shards: BTreeMap<ShardId, MemoryStore>,
    pub now: Time,
    sequence: u64,
}

impl World {
    pub fn tick(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub fn next_id(&mut self) -> RequestId {
        self.sequence += 1;
        RequestId {
            client: 77,
            sequence: self.sequence,
        }
    }

    pub fn begin(&mut self, id: RequestId, operation: CdcOperation) -> CdcAnswer {
        self.command(&CdcCommand::Begin { id, operation })
    }

    pub fn report(&mut self, step: &NextStep, outcome: StepOutcome) -> CdcAnswer {
        self.command(&CdcCommand::StepDone {
            transaction: step.transaction,
            serial: step.serial,
            outcome,
        })
    }

    pub fn command(&mut self, command: &CdcCommand) -> CdcAnswer {
        let header = CommandHeader {
            now: self.now,
            request: None,
        };
        let body = command.encode();
        let reply = apply(&CdcMachine, &mut self.cdc, Command { header, body });
        CdcAnswer::decode(&reply).unwrap()
    }

    pub fn pending(&self) -> Vec<NextStep> {
        eggs_cdc::pending(&self.cdc, None, usize::MAX).unwrap()
    }

    /// Sends a change to its shard, as a server.
    pub fn send(&mut self, call: &ShardCall) -> CallResult<ShardReply> {
        let ShardRequest::Change { id, change } = call.request.clone() else {
            panic!("steps are changes")
        };
        let shard = call.shard;
        let map = ClusterMap::default();
        let context = PrepareContext {
            map: &map,
            keys: &|_| None,
            most_free: eggs_proto::MostFree::of(&map),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy: [0; 32],
            origin: PeerRole::Server,
            now: self.now,
        };
        let store = self.shards.entry(shard).or_default();
        let prepared = eggs_shard::prepare(shard, store, &context, change).unwrap();
        let header = CommandHeader {
            now: self.now,
            request: Some(id),
        };
        let body = eggs_proto::encode(&prepared?);
        let reply = apply(&ShardMachine { shard }, store, Command { header, body });
        let reply: Result<ShardReply, Refusal> = decode(&reply).unwrap();
        reply.map_err(CallError::Refused)
    }

    pub fn change(&mut self, shard: ShardId, change: ShardChange) -> Result<ShardReply, Refusal> {
        let id = self.next_id();
        let request = ShardRequest::Change { id, change };
        refusal_only(self.send(&ShardCall { shard, request }))
    }

    pub fn query(&self, shard: ShardId, query: &ShardQuery) -> Result<ShardReply, Refusal> {
        let context = QueryContext {
            keys: &|_| None,
            origin: PeerRole::Server,
            now: self.now,
        };
        let empty = MemoryStore::default();
        let store = self.shards.get(&shard).unwrap_or(&empty);
        eggs_shard::query(shard, store, &context, query).unwrap()
    }

    pub fn create_file(&mut self, entry: &EntryName) -> Result<InodeId, Refusal> {
        let change = ShardChange::CreateFile {
            dir: entry.dir,
            name: entry.name.clone(),
            replace: Replace::Never,
            attributes: ATTRIBUTES,
            content: Vec::new(),
        };
        match self.change(entry.dir.shard(), change)? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    pub fn unlink(&mut self, entry: &EntryName) -> Result<(), Refusal> {
        let change = ShardChange::Unlink {
            dir: entry.dir,
            name: entry.name.clone(),
            expected: None,
        };
        self.change(entry.dir.shard(), change).map(drop)
    }

    pub fn undelete_file(&mut self, entry: &EntryName, version: &Version) -> Result<(), Refusal> {
        let change = ShardChange::Undelete {
            dir: entry.dir,
            key: version.key.clone(),
            inode: version.inode,
            name: entry.name.clone(),
            replace: Replace::Never,
        };
        self.change(entry.dir.shard(), change).map(drop)
    }

    pub fn lookup(&self, entry: &EntryName) -> Result<InodeId, Refusal> {
        let query = ShardQuery::Lookup {
            dir: entry.dir,
            name: entry.name.clone(),
        };
        match self.query(entry.dir.shard(), &query)? {
            ShardReply::Dentry(dentry) => Ok(dentry.inode),
            other => panic!("{other:?}"),
        }
    }

    pub fn directory(&self, dir: InodeId) -> Result<DirectoryInfo, Refusal> {
        match self.query(dir.shard(), &ShardQuery::Directory { dir })? {
            ShardReply::Directory(info) => Ok(info),
            other => panic!("{other:?}"),
        }
    }

    pub fn list(&self, dir: InodeId) -> Vec<(Name, InodeId)> {
        let query = ShardQuery::List {
            dir,
            after: None,
            limit: 4096,
        };
        match self.query(dir.shard(), &query).unwrap() {
            ShardReply::Listing { entries, more } => {
                assert!(!more);
                let pair = |e: eggs_proto::shard::ListEntry| (e.name, e.dentry.inode);
                entries.into_iter().map(pair).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn snapshots(&self, dir: InodeId) -> Vec<Snapshot> {
        let query = ShardQuery::Snapshots {
            dir,
            after: None,
            limit: 4096,
        };
        match self.query(dir.shard(), &query) {
            Ok(ShardReply::Snapshots { snapshots, .. }) => snapshots,
            Err(Refusal::NotFound) => Vec::new(), // collected
            other => panic!("{other:?}"),
        }
    }

    /// Directories that exist on any shard and were not removed, root included.
    pub fn directories(&self) -> Vec<(InodeId, DirectoryInfo)> {
        let mut found = self.all_directories();
        found.retain(|(_, info)| !info.removed);
        found
    }

    fn all_directories(&self) -> Vec<(InodeId, DirectoryInfo)> {
        let mut found = Vec::new();
        for shard in self.shards.keys() {
            let query = ShardQuery::VisitDirectories {
                after: None,
                limit: 4096,
            };
            let ShardReply::Inodes { inodes, .. } = self.query(*shard, &query).unwrap() else {
                panic!("not a list of inodes")
            };
            let with_info = |dir| (dir, self.directory(dir).unwrap());
            found.extend(inodes.into_iter().map(with_info));
        }
        found
    }

    /// Files and symlinks that are linked on their shard.
    fn linked_files(&self) -> BTreeSet<InodeId> {
        let mut found = BTreeSet::new();
        for shard in self.shards.keys() {
            let (after, limit) = (None, 4096);
            let all = self.query(*shard, &ShardQuery::VisitFiles { after, limit });
            let after = None;
            let doomed = self.query(*shard, &ShardQuery::VisitTransients { after, limit });
            let (
                Ok(ShardReply::Inodes { inodes, .. }),
                Ok(ShardReply::Transients { transients, .. }),
            ) = (all, doomed)
            else {
                panic!("not lists of inodes")
            };
            found.extend(inodes);
            for doomed in transients {
                found.remove(&doomed.file);
            }
        }
        found
    }

    /// Drives all transactions to their ends, one step at a time.
    pub fn drain(&mut self) {
        for _ in 0..100_000 {
            let pending = self.pending();
            if pending.is_empty() {
                return;
            }
            for step in pending {
                self.tick(5);
                let outcome = StepOutcome::of_answer(self.send(&step.call())).unwrap();
                self.report(&step, outcome);
            }
        }
        panic!("transactions never end: {:?}", self.pending());
    }

    /// Runs one transaction alone.
    pub fn run(&mut self, operation: CdcOperation) -> Result<Option<InodeId>, Refusal> {
        let id = self.next_id();
        self.begin(id, operation.clone());
        self.drain();
        let outcome = match self.begin(id, operation) {
            CdcAnswer::Finished { request, outcome } if request == id => outcome,
            other => panic!("not finished: {other:?}"),
        };
        match outcome {
            eggs_cdc::TransactionOutcome::Done => Ok(None),
            eggs_cdc::TransactionOutcome::Made { dir } => Ok(Some(dir)),
            eggs_cdc::TransactionOutcome::Refused(refusal) => Err(refusal),
            eggs_cdc::TransactionOutcome::Stuck => panic!("{:?}", eggs_cdc::stuck(&self.cdc)),
        }
    }

    /// A look at the whole cluster, as fsck takes it: shards first, then the coordinator.
    pub fn suspects(&self) -> Vec<Finding> {
        let mut join = eggs_audit::Join::default();
        let mut findings = Vec::new();
        for shard in self.shards.keys() {
            let mut of_shard = eggs_audit::ShardJoin::default();
            let mut after = None;
            loop {
                let query = ShardQuery::Audit { after, limit: 10 };
                let Ok(ShardReply::Audit(mut page)) = self.query(*shard, &query) else {
                    panic!("no audit")
                };
                assert_eq!(page.findings, [], "what one shard sees is certain");
                after = page.next.take();
                of_shard.add(page);
                if after.is_none() {
                    break;
                }
            }
            let (found, left) = of_shard.finish(*shard);
            findings.extend(found);
            join.add_shard(left);
            let mut after = None;
            loop {
                let query = ShardQuery::AuditTrees { after, limit: 3 };
                let Ok(ShardReply::TreeAudit(page)) = self.query(*shard, &query) else {
                    panic!("no audit of trees")
                };
                after = page.next;
                join.add_trees(page);
                if after.is_none() {
                    break;
                }
            }
        }
        join.add_cdc(eggs_cdc::audit(&self.cdc, None, 4096).unwrap());
        findings.extend(join.finish());
        findings
    }

    /// What has to hold whenever no transaction is under way.
    pub fn check_at_rest(&self, names: &[EntryName]) {
        assert_eq!(self.suspects(), []);
        assert_eq!(eggs_cdc::check(&self.cdc).unwrap(), []);
        assert_eq!(self.pending(), []);
        assert_eq!(eggs_cdc::stuck(&self.cdc).unwrap(), []);
        let directories = self.directories();
        let mut dentries: BTreeMap<InodeId, Vec<InodeId>> = BTreeMap::new();
        for (dir, _) in &directories {
            for (_, inode) in self.list(*dir) {
                dentries.entry(inode).or_default().push(*dir);
            }
            for entry in names {
                let entry = at(*dir, &entry.name.to_string());
                let found = self.lookup(&entry);
                assert_ne!(found, Err(Refusal::Locked), "{entry:?} is still locked");
            }
        }
        let parents: BTreeMap<_, _> = eggs_cdc::parents(&self.cdc).unwrap().into_iter().collect();
        for (dir, info) in &directories {
            if *dir == InodeId::ROOT {
                continue;
            }
            assert_eq!(dentries.get(dir), Some(&vec![info.parent]), "{dir}");
            assert_eq!(parents.get(dir), Some(&info.parent), "{dir}");
        }
        let others = directories.iter().filter(|(d, _)| *d != InodeId::ROOT);
        assert_eq!(others.count(), parents.len(), "parents of what is gone");
        for (inode, dirs) in &dentries {
            assert_eq!(dirs.len(), 1, "{inode} has several names");
        }
        self.check_owners(dentries.into_keys().collect());
    }

    /// Whatever exists has one owner, a name or an old version, and what is owned exists.
    fn check_owners(&self, named: BTreeSet<InodeId>) {
        let mut owned = named;
        let mut marked = BTreeSet::new();
        let directories = self.all_directories();
        let files = self.linked_files();
        for (dir, _) in &directories {
            for snapshot in self.snapshots(*dir).into_iter().filter(|s| s.owned) {
                let inode = snapshot.inode;
                assert!(owned.insert(inode), "{inode} has several owners");
                if snapshot.collecting || inode.is_directory() {
                    marked.insert(inode);
                }
            }
        }
        for file in owned.iter().filter(|inode| !inode.is_directory()) {
            let exists = files.contains(file) || marked.contains(file);
            assert!(exists, "{file} is owned and does not exist");
        }
        for inode in files.iter().chain(directories.iter().map(|(dir, _)| dir)) {
            assert!(
                *inode == InodeId::ROOT || owned.contains(inode),
                "nobody owns {inode}"
            );
        }
        for (shard, store) in &self.shards {
            let violations = eggs_shard::invariants::check(*shard, store).unwrap();
            assert_eq!(violations, [], "on shard {shard}");
        }
    }
}

fn apply(machine: &dyn StateMachine, store: &mut MemoryStore, command: Command) -> Vec<u8> {
    let commands = vec![command];
    let mut applied = apply_entry(machine, store, &Entry { commands }).unwrap();
    store.commit(&applied.changes);
    applied.replies.remove(0)
}

fn refusal_only(answer: CallResult<ShardReply>) -> Result<ShardReply, Refusal> {
    answer.map_err(|error| match error {
        CallError::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    })
}

pub fn at(dir: InodeId, name: &str) -> EntryName {
    EntryName {
        dir,
        name: Name::new(name).unwrap(),
    }
}

pub fn mkdir(entry: EntryName) -> CdcOperation {
    CdcOperation::MakeDirectory {
        entry,
        attributes: ATTRIBUTES,
    }
}

pub fn rmdir(entry: EntryName) -> CdcOperation {
    CdcOperation::RemoveDirectory { entry }
}

pub fn undelete(entry: EntryName, version: Version) -> CdcOperation {
    let Version { key, inode } = version;
    CdcOperation::UndeleteDirectory { entry, key, inode }
}

pub fn rename(source: EntryName, target: EntryName, replace: Replace) -> CdcOperation {
    CdcOperation::Rename {
        source,
        target,
        replace,
    }
}
