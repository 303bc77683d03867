//! Directories and files with wrong counts are counted again while they change between any two pieces.

use eggs_machine::{Store as _, Table, from_bytes, to_bytes};
use eggs_machine::{StoreRead as _, Stored};
use eggs_proto::audit::{RecountFrom, ShardRepair};
use eggs_proto::shard::{LockPurpose, ReleaseAction, Replace, ShardChange, ShardReply};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{InodeId, InodeKind, Refusal, ShardId, TransactionId};

use crate::invariants::check;
use crate::keys;
use crate::random::Random;
use crate::records::{Content, InodeRecord, Life};
use crate::state::{TreeChild, TreeRecord};
use crate::testing::{Bench, ROOT, T1, directory_id, name, proofs};

const SHARD: ShardId = ShardId(0);
const UNFINISHED: Result<ShardReply, Refusal> = Ok(ShardReply::Progress { finished: false });

struct Crowd {
    bench: Bench,
    random: Random,
    directories: u64,
}

impl Crowd {
    /// A root with names of all kinds in all states.
    fn new(seed: u8) -> Self {
        let mut crowd = Self {
            bench: Bench::new(),
            random: Random::new(&[seed; 32]),
            directories: 0,
        };
        crowd.bench.allow_dangling_directories();
        for _ in 0..80 {
            crowd.act();
        }
        crowd
    }

    fn text(&mut self) -> String {
        format!("n{}", self.random.below(40))
    }

    /// Some change of root, refused or not.
    fn act(&mut self) {
        let text = self.text();
        let (dir, name) = (ROOT, name(&text));
        match self.random.below(9) {
            0 | 1 => drop(self.bench.create_file_as(ROOT, &text, Replace::Files)),
            2 => {
                let expected = None;
                let unlink = ShardChange::Unlink {
                    dir,
                    name,
                    expected,
                };
                drop(self.bench.change(unlink));
            }
            3 => {
                let target = crate::testing::name(&self.text());
                let rename = ShardChange::Rename {
                    dir,
                    source: name,
                    target,
                    replace: Replace::Files,
                };
                drop(self.bench.change(rename));
            }
            4 => self.make_directory(&text),
            5 | 6 => self.lock(&text),
            7 => self.collect(),
            _ => self.report(),
        }
    }

    fn make_directory(&mut self, text: &str) {
        self.directories += 1;
        let dir = directory_id(SHARD, self.directories);
        let transaction = TransactionId(self.directories + 100);
        let create = ShardChange::CreateDirectory {
            dir,
            parent: ROOT,
            attributes: crate::testing::NEW,
            transaction,
        };
        let link = ShardChange::LinkDirectory {
            parent: ROOT,
            name: name(text),
            dir,
            transaction,
        };
        self.bench.while_broken(|bench| {
            bench.serve(create).unwrap();
            if bench.serve(link).is_err() {
                let abandon = ShardChange::AbandonDirectory { dir, transaction };
                bench.serve(abandon).unwrap();
            }
        });
    }

    /// Locks a name, and perhaps ends the lock, with an inode of another shard.
    fn lock(&mut self, text: &str) {
        let kind = InodeKind::File;
        let replace = Replace::Files;
        let lock = ShardChange::LockDentry {
            dir: ROOT,
            name: name(text),
            purpose: LockPurpose::Target { replace, kind },
            transaction: T1,
        };
        drop(self.bench.serve(lock));
        let counter = 1000 + self.random.below(20) as u64;
        let action = match self.random.below(4) {
            0 => ReleaseAction::Keep,
            1 => ReleaseAction::RemoveMoved,
            2 => ReleaseAction::Set {
                inode: InodeId::new(InodeKind::File, ShardId(3), counter),
            },
            _ => return,
        };
        let release = ShardChange::ReleaseDentry {
            dir: ROOT,
            name: name(text),
            action,
            transaction: T1,
        };
        drop(self.bench.serve(release));
    }

    fn collect(&mut self) {
        let snapshots = self.bench.snapshots(ROOT);
        let Some(snapshot) = snapshots.first() else {
            return;
        };
        let collect = ShardChange::CollectSnapshot {
            dir: ROOT,
            key: snapshot.key.clone(),
            inode: snapshot.inode,
        };
        drop(self.bench.serve(collect));
    }

    fn report(&mut self) {
        let child = directory_id(SHARD, 1 + self.random.below(10) as u64);
        let number = self.random.below(100) as u64;
        let current = TreeSums {
            files: number,
            bytes: u128::from(number) << 10,
            ..TreeSums::default()
        };
        let report = TreeReport {
            parent: ROOT,
            child,
            version: self.bench.now,
            totals: TreeTotals {
                current,
                old: current,
            },
        };
        let reports = vec![report];
        drop(self.bench.serve(ShardChange::ReportTrees { reports }));
    }

    fn edit<T: Stored>(&mut self, table: Table, key: &[u8], edit: impl FnOnce(&mut T)) {
        let bytes = self.bench.store.get(table, key).unwrap().unwrap();
        let mut value: T = from_bytes(&bytes).unwrap();
        edit(&mut value);
        self.bench.store.put(table, key, &to_bytes(&value));
    }

