//! Totals of directory trees: whatever happens to the reports, once nothing is pending every total is that of the tree.

use eggs_proto::audit::{Finding, FindingCode, RepairStep};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{Replace, ShardChange, ShardQuery, ShardReply};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{InodeId, Refusal, ShardId, Time};

use crate::world::{ATTRIBUTES, World, at, mkdir, rename, rmdir};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SEEDS: u64 = 60;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(word).unwrap() % n
    }
}

struct Forest {
    world: World,
    random: Random,
    dirs: Vec<InodeId>,
    /// Reports that may still arrive.
    late: Vec<TreeReport>,
}

impl Forest {
    fn new(seed: u64) -> Self {
        let mut world = World::default();
        world.tick(1000);
        Self {
            world,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            dirs: vec![InodeId::ROOT],
            late: Vec::new(),
        }
    }

    fn entry(&mut self) -> EntryName {
        let dir = self.dirs[self.random.below(self.dirs.len())];
        at(dir, NAMES[self.random.below(NAMES.len())])
    }

    fn act(&mut self) {
        self.world.tick(3);
        let (entry, other) = (self.entry(), self.entry());
        match self.random.below(9) {
            0..=2 => {
                let change = ShardChange::CreateFile {
                    dir: entry.dir,
                    name: entry.name,
                    replace: Replace::Files,
                    attributes: ATTRIBUTES,
                    content: vec![1; self.random.below(300)],
                };
                drop(self.world.change(entry.dir.shard(), change));
            }
            3 => {
                if let Ok(Some(dir)) = self.world.run(mkdir(entry)) {
                    self.dirs.push(dir);
                }
            }
            4..=5 => drop(self.world.run(rename(entry, other, Replace::Files))),
            6 => drop(self.world.run(rmdir(entry))),
            7 => drop(self.world.unlink(&entry)),
            _ => self.collect(entry.dir),
        }
    }

    /// Collects an old version of a file, as the collector does it.
    fn collect(&mut self, dir: InodeId) {
        let snapshots = self.world.snapshots(dir);
        let Some(snapshot) = snapshots.into_iter().find(|s| !s.inode.is_directory()) else {
            return;
        };
        let (key, inode) = (snapshot.key, snapshot.inode);
        if snapshot.owned && inode.shard() != dir.shard() {
            let begin = ShardChange::BeginCollect {
                dir,
                key: key.clone(),
                inode,
            };
            self.world.change(dir.shard(), begin).unwrap();
            let scrap = ShardChange::ScrapForeign { inode };
            self.world.change(inode.shard(), scrap).unwrap();
        }
        let collect = ShardChange::CollectSnapshot { dir, key, inode };
        self.world.change(dir.shard(), collect).unwrap();
    }

    fn shards(&self) -> Vec<ShardId> {
        self.world.shards.keys().copied().collect()
    }

    fn size_of(&self, parent: InodeId, child: InodeId) -> TreeReport {
        let query = ShardQuery::Stat { inode: child };
        let bytes = match self.world.query(child.shard(), &query) {
            Ok(ShardReply::Attributes(found)) => found.size,
            Err(Refusal::NotFound) => 0,
            other => panic!("{other:?}"),
        };
        let current = TreeSums {
            bytes: u128::from(bytes),
            ..TreeSums::default()
        };
        let old = TreeSums::default();
        TreeReport {
            parent,
            child,
            version: Time(1),
            totals: TreeTotals { current, old },
        }
    }

    /// A round of the leader of a shard: some reports, or their answers, are lost; some come late or twice. Says whether
    /// anything was to be done.
    fn round(&mut self, shard: ShardId, lossy: bool) -> bool {
        let work = eggs_shard::trees::pending(shard, &self.world.shards[&shard], 3).unwrap();
        let mut reports = work.reports.clone();
        let sizes = work
            .wanted
            .iter()
            .map(|(dir, file)| self.size_of(*dir, *file));
        reports.extend(sizes);
        let mut reported = work.gone.clone();
        for report in reports {
            if lossy && self.random.below(3) == 0 {
                self.late.push(report);
                continue;
            }
            let taken = self.deliver(report);
            let answered = !lossy || self.random.below(4) > 0;
            if taken && answered && report.child.is_directory() {
                reported.push((report.child, report.version));
            }
        }
        if lossy && !self.late.is_empty() {
            let at = self.random.below(self.late.len());
            let report = self.late[at];
            self.deliver(report);
        }
        let settle = ShardChange::SettleTrees { reported };
        self.world.change(shard, settle).unwrap();
        !work.is_empty()
    }

    fn deliver(&mut self, report: TreeReport) -> bool {
        let reports = vec![report];
        let change = ShardChange::ReportTrees { reports };
        match self.world.change(report.parent.shard(), change) {
            Ok(ShardReply::TreesTaken(taken)) => taken[0],
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let mut busy = false;
            for shard in self.shards() {
                busy |= self.round(shard, false);
            }
            if !busy {
                return;
            }
        }
        panic!("reports never end");
    }

