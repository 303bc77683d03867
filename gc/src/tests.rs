//! Passes over a cluster in memory.

use eggs_proto::shard::Usage;
use eggs_proto::{ShardId, TRANSIENT_MS};

use crate::pass::{self, Memory, Pass};
use crate::tally::Tally;
use crate::testing::{ROOT, TestCluster};

/// Passes until one has nothing to do; gives what they did together.
fn collect(cluster: &TestCluster, memory: &mut Memory) -> Tally {
    let mut total = Tally::default();
    for _ in 0..20 {
        let Pass { tally, .. } = pass(cluster, memory);
        let productive = tally.is_productive();
        total += tally;
        if !productive {
            return total;
        }
    }
    panic!("never done: {total:?}");
}

fn pass(cluster: &TestCluster, memory: &mut Memory) -> Pass {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(pass::run(cluster, memory))
}

/// What is left of an empty cluster.
fn empty() -> Usage {
    Usage {
        directories: 1,
        ..Usage::default()
    }
}

#[test]
fn an_expired_transient_file_goes_with_its_blocks() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    let (_, _, placed) = cluster.begin(ROOT);
    let before = collect(&cluster, &mut memory);
    assert_eq!(before, Tally::default());
    cluster.wait_ms(TRANSIENT_MS + 1);
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.files, did.blocks, did.failures), (1, 3, 0));
    let named: Vec<_> = placed.iter().map(|block| block.facts.block).collect();
    assert!(
        named
            .iter()
            .all(|block| cluster.erased.borrow().contains(block))
    );
    assert_eq!(cluster.usage(), empty());
}

/// Ages count in log time: a leader whose clock is ahead makes nothing old.
#[test]
fn a_clock_that_is_ahead_takes_nothing_early() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(60_000), None);
    cluster.create(ROOT, "a");
    cluster.unlink(ROOT, "a");
    cluster.ahead_ms.set(3_600_000);
    assert_eq!(collect(&cluster, &mut memory).snapshots, 0);
    cluster.wait_ms(60_000);
    assert_eq!(collect(&cluster, &mut memory).snapshots, 1);
}

#[test]
fn a_removed_tree_goes_when_its_time_has_come() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(5_000), None);
    let outer = cluster.mkdir(ROOT, "outer", 7);
    let inner = cluster.mkdir(outer, "inner", 8);
    cluster.write(inner, "deep");
    cluster.write(outer, "shallow");
    cluster.create(outer, "small");
    cluster.unlink(inner, "deep");
    cluster.rmdir(outer, "inner", inner);
    cluster.unlink(outer, "shallow");
    cluster.unlink(outer, "small");
    cluster.rmdir(ROOT, "outer", outer);
    assert_eq!(
        collect(&cluster, &mut memory),
        Tally::default(),
        "too early"
    );
    cluster.wait_ms(5_000);
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.files, did.directories, did.blocks), (3, 2, 6));
    assert_eq!((did.snapshots, did.failures), (5, 0), "{did:?}");
    assert_eq!(cluster.usage(), empty());
}

#[test]
fn policies_are_inherited_and_overridden() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    let keeping = cluster.mkdir(ROOT, "keeping", 3);
    cluster.keep(keeping, None, Some(1));
    let below = cluster.mkdir(keeping, "below", 4);
    for dir in [ROOT, below] {
        for _ in 0..4 {
            cluster.create(dir, "file");
        }
    }
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.snapshots, did.files), (3 + 2, 3 + 2));
    assert_eq!(cluster.usage().files, 1 + 2);
}

#[test]
fn a_policy_set_above_is_heeded_although_nothing_changed_below() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    let dir = cluster.mkdir(ROOT, "dir", 9);
    cluster.create(dir, "file");
    cluster.unlink(dir, "file");
    assert_eq!(collect(&cluster, &mut memory), Tally::default());
    cluster.keep(ROOT, Some(0), None);
    assert_eq!(collect(&cluster, &mut memory).files, 1);
}