    /// Counts that are too high, sums that are nonsense, and records of children that are wrong, missing or strange.
    fn damage(&mut self) {
        self.edit(keys::INODES, &keys::inode(ROOT), |record| match record {
            InodeRecord::Directory(root) => {
                root.entries += 50;
                root.placeholders += 51;
                root.snapshots += 52;
            }
            InodeRecord::File(_) => panic!("a file"),
        });
        self.edit(keys::TREES, &keys::inode(ROOT), |tree: &mut TreeRecord| {
            tree.direct.current.files += 7;
            tree.children.old.bytes += 8;
        });
        let children = self.bench.store.clone();
        let children = children
            .iter()
            .filter(|(table, ..)| *table == keys::TREE_CHILDREN);
        for (n, (table, key, _)) in children.enumerate() {
            match n % 4 {
                0 => self.edit(table, key, |child: &mut TreeChild| child.current += 3),
                1 => self.edit(table, key, |child: &mut TreeChild| child.old += 1),
                2 => self.bench.store.delete(table, key),
                _ => self.edit(table, key, |child: &mut TreeChild| {
                    (child.current, child.old) = (0, 0);
                }),
            }
        }
        let stranger = keys::tree_child(ROOT, directory_id(SHARD, 999));
        let record = TreeChild {
            current: 1,
            ..TreeChild::default()
        };
        self.bench
            .store
            .put(keys::TREE_CHILDREN, &stranger, &to_bytes(&record));
    }
}

#[test]
fn a_directory_in_use_is_counted_exactly() {
    let mut pieces = 0;
    for seed in 0..60 {
        let mut crowd = Crowd::new(seed);
        crowd.damage();
        assert!(!check(SHARD, &crowd.bench.store).unwrap().is_empty());
        let mut repair = ShardRepair::Directory { dir: ROOT };
        crowd.bench.stay_broken(); // they do not hold yet
        while crowd.bench.serve(ShardChange::Repair(repair.clone())) == UNFINISHED {
            pieces += 1;
            repair = repair.next().unwrap();
            for _ in 0..crowd.random.below(6) {
                crowd.act();
            }
        }
        let mut left = check(SHARD, &crowd.bench.store).unwrap();
        left.retain(|found| found.inode == Some(ROOT) && !found.repair.is_empty());
        assert_eq!(left, [], "with seed {seed}");
    }
    assert!(pieces > 200, "only {pieces} pieces");
}

#[test]
fn a_file_in_use_is_counted_exactly() {
    let mut bench = Bench::new();
    let file = bench.create_transient();
    let mut placed = Vec::new();
    for n in 0..40 {
        placed.push(
            bench
                .add_extent(file, n * crate::testing::EXTENT_SIZE)
                .unwrap(),
        );
    }
    let key = keys::inode(file.0);
    let bytes = bench.store.get(keys::INODES, &key).unwrap().unwrap();
    let mut record: InodeRecord = from_bytes(&bytes).unwrap();
    if let InodeRecord::File(file) = &mut record
        && let (Content::Extents { physical_bytes, .. }, Life::Transient(transient)) =
            (&mut file.content, &mut file.life)
    {
        *physical_bytes += 12345;
        transient.pending_extents += 3;
    }
    bench.store.put(keys::INODES, &key, &to_bytes(&record));
    bench.stay_broken();
    let mut repair = ShardRepair::File { file: file.0 };
    let mut next = 0;
    while bench.serve(ShardChange::Repair(repair.clone())) == UNFINISHED {
        repair = repair.next().unwrap();
        // One that has been counted, and one that has not.
        for at in [next, 39 - next] {
            let offset = at as u64 * crate::testing::EXTENT_SIZE;
            let done = bench.certify(file, offset, proofs(&placed[at], 6));
            assert_eq!(done, Ok(ShardReply::Done));
        }
        next += 1;
    }
    assert!(next >= 2, "{next} pieces");
    let mut codes = check(SHARD, &bench.store).unwrap();
    codes.retain(|found| found.inode == Some(file.0));
    assert_eq!(codes, []);
}

#[test]
fn one_thing_is_counted_at_a_time() {
    let mut crowd = Crowd::new(1);
    let bench = &mut crowd.bench;
    let mut send = |repair| bench.serve(ShardChange::Repair(repair));
    let directory = ShardRepair::Directory { dir: ROOT };
    assert_eq!(send(directory.clone()), UNFINISHED);
    let file = InodeId::new(InodeKind::File, SHARD, 1);
    let changed = Err(Refusal::Changed);
    assert_eq!(send(ShardRepair::GoOn { inode: file }), changed);
    let (shard, from) = (SHARD, RecountFrom::Here);
    assert_eq!(send(ShardRepair::Recount { shard, from }), changed);
    let from = RecountFrom::Beginning;
    assert_eq!(send(ShardRepair::Recount { shard, from }), UNFINISHED);
    assert_eq!(send(directory.next().unwrap()), changed);
    bench.repair(&directory);
    let nothing = bench.serve(ShardChange::Repair(ShardRepair::GoOn { inode: file }));
    assert_eq!(nothing, Ok(ShardReply::Progress { finished: true }));
}
