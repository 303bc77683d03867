//! Each invariant broken on purpose, found, and put right where that can be.

use eggs_machine::{Store as _, StoreRead as _, Stored, Table, from_bytes, to_bytes};
use eggs_proto::audit::{FindingCode as Code, RecountFrom, RepairStep, ShardRepair};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{LockPurpose, ReleaseAction, Replace, ShardChange, ShardQuery, ShardReply};
use eggs_proto::{
    AUDIT_CURSOR_BYTES_MAX, BlockId, BlockServiceId, BlockState, ExtentBody, InodeId, InodeKind,
    InvalidArgument, Refusal, ShardId, Time, TransactionId,
};

use super::{Budget, check, check_by_pages};
use crate::keys;
use crate::records::{
    BlockCount, Condition, Content, Counters, DentryRecord, DirectoryRecord, ExtentRecord,
    FileRecord, GarbageRecord, InodeRecord, Life, WHOLE_BYTES_MAX,
};
use crate::state::{TreeChild, TreeRecord};
use crate::testing::{Bench, ROOT, name};

const SHARD: ShardId = ShardId(0);

/// A bit of everything: files with and without blocks, snapshots, a transient file, garbage, directories.
struct Sample {
    bench: Bench,
    dir: InodeId,
    small: InodeId,
    big: InodeId,
    transient: InodeId,
}

impl Sample {
    fn new() -> Self {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let small = bench.create_file_as(dir, "small", Replace::Never).unwrap();
        let big = bench.create_big_file("big");
        bench.create_big_file("old");
        let unlink = ShardChange::Unlink {
            dir: ROOT,
            name: name("old"),
            expected: None,
        };
        bench.change(unlink).unwrap();
        let open = bench.create_transient();
        bench.add_extent(open, 0).unwrap();
        let given_up = bench.create_transient();
        bench.add_extent(given_up, 0).unwrap();
        let (file, cookie) = given_up;
        bench.change(ShardChange::Scrap { file, cookie }).unwrap();
        bench.destroy(file).unwrap();
        assert!(!bench.garbage().is_empty());
        Self {
            bench,
            dir,
            small,
            big,
            transient: open.0,
        }
    }

    fn codes(&self) -> Vec<Code> {
        let findings = check(SHARD, &self.bench.store).unwrap();
        let paged = Budget {
            records: 1,
            bytes: usize::MAX,
        };
        let by_pages = check_by_pages(SHARD, &self.bench.store, paged).unwrap();
        assert_eq!(findings, by_pages);
        findings.into_iter().map(|finding| finding.code).collect()
    }

    fn edit<T: Stored>(&mut self, table: Table, key: &[u8], edit: impl FnOnce(&mut T)) {
        let bytes = self.bench.store.get(table, key).unwrap().unwrap();
        let mut value: T = from_bytes(&bytes).unwrap();
        edit(&mut value);
        self.bench.store.put(table, key, &to_bytes(&value));
    }

    fn edit_directory(&mut self, edit: impl FnOnce(&mut DirectoryRecord)) {
        let key = keys::inode(self.dir);
        self.edit(keys::INODES, &key, |record| match record {
            InodeRecord::Directory(directory) => edit(directory),
            InodeRecord::File(_) => panic!("a file"),
        });
    }

    fn edit_file(&mut self, id: InodeId, edit: impl FnOnce(&mut FileRecord)) {
        self.edit(keys::INODES, &keys::inode(id), |record| match record {
            InodeRecord::File(file) => edit(file),
            InodeRecord::Directory(_) => panic!("a directory"),
        });
    }

    fn edit_extent(&mut self, id: InodeId, edit: impl FnOnce(&mut ExtentRecord)) {
        self.edit(keys::EXTENTS, &keys::extent(id, 0), edit);
    }

    fn dentry_key(&self, dir: InodeId, text: &str) -> Vec<u8> {
        keys::dentry(dir, name(text).hash_in(dir), &name(text))
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        assert!(self.bench.store.get(table, key).unwrap().is_some());
        self.bench.store.delete(table, key);
    }

    fn send(&mut self, repair: ShardRepair) -> Result<ShardReply, Refusal> {
        self.bench.serve(ShardChange::Repair(repair))
    }