#[test]
fn a_file_that_lives_on_another_shard_is_doomed_there_first() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    let far = cluster.mkdir(ROOT, "far", 20);
    let file = cluster.write(ROOT, "file");
    let transaction = cluster.begin_move(ROOT, far, "file", file);
    cluster.unlink(far, "file");
    // The move has not ended on the file's shard: its snapshot must wait, not be forgotten.
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.files, did.failures), (0, 0), "{did:?}");
    cluster.end_move(ROOT, "file", transaction);
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.files, did.blocks, did.failures), (1, 3, 0), "{did:?}");
    cluster.rmdir(ROOT, "far", far);
    collect(&cluster, &mut memory);
    assert_eq!(cluster.usage(), empty());
}

#[test]
fn garbage_of_a_dead_service_waits_and_holds_nothing_up() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    let (_, _, placed) = cluster.begin(ROOT);
    let dead = placed[0].facts.service;
    cluster.down.borrow_mut().insert(dead);
    cluster.wait_ms(TRANSIENT_MS + 1);
    let did = collect(&cluster, &mut memory);
    assert_eq!((did.files, did.blocks), (1, 2));
    assert!(did.blocks_left > 0);
    assert_eq!(cluster.usage().garbage_blocks, 1);
    cluster.down.borrow_mut().clear();
    assert_eq!(collect(&cluster, &mut memory).blocks, 1);
    assert_eq!(cluster.usage(), empty());
}

#[test]
fn a_lost_shard_is_caught_up_with() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    let dir = cluster.mkdir(ROOT, "dir", 30);
    cluster.create(dir, "file");
    cluster.unlink(dir, "file");
    cluster.create(ROOT, "other");
    cluster.unlink(ROOT, "other");
    cluster.lost.borrow_mut().insert(ShardId(30));
    let did = collect(&cluster, &mut memory);
    assert_eq!(did.files, 1);
    assert!(did.failures > 0);
    cluster.lost.borrow_mut().clear();
    assert_eq!(collect(&cluster, &mut memory).files, 1);
}

#[test]
fn without_its_policy_nothing_of_a_directory_is_collected() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    let dir = cluster.mkdir(ROOT, "dir", 30);
    cluster.create(dir, "file");
    cluster.unlink(dir, "file");
    cluster.lost.borrow_mut().insert(ROOT.shard());
    assert_eq!(collect(&cluster, &mut memory).files, 0);
}

#[test]
fn an_idle_cluster_costs_one_small_query_per_shard() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    let dir = cluster.mkdir(ROOT, "dir", 5);
    cluster.create(dir, "file");
    cluster.unlink(dir, "file");
    cluster.begin(dir);
    collect(&cluster, &mut memory);
    let (queries, changes) = (cluster.queries.get(), cluster.changes.get());
    let Pass { facts, .. } = pass(&cluster, &mut memory);
    assert_eq!(cluster.queries.get() - queries, 256);
    assert_eq!(cluster.changes.get(), changes);
    assert!(!facts.changed && !facts.productive);
    let due = facts.due_in_ms.unwrap();
    assert!(due > 0 && due <= TRANSIENT_MS, "{due}");
}

#[test]
fn a_directory_that_is_still_full_waits_without_writing_to_any_log() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    let dir = cluster.mkdir(ROOT, "dir", 5);
    cluster.keep(dir, None, None);
    cluster.create(dir, "file");
    cluster.unlink(dir, "file");
    cluster.rmdir(ROOT, "dir", dir);
    assert_eq!(collect(&cluster, &mut memory).directories, 0);
    let changes = cluster.changes.get();
    pass(&cluster, &mut memory);
    assert_eq!(cluster.changes.get(), changes);
    cluster.keep(ROOT, Some(1), None);
    assert_eq!(collect(&cluster, &mut memory).directories, 0);
    assert_eq!(cluster.usage().files, 1);
}

#[test]
fn many_files_go_in_few_passes() {
    let (cluster, mut memory) = (TestCluster::new(), Memory::default());
    cluster.keep(ROOT, Some(0), None);
    for number in 0..1500 {
        let name = format!("file{number}");
        cluster.create(ROOT, &name);
        cluster.unlink(ROOT, &name);
    }
    let did = pass(&cluster, &mut memory).tally;
    assert_eq!((did.files, did.snapshots), (1500, 1500));
}

/// How a test of coming back begins: the directory that held it, and its snapshot.
type Removed = (eggs_proto::InodeId, eggs_proto::shard::Snapshot);

