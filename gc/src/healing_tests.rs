//! Healing and scrubbing of a cluster in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_proto::block::DamagedBlock;
use eggs_proto::{BlockServiceId, BlockState, ExtentBlock, InodeId, ServiceState};

use crate::heal::{self, HealTally};
use crate::pass::Memory;
use crate::planning::Tried;
use crate::reported::{self, ReportedTally};
use crate::scrub::{Position, PositionFile, Rate, ScrubTally, scrub_page};
use crate::testing::{ROOT, TestCluster};

const PATIENCE: Duration = Duration::from_secs(600);
const FAST: Rate = Rate {
    bytes_per_second: u64::MAX,
};

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

fn heal(cluster: &TestCluster) -> HealTally {
    run(heal::pass(cluster, PATIENCE))
}

fn scrub(cluster: &TestCluster) -> ScrubTally {
    let (mut position, mut tally) = (Position::default(), ScrubTally::default());
    while !position.is_end() {
        position = run(scrub_page(cluster, position, FAST, &mut tally)).unwrap();
    }
    tally
}

fn services(cluster: &TestCluster, file: InodeId) -> BTreeSet<BlockServiceId> {
    let blocks = cluster.blocks(file);
    assert!(blocks.iter().all(|block| block.state == BlockState::Stored));
    blocks.iter().map(|block| block.service).collect()
}

/// Everything collected: nothing is left behind by healing.
fn collect(cluster: &TestCluster) {
    let mut memory = Memory::default();
    for _ in 0..5 {
        run(crate::pass::run(cluster, &mut memory));
    }
}

#[test]
fn blocks_of_abandoned_services_move_and_nothing_is_left_over() {
    let cluster = TestCluster::new();
    let subdirectory = cluster.mkdir(ROOT, "d", 77);
    let files: Vec<InodeId> = (0..20)
        .map(|i| cluster.write([ROOT, subdirectory][i % 2], &format!("f{i}")))
        .collect();
    assert_eq!(heal(&cluster), HealTally::default());
    let gone = [BlockServiceId(2), BlockServiceId(5)];
    let on_them: u64 = files
        .iter()
        .map(|file| services(&cluster, *file).intersection(&gone.into()).count() as u64)
        .sum();
    for service in gone {
        cluster.set_state(service, ServiceState::Decommissioned);
    }
    let tally = heal(&cluster);
    assert_eq!(
        (tally.blocks, tally.waiting, tally.failures),
        (on_them, 0, 0)
    );
    for file in &files {
        let now = services(&cluster, *file);
        assert!(now.len() == 3 && gone.iter().all(|service| !now.contains(service)));
    }
    assert_eq!(heal(&cluster), HealTally::default());
    collect(&cluster);
    let usage = cluster.usage();
    assert_eq!((usage.transients, usage.garbage_blocks), (0, 0));
    assert_eq!(cluster.violations(), 0);
}

#[test]
fn without_room_blocks_wait_and_the_shard_is_not_asked() {
    let cluster = TestCluster::new();
    let file = cluster.write(ROOT, "f");
    let held = services(&cluster, file);
    for number in 1..=8 {
        let service = BlockServiceId(number);
        if !held.contains(&service) {
            cluster.set_state(service, ServiceState::NoWrite);
        }
    }
    let mut leaving = held.iter().copied();
    let (first, second) = (leaving.next().unwrap(), leaving.next().unwrap());
    cluster.set_state(first, ServiceState::Decommissioned);
    cluster.set_state(second, ServiceState::Decommissioned);
    let before = cluster.changes.get();
    let tally = heal(&cluster);
    assert_eq!((tally.blocks, tally.waiting), (0, 2), "each counts once");
    assert_eq!(cluster.changes.get(), before);
    let spare = (1..=8).map(BlockServiceId).find(|s| !held.contains(s));
    cluster.set_state(spare.unwrap(), ServiceState::Active);
    assert_eq!(heal(&cluster).blocks, 1);
}

#[test]
fn a_shard_that_does_not_answer_keeps_nobody_else_waiting() {
    let cluster = TestCluster::new();
    let subdirectory = cluster.mkdir(ROOT, "d", 77);
    let (here, there) = (cluster.write(ROOT, "f"), cluster.write(subdirectory, "g"));
    let service = *services(&cluster, here)
        .intersection(&services(&cluster, there))
        .next()
        .unwrap_or(services(&cluster, there).first().unwrap());
    cluster.set_state(service, ServiceState::Decommissioned);
    cluster.lost.borrow_mut().insert(ROOT.shard());
    let tally = heal(&cluster);
    assert_eq!((tally.blocks, tally.failures), (1, 1));
    assert!(!services(&cluster, there).contains(&service));
}