    /// Does what the findings say, without the checks of the bench, which do not hold yet.
    fn repair(&mut self) {
        let mut findings = check(SHARD, &self.bench.store).unwrap();
        findings.sort(); // as fsck does: sums of trees come last
        for finding in findings {
            assert!(!finding.repair.is_empty(), "{finding:?}");
            for step in finding.repair {
                let RepairStep::Shard(repair) = step else {
                    panic!("{step:?}")
                };
                self.bench.while_broken(|bench| bench.repair(&repair));
            }
        }
        assert_eq!(self.codes(), []);
    }
}

#[test]
fn nothing_is_wrong_with_a_sound_state() {
    assert_eq!(Sample::new().codes(), []);
    assert_eq!(
        check(ShardId(9), &Bench::of_shard(ShardId(9)).store).unwrap(),
        []
    );
}

#[test]
fn names_are_compared_with_directories() {
    let mut sample = Sample::new();
    let key = sample.dentry_key(sample.dir, "small");
    let lost = sample
        .bench
        .store
        .get(keys::DENTRIES, &key)
        .unwrap()
        .unwrap();
    sample.delete(keys::DENTRIES, &key);
    let codes = [Code::TreeSums, Code::DirectoryCounts, Code::FileOwners];
    assert_eq!(sample.codes(), codes);
    sample.repair();

    let mut sample = Sample::new();
    let elsewhere = InodeId::new(InodeKind::Directory, SHARD, 77);
    let key = sample.dentry_key(elsewhere, "small");
    sample.bench.store.put(keys::DENTRIES, &key, &lost);
    assert_eq!(
        sample.codes(),
        [Code::NameWithoutDirectory, Code::FileOwners]
    );

    let mut sample = Sample::new();
    let mut key = sample.dentry_key(sample.dir, "small");
    sample.delete(keys::DENTRIES, &key);
    key[15] ^= 1;
    sample.bench.store.put(keys::DENTRIES, &key, &lost);
    assert_eq!(sample.codes(), [Code::NameMisplaced]);
}

#[test]
fn placeholders_and_detached_directories() {
    let mut sample = Sample::new();
    let nobody = DentryRecord {
        inode: None,
        created: Time(1),
        lock: None,
        carried: None,
    };
    let key = sample.dentry_key(sample.dir, "x");
    sample
        .bench
        .store
        .put(keys::DENTRIES, &key, &to_bytes(&nobody));
    assert_eq!(
        sample.codes(),
        [Code::PlaceholderUnlocked, Code::DirectoryCounts]
    );
    sample.repair();

    let mut sample = Sample::new();
    let by = Condition::Detaching(TransactionId(5));
    sample.edit_directory(|dir| dir.condition = by);
    assert_eq!(sample.codes(), [Code::DetachedWithEntries]);
}

#[test]
fn names_are_compared_with_what_they_stand_for() {
    let mut sample = Sample::new();
    let (small, dir) = (sample.small, sample.dir);
    sample.delete(keys::INODES, &keys::inode(small));
    let codes = [Code::NameWithoutFile, Code::TreeSums, Code::UsageCounters];
    assert_eq!(sample.codes(), codes);

    let mut sample = Sample::new();
    let big = sample.big;
    sample.delete(keys::INODES, &keys::inode(big));
    let codes = [
        Code::NameWithoutFile,
        Code::TreeSums,
        Code::ExtentWithoutFile,
        Code::UsageCounters,
    ];
    assert_eq!(sample.codes(), codes);

    let mut sample = Sample::new();
    sample.delete(keys::INODES, &keys::inode(dir));
    let codes = [
        Code::NameWithoutInode,
        Code::NameWithoutDirectory,
        Code::TreeSums,
        Code::UsageCounters,
    ];
    assert_eq!(sample.codes(), codes);

    let mut sample = Sample::new();
    sample.edit_file(small, |file| file.life = Life::Linked { owners: 3 });
    assert_eq!(sample.codes(), [Code::FileOwners]);
    sample.repair();
}