    fn wrong_reports(&self) -> Vec<Finding> {
        let mut found = self.world.suspects();
        found.retain(|finding| finding.code == FindingCode::TreeReport);
        found
    }

    /// Somebody lies about what is below some directories, and from the future. That is found and put right.
    fn break_reports(&mut self) {
        let mut broken = 0;
        let directories = self.world.directories();
        for (dir, info) in directories.iter().filter(|(dir, _)| *dir != InodeId::ROOT) {
            let mut totals = self.kept(*dir);
            totals.current.files += 1;
            let report = TreeReport {
                parent: info.parent,
                child: *dir,
                version: Time(u64::MAX),
                totals,
            };
            assert!(self.deliver(report));
            broken += 1;
        }
        let found = self.wrong_reports();
        // Above a lie nobody knows better until it is found; at the bottom all do.
        assert!(found.len() <= broken && (broken == 0 || !found.is_empty()));
        // Each repair may show what was below it.
        for _ in 0..=directories.len() * directories.len() {
            let Some(finding) = self.wrong_reports().pop() else {
                return;
            };
            for step in finding.repair {
                let RepairStep::Shard(repair) = step else {
                    panic!("{step:?}")
                };
                let shard = repair.shard();
                self.world
                    .change(shard, ShardChange::Repair(repair))
                    .unwrap();
            }
            self.settle();
        }
        panic!("reports stay wrong");
    }

    fn kept(&self, dir: InodeId) -> TreeTotals {
        match self.world.query(dir.shard(), &ShardQuery::Tree { dir }) {
            Ok(ShardReply::Tree(totals)) => totals,
            other => panic!("{other:?}"),
        }
    }

    /// Counts the tree below a directory, and compares every total on the way.
    fn count(&self, dir: InodeId) -> TreeTotals {
        let mut sum = TreeTotals::default();
        for (_, inode) in self.world.list(dir) {
            sum = sum.plus(self.below(inode));
            sum.current = sum.current.plus(self.alone(inode));
        }
        for snapshot in self.world.snapshots(dir).iter().filter(|s| s.owned) {
            sum = sum.plus(self.below(snapshot.inode));
            sum.old = sum.old.plus(self.alone(snapshot.inode));
        }
        assert_eq!(self.kept(dir), sum, "{dir}");
        sum
    }

    fn below(&self, inode: InodeId) -> TreeTotals {
        if inode.is_directory() {
            self.count(inode)
        } else {
            TreeTotals::default()
        }
    }

    fn alone(&self, inode: InodeId) -> TreeSums {
        let directories = u64::from(inode.is_directory());
        let mut sums = TreeSums {
            files: 1 - directories,
            directories,
            ..TreeSums::default()
        };
        if !inode.is_directory() {
            sums.bytes = self.size_of(InodeId::ROOT, inode).totals.current.bytes;
        }
        sums
    }
}

#[test]
fn when_all_is_reported_every_total_is_right() {
    for seed in 1..=SEEDS {
        let repeat = format!("repeat with seed {seed}");
        let checked = std::panic::catch_unwind(|| {
            let mut forest = Forest::new(seed);
            for _ in 0..200 {
                forest.act();
                let shards = forest.shards();
                if !shards.is_empty() {
                    let shard = shards[forest.random.below(shards.len())];
                    forest.round(shard, true);
                }
                assert_eq!(forest.wrong_reports(), [], "reports are on their way");
            }
            forest.settle();
            assert_eq!(forest.wrong_reports(), []);
            forest.break_reports();
            forest.count(InodeId::ROOT)
        });
        let totals = checked.unwrap_or_else(|_| panic!("{repeat}"));
        assert!(totals.current.files + totals.old.files > 0, "{repeat}");
    }
}

#[test]
fn a_settled_forest_owes_nothing_and_a_burst_is_one_report() {
    let mut forest = Forest::new(1);
    let dir = forest
        .world
        .run(mkdir(at(InodeId::ROOT, "d")))
        .unwrap()
        .unwrap();
    forest.settle();
    for n in 0..50 {
        let entry = at(dir, &format!("f{n}"));
        forest.world.create_file(&entry).unwrap();
    }
    let pending = |forest: &Forest, shard: ShardId| {
        eggs_shard::trees::pending(shard, &forest.world.shards[&shard], 10).unwrap()
    };
    assert_eq!(pending(&forest, dir.shard()).reports.len(), 1);
    assert_eq!(forest.kept(InodeId::ROOT).current.files, 0);
    forest.round(dir.shard(), false);
    assert_eq!(forest.kept(InodeId::ROOT).current.files, 50);
    for shard in forest.shards() {
        assert!(pending(&forest, shard).is_empty());
    }
}