/// Whoever comes back between any two requests of the collector stays, or is refused and goes for good.
fn comes_back_or_goes(begin: impl Fn(&TestCluster) -> Removed) {
    let mut kept = [0, 0];
    for number in 0..1000 {
        let (cluster, mut memory) = (TestCluster::new(), Memory::default());
        cluster.keep(ROOT, Some(5_000), None);
        let (dir, snapshot) = begin(&cluster);
        collect(&cluster, &mut memory); // learns when it becomes due
        cluster.wait_ms(6_000);
        let back = std::rc::Rc::new(std::cell::Cell::new(None));
        let (told, wanted) = (back.clone(), snapshot.clone());
        let first = cluster.queries.get() + cluster.changes.get() + number;
        let deed = move |cluster: &TestCluster| {
            told.set(Some(cluster.undelete(dir, &wanted).is_ok()));
        };
        cluster.meanwhile.borrow_mut().push((first, Box::new(deed)));
        collect(&cluster, &mut memory);
        let Some(back) = back.get() else {
            assert!(kept[0] > 0 && kept[1] > 0, "{kept:?}");
            return; // the collector was done before
        };
        cluster.wait_ms(100_000);
        collect(&cluster, &mut memory);
        kept[usize::from(back)] += 1;
        let found = cluster.lookup(dir, "back");
        assert_eq!(found, back.then_some(snapshot.inode), "request {number}");
        assert_eq!(cluster.usage().files, u64::from(back), "request {number}");
        let erased = cluster.erased.borrow().len();
        assert_eq!(erased, if back { 0 } else { 3 }, "request {number}");
        assert_eq!(cluster.violations(), 0);
    }
    panic!("the collector never ends");
}

#[test]
fn a_file_that_comes_back_is_not_collected() {
    comes_back_or_goes(|cluster| {
        cluster.write(ROOT, "f");
        cluster.unlink(ROOT, "f");
        (ROOT, cluster.only_snapshot(ROOT))
    });
}

#[test]
fn a_file_of_another_shard_that_comes_back_is_not_collected() {
    comes_back_or_goes(|cluster| {
        let dir = cluster.mkdir(ROOT, "d", 9);
        let file = cluster.write(ROOT, "f");
        let transaction = cluster.begin_move(ROOT, dir, "f", file);
        cluster.end_move(ROOT, "f", transaction);
        cluster.unlink(dir, "f");
        (dir, cluster.only_snapshot(dir))
    });
}

#[test]
fn a_directory_that_comes_back_is_not_collected() {
    let mut kept = [0, 0];
    for first in 0..2000 {
        let pause = first % 4; // requests between two steps
        let (cluster, mut memory) = (TestCluster::new(), Memory::default());
        cluster.keep(ROOT, Some(5_000), None);
        let dir = cluster.mkdir(ROOT, "d", 9);
        cluster.rmdir(ROOT, "d", dir);
        let snapshot = cluster.only_snapshot(ROOT);
        collect(&cluster, &mut memory); // learns when it becomes due
        cluster.wait_ms(6_000);
        let at = cluster.queries.get() + cluster.changes.get() + first;
        // The steps of the coordinator, one after another, as long as none is refused.
        let going = std::rc::Rc::new(std::cell::Cell::new(true));
        for step in 0..4 {
            let (going, wanted) = (going.clone(), snapshot.clone());
            let deed = move |cluster: &TestCluster| {
                if going.get() {
                    going.set(cluster.undelete_step(ROOT, &wanted, step));
                    assert!(going.get() || step == 0, "step {step} of {first} {pause}");
                }
            };
            let due = at + step as u64 * pause;
            cluster.meanwhile.borrow_mut().push((due, Box::new(deed)));
        }
        collect(&cluster, &mut memory);
        if cluster.meanwhile.borrow().len() == 4 {
            assert!(kept[0] > 0 && kept[1] > 0, "{kept:?}");
            return; // the collector was done before
        }
        while !cluster.meanwhile.borrow().is_empty() {
            collect(&cluster, &mut memory);
        }
        cluster.wait_ms(100_000);
        collect(&cluster, &mut memory);
        let back = going.get();
        kept[usize::from(back)] += 1;
        assert_eq!(cluster.lookup(ROOT, "back"), back.then_some(dir));
        assert_eq!(cluster.usage().directories, 1 + u64::from(back));
        assert_eq!(cluster.violations(), 0);
    }
    panic!("the collector never ends");
}