#[test]
fn files_are_compared_with_their_extents() {
    let mut sample = Sample::new();
    let big = sample.big;
    sample.edit_file(big, |file| match &mut file.content {
        Content::Extents { physical_bytes, .. } => *physical_bytes += 1,
        Content::Target(_) | Content::Whole(_) => panic!("no extents"),
    });
    let codes = [
        Code::CarriedAttributes,
        Code::TreeSums,
        Code::FileCounts,
        Code::UsageCounters,
    ];
    assert_eq!(sample.codes(), codes);
    sample.repair();

    let mut sample = Sample::new();
    sample.edit_file(big, |file| match &mut file.content {
        Content::Extents { size, .. } => *size += 1,
        Content::Target(_) | Content::Whole(_) => panic!("no extents"),
    });
    let codes = [
        Code::CarriedAttributes,
        Code::TreeSums,
        Code::ExtentGap,
        Code::UsageCounters,
    ];
    assert_eq!(sample.codes(), codes);

    let mut sample = Sample::new();
    let transient = sample.transient;
    sample.edit_file(transient, |file| match &mut file.life {
        Life::Transient(transient) => transient.pending_extents = 0,
        Life::Linked { .. } => panic!("linked"),
    });
    assert_eq!(sample.codes(), [Code::FileCounts]);
    sample.repair();
}

#[test]
fn what_is_kept_with_an_inode_is_small_and_all_there_is() {
    let mut sample = Sample::new();
    let (small, big) = (sample.small, sample.big);
    sample.edit_file(small, |file| {
        file.content = Content::Whole(vec![1; WHOLE_BYTES_MAX + 1]);
    });
    assert!(sample.codes().contains(&Code::ExtentMalformed));

    let mut sample = Sample::new();
    let mut extents = None;
    sample.edit_file(big, |file| {
        let whole = Content::Whole(Vec::new());
        extents = Some(std::mem::replace(&mut file.content, whole));
    });
    assert!(matches!(extents, Some(Content::Extents { .. })));
    assert!(sample.codes().contains(&Code::ExtentGap));
}

#[test]
fn extents_are_well_formed_and_certified() {
    let mut sample = Sample::new();
    let big = sample.big;
    sample.edit_extent(big, |record| match &mut record.extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks[1].state = BlockState::Pending,
        ExtentBody::Inline(_) | ExtentBody::Hole => panic!("no blocks"),
    });
    assert_eq!(sample.codes(), [Code::LinkedUncertified]);

    let mut sample = Sample::new();
    sample.edit_extent(big, |record| match &mut record.extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks[1].service = blocks[0].service,
        ExtentBody::Inline(_) | ExtentBody::Hole => panic!("no blocks"),
    });
    let codes = sample.codes();
    assert!(codes.contains(&Code::ExtentMalformed) && codes.contains(&Code::ServiceIndex));
}

#[test]
fn a_block_is_in_one_place() {
    let mut sample = Sample::new();
    let mut copied = None;
    let (big, transient) = (sample.big, sample.transient);
    sample.edit_extent(big, |record| copied = Some(record.clone()));
    let Some(ExtentBody::Blocks { blocks, .. }) = copied.map(|record| record.extent.body) else {
        panic!("no blocks")
    };
    sample.edit_extent(transient, |record| match &mut record.extent.body {
        ExtentBody::Blocks { blocks: own, .. } => own[0].block = blocks[0].block,
        ExtentBody::Inline(_) | ExtentBody::Hole => panic!("no blocks"),
    });
    assert_eq!(sample.codes(), [Code::BlockTwice]);

    let mut sample = Sample::new();
    let known = sample.bench.garbage()[0].facts;
    let record = GarbageRecord {
        facts: eggs_proto::BlockFacts {
            block: blocks[0].block,
            ..known
        },
        write_expiry: Time(1),
    };
    let key = keys::garbage(blocks[0].block);
    sample
        .bench
        .store
        .put(keys::GARBAGE, &key, &to_bytes(&record));
    assert_eq!(sample.codes(), [Code::BlockTwice, Code::UsageCounters]);
    let far = BlockId::new(SHARD, 1_000_000);
    sample.delete(keys::GARBAGE, &key);
    sample
        .bench
        .store
        .put(keys::GARBAGE, &keys::garbage(far), &to_bytes(&record));
    let codes = [
        Code::GarbageMisfiled,
        Code::UsageCounters,
        Code::NumberReused,
    ];
    assert_eq!(sample.codes(), codes);
}