#[test]
fn a_scrub_finds_damaged_blocks_and_has_them_made_again() {
    let cluster = TestCluster::new();
    let files: Vec<InodeId> = (0..3)
        .map(|i| cluster.write(ROOT, &format!("f{i}")))
        .collect();
    let clean = scrub(&cluster);
    assert_eq!((clean.blocks, clean.damaged), (9, 0));
    let rotten = cluster.blocks(files[1])[2];
    cluster.rotten.borrow_mut().insert(rotten.block);
    let found = scrub(&cluster);
    assert_eq!((found.damaged, found.healed.blocks), (1, 1));
    assert!(
        cluster
            .blocks(files[1])
            .iter()
            .all(|block| block.block != rotten.block)
    );
    assert_eq!(scrub(&cluster).damaged, 0);
}

fn reported(cluster: &TestCluster, tried: &mut Tried, at_s: u64) -> ReportedTally {
    run(reported::round(cluster, tried, Duration::from_secs(at_s)))
}

fn report(file: InodeId, block: &ExtentBlock) -> DamagedBlock {
    DamagedBlock {
        service: block.service,
        block: block.block,
        file,
        offset: 0,
    }
}

#[test]
fn what_readers_found_damaged_is_made_again() {
    let cluster = TestCluster::new();
    let file = cluster.write(ROOT, "f");
    let before = cluster.blocks(file);
    let mut tried = Tried::default();
    assert_eq!(reported(&cluster, &mut tried, 0), ReportedTally::default());
    for bad in &before[1..] {
        cluster.rotten.borrow_mut().insert(bad.block);
        cluster.reported.borrow_mut().push(report(file, bad));
    }
    let tally = reported(&cluster, &mut tried, 5);
    assert_eq!((tally.damaged, tally.healed.blocks), (2, 2));
    let after = cluster.blocks(file);
    assert_eq!(after[0], before[0]);
    assert!(after[1].block != before[1].block && after[2].block != before[2].block);
    // They are told of until they are erased.
    let changes = cluster.changes.get();
    for at_s in [10, 100] {
        let again = reported(&cluster, &mut tried, at_s);
        assert_eq!(again, ReportedTally::default());
    }
    assert_eq!(cluster.changes.get(), changes);
    collect(&cluster);
    assert_eq!(cluster.violations(), 0);
}

#[test]
fn a_report_that_is_not_true_changes_nothing() {
    let cluster = TestCluster::new();
    let (file, other) = (cluster.write(ROOT, "f"), cluster.write(ROOT, "g"));
    let (good, bad) = (cluster.blocks(file)[0], cluster.blocks(other)[0]);
    cluster.rotten.borrow_mut().insert(bad.block);
    let elsewhere = DamagedBlock {
        offset: 4096,
        ..report(other, &bad)
    };
    let of_a_directory = report(ROOT, &bad);
    cluster.reported.borrow_mut().extend([
        report(file, &good),
        report(file, &bad),
        elsewhere,
        of_a_directory,
    ]);
    let (changes, mut tried) = (cluster.changes.get(), Tried::default());
    let tally = reported(&cluster, &mut tried, 0);
    assert_eq!(tally, ReportedTally::default());
    assert_eq!(cluster.changes.get(), changes);
    // Whoever says where it belongs is heard all the same.
    cluster.reported.borrow_mut().push(report(other, &bad));
    assert_eq!(reported(&cluster, &mut tried, 5).healed.blocks, 1);
}

#[test]
fn a_service_that_does_not_answer_keeps_no_report_from_being_heard() {
    let cluster = TestCluster::new();
    let file = cluster.write(ROOT, "f");
    let blocks = cluster.blocks(file);
    cluster.down.borrow_mut().insert(blocks[0].service);
    cluster.rotten.borrow_mut().insert(blocks[1].block);
    let (first, second) = (report(file, &blocks[0]), report(file, &blocks[1]));
    cluster.reported.borrow_mut().extend([first, second]);
    let tally = reported(&cluster, &mut Tried::default(), 0);
    assert_eq!((tally.damaged, tally.healed.blocks), (1, 1));
}

#[test]
fn what_cannot_be_asked_is_no_damage_and_what_is_beyond_repair_is_said() {
    let cluster = TestCluster::new();
    let file = cluster.write(ROOT, "f");
    let blocks = cluster.blocks(file);
    cluster.down.borrow_mut().insert(blocks[0].service);
    let found = scrub(&cluster);
    assert_eq!((found.blocks, found.damaged), (2, 0));
    cluster.down.borrow_mut().clear();
    cluster
        .rotten
        .borrow_mut()
        .extend(blocks.iter().map(|block| block.block));
    let found = scrub(&cluster);
    assert_eq!((found.damaged, found.healed.beyond), (3, 1));
    assert_eq!(cluster.blocks(file), blocks);
}

#[test]
fn a_scrub_goes_on_where_the_last_process_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let file = PositionFile::in_directory(dir.path());
    assert_eq!(file.load(), Position::default());
    let position = Position {
        shard: 7,
        after: Some(ROOT.get()),
    };
    file.save(position);
    assert_eq!(file.load(), position);
    std::fs::write(dir.path().join("scrub.json"), b"{").unwrap();
    assert_eq!(file.load(), Position::default());
}