#[test]
fn indexes_are_compared_with_files() {
    let mut sample = Sample::new();
    let big = sample.big;
    let on = |service: u64| keys::service_file(BlockServiceId(service), big);
    let used = (1..200).find(|s| {
        sample
            .bench
            .store
            .get(keys::SERVICE_FILES, &on(*s))
            .unwrap()
            .is_some()
    });
    sample.delete(keys::SERVICE_FILES, &on(used.unwrap()));
    assert_eq!(sample.codes(), [Code::ServiceIndex]);
    sample.repair();
    sample
        .bench
        .store
        .put(keys::SERVICE_FILES, &on(999), &to_bytes(&BlockCount(1)));
    assert_eq!(sample.codes(), [Code::ServiceIndex]);
    sample.repair();

    let stray = keys::transient(Time(5), big);
    sample.bench.store.put(keys::TRANSIENTS, &stray, &[]);
    assert_eq!(sample.codes(), [Code::DeadlineIndex]);
    sample.repair();
    let transient = sample.transient;
    let mut deadline = None;
    sample.edit_file(transient, |file| deadline = file.deadline());
    sample.delete(
        keys::TRANSIENTS,
        &keys::transient(deadline.unwrap(), transient),
    );
    assert_eq!(sample.codes(), [Code::DeadlineIndex]);
    sample.repair();
}

#[test]
fn counters_are_compared_with_everything() {
    let edits: [fn(&mut Counters); 6] = [
        |counters| counters.files += 1,
        |counters| counters.directories -= 1,
        |counters| counters.transients += 1,
        |counters| counters.bytes += 1,
        |counters| counters.physical_bytes -= 1,
        |counters| counters.garbage_blocks += 1,
    ];
    for edit in edits {
        let mut sample = Sample::new();
        sample.edit(keys::COUNTERS, keys::USAGE, edit);
        assert_eq!(sample.codes(), [Code::UsageCounters]);
        sample.repair();
    }
    let mut sample = Sample::new();
    sample.edit(keys::COUNTERS, keys::USAGE, |counters: &mut Counters| {
        counters.next_inode = 2
    });
    assert_eq!(sample.codes(), [Code::NumberReused]);
    let mut sample = Sample::new();
    let foreign = InodeId::new(InodeKind::File, ShardId(3), 1);
    let bytes = sample
        .bench
        .store
        .get(keys::INODES, &keys::inode(sample.small))
        .unwrap()
        .unwrap();
    sample
        .bench
        .store
        .put(keys::INODES, &keys::inode(foreign), &bytes);
    let codes = [Code::InodeOnWrongShard, Code::UsageCounters];
    assert_eq!(sample.codes(), codes);
}

#[test]
fn sums_of_trees_are_compared_with_names_and_children() {
    let edits: [fn(&mut TreeRecord); 3] = [
        |tree| tree.direct.current.bytes += 1,
        |tree| tree.direct.old.files = 9,
        |tree| tree.children.current.directories += 1,
    ];
    for edit in edits {
        let mut sample = Sample::new();
        sample.edit(keys::TREES, &keys::inode(ROOT), edit);
        assert_eq!(sample.codes(), [Code::TreeSums]);
        sample.repair();
    }
    let mut sample = Sample::new();
    let child = keys::tree_child(ROOT, sample.dir);
    sample.delete(keys::TREE_CHILDREN, &child);
    assert_eq!(sample.codes(), [Code::TreeSums]);
    sample.repair();
    let stray = keys::tree_child(sample.dir, ROOT);
    let record = TreeChild {
        current: 1,
        ..TreeChild::default()
    };
    sample
        .bench
        .store
        .put(keys::TREE_CHILDREN, &stray, &to_bytes(&record));
    assert_eq!(sample.codes(), [Code::TreeSums]);
    sample.repair();
    let nowhere = InodeId::new(InodeKind::Directory, SHARD, 78);
    let tree = TreeRecord {
        children: eggs_proto::tree::TreeTotals {
            current: crate::state::one(nowhere),
            ..eggs_proto::tree::TreeTotals::default()
        },
        ..TreeRecord::default()
    };
    sample
        .bench
        .store
        .put(keys::TREES, &keys::inode(nowhere), &to_bytes(&tree));
    assert_eq!(sample.codes(), [Code::TreeSums]);
}

/// A cluster that is older than the sums has no records of them: it goes on, and `fsck` counts them.
#[test]
fn a_state_without_sums_is_served_and_repaired() {
    let mut sample = Sample::new();
    for table in [keys::TREES, keys::TREE_CHILDREN, keys::TREE_DIRTY] {
        let all = sample.bench.store.iter().filter(|(at, ..)| *at == table);
        let all: Vec<Vec<u8>> = all.map(|(_, key, _)| key.to_vec()).collect();
        for key in all {
            sample.bench.store.delete(table, &key);
        }
    }
    let transaction = TransactionId(9);
    let (dir, d) = (ROOT, name("d"));
    let lock = ShardChange::LockDentry {
        dir,
        name: d.clone(),
        purpose: LockPurpose::Source { expected: None },
        transaction,
    };
    let release = ShardChange::ReleaseDentry {
        dir,
        name: d,
        action: ReleaseAction::RemoveMoved,
        transaction,
    };
    let unlink = ShardChange::Unlink {
        dir,
        name: name("big"),
        expected: None,
    };
    sample.bench.while_broken(|bench| {
        for change in [lock, release, unlink] {
            assert!(bench.serve(change).is_ok());
        }
    });
    assert!(sample.codes().contains(&Code::TreeSums));
    sample.repair();
    assert!(!sample.codes().contains(&Code::TreeSums));
}

#[test]
fn extended_attributes_belong_to_inodes_and_have_limits() {
    let mut sample = Sample::new();
    let nobody = InodeId::new(InodeKind::File, SHARD, 9);
    let attribute = eggs_proto::XattrName::new("user.a").unwrap();
    let small = to_bytes(&crate::records::XattrRecord(vec![1]));
    let key = keys::xattr(nobody, &attribute);
    sample.bench.store.put(keys::XATTRS, &key, &small);
    assert_eq!(sample.codes(), [Code::XattrWithoutInode]);
    sample.delete(keys::XATTRS, &key);
    let large = vec![1; eggs_proto::XATTR_VALUE_BYTES_MAX + 1];
    let key = keys::xattr(sample.small, &attribute);
    let value = to_bytes(&crate::records::XattrRecord(large));
    sample.bench.store.put(keys::XATTRS, &key, &value);
    assert_eq!(sample.codes(), [Code::XattrsTooLarge]);
}

/// Pages of an audit of a shard that changes in between say nothing wrong.
#[test]
fn a_shard_in_use_is_audited_without_false_findings() {
    let mut sample = Sample::new();
    let dir = sample.dir;
    for n in 0..50 {
        let text = format!("file-{n}");
        sample
            .bench
            .create_file_as(dir, &text, Replace::Never)
            .unwrap();
    }
    for limit in [1, 7, 60] {
        let (mut after, mut pages, mut moved) = (None, 0, false);
        loop {
            let query = ShardQuery::Audit { after, limit };
            let Ok(ShardReply::Audit(page)) = sample.bench.query(&query) else {
                panic!("no audit");
            };
            assert_eq!(page.findings, []);
            pages += 1;
            moved |= page.moved;
            let source = name(&format!("file-{}", pages % 50));
            let target = name(&format!("file-{}", (pages + 7) % 50));
            let replace = Replace::Files;
            let rename = ShardChange::Rename {
                dir,
                source,
                target,
                replace,
            };
            drop(sample.bench.change(rename));
            let text = format!("new-{limit}-{pages}");
            sample
                .bench
                .create_file_as(dir, &text, Replace::Files)
                .unwrap();
            if page.next.is_none() {
                break;
            }
            // A directory that grows as fast as it is looked at never ends.
            if pages > 300 {
                let cursor = page.next.as_ref().unwrap();
                assert!(cursor.0.len() < 1000);
                break;
            }
            after = page.next;
        }
        assert!(pages > 1 && (moved || pages > 300));
    }
}

#[test]
fn forged_cursors_are_refused() {
    let bench = Bench::new();
    let ask = |bytes| {
        let after = Some(eggs_proto::audit::AuditCursor(bytes));
        bench.query_as(PeerRole::Client, &ShardQuery::Audit { after, limit: 1 })
    };
    let encoding = Err(Refusal::Invalid(InvalidArgument::Encoding));
    assert_eq!(ask(vec![1, 2, 3]), encoding);
    let list = Err(Refusal::Invalid(InvalidArgument::List));
    assert_eq!(ask(vec![0; AUDIT_CURSOR_BYTES_MAX + 1]), list);
}

#[test]
fn only_servers_repair_and_only_their_own_shard() {
    let mut sample = Sample::new();
    let repair = ShardRepair::Directory { dir: sample.dir };
    let as_client = sample.bench.change(ShardChange::Repair(repair.clone()));
    assert_eq!(as_client, Err(Refusal::Forbidden));
    let finished = Ok(ShardReply::Progress { finished: true });
    assert_eq!(sample.send(repair), finished);
    let (shard, from) = (ShardId(4), RecountFrom::Beginning);
    let elsewhere = sample.send(ShardRepair::Recount { shard, from });
    assert_eq!(elsewhere, Err(Refusal::WrongShard));
    let file = sample.small;
    let owners = Vec::new();
    sample.edit_file(file, |file| file.life = Life::Linked { owners: 1 });
    let known = sample.dir;
    let wrong = sample.send(ShardRepair::Parent {
        dir: sample.dir,
        known,
        parent: known,
    });
    assert_eq!(wrong, Err(Refusal::Changed));
    let transient = sample.transient;
    let refused = sample.send(ShardRepair::Owners {
        file: transient,
        owners,
    });
    assert_eq!(refused, Err(Refusal::Changed));
}

#[test]
fn what_has_no_name_gets_one() {
    let mut sample = Sample::new();
    let (file, dir) = (sample.small, sample.dir);
    let key = sample.dentry_key(dir, "small");
    sample.delete(keys::DENTRIES, &key);
    sample.repair();
    let adopt = |inode| ShardRepair::Adopt {
        dir: ROOT,
        name: name("found"),
        inode,
    };
    assert_eq!(sample.send(adopt(sample.big)), Err(Refusal::Changed));
    for _ in 0..2 {
        assert!(matches!(
            sample.send(adopt(file)),
            Ok(ShardReply::Linked { .. })
        ));
    }
    assert_eq!(sample.bench.lookup(ROOT, "found"), Ok(file));
    assert_eq!(sample.send(adopt(sample.big)), Err(Refusal::Exists));
    let gone = InodeId::new(InodeKind::File, SHARD, 99_999);
    let other = ShardRepair::Adopt {
        dir: ROOT,
        name: name("other"),
        inode: gone,
    };
    assert_eq!(sample.send(other), Err(Refusal::NotFound));
}

/// Files come, grow and go while the shard is counted again.
#[test]
fn a_recount_of_a_shard_in_use_is_exact() {
    let mut sample = Sample::new();
    let begin = |from| ShardChange::Repair(ShardRepair::Recount { shard: SHARD, from });
    for n in 0..40 {
        let mut record = None;
        sample.edit_file(sample.small, |file| record = Some(file.clone()));
        let mut file = record.unwrap();
        file.life = Life::Linked { owners: 0 };
        let id = InodeId::new(InodeKind::File, SHARD, 100_000 + n);
        sample.bench.store.put(
            keys::INODES,
            &keys::inode(id),
            &to_bytes(&InodeRecord::File(file)),
        );
    }
    sample.bench.while_broken(|bench| {
        let first = bench.serve(begin(RecountFrom::Beginning));
        assert_eq!(first, Ok(ShardReply::Progress { finished: false }));
        // One before the place where the counting is and one after it.
        let symlink = ShardChange::Symlink {
            dir: ROOT,
            name: name("link"),
            target: b"x".to_vec(),
            attributes: crate::testing::NEW,
        };
        bench.change(symlink).unwrap();
        bench.create_file("early");
        let (file, cookie) = bench.create_transient();
        bench.add_extent((file, cookie), 0).unwrap();
        bench.change(ShardChange::Scrap { file, cookie }).unwrap();
        bench.destroy(file).unwrap();
        let mut reply = bench.serve(begin(RecountFrom::Here));
        while reply == Ok(ShardReply::Progress { finished: false }) {
            let file = bench.create_transient();
            bench.add_extent(file, 0).unwrap();
            reply = bench.serve(begin(RecountFrom::Here));
        }
        assert_eq!(reply, Ok(ShardReply::Progress { finished: true }));
    });
    let codes = sample.codes();
    assert!(
        !codes.contains(&Code::UsageCounters),
        "{:?}",
        check(SHARD, &sample.bench.store)
    );
    let again = sample
        .bench
        .while_broken(|bench| bench.serve(begin(RecountFrom::Here)));
    assert_eq!(again, Ok(ShardReply::Progress { finished: true }));
}
