//! Healing and scrubbing of a cluster in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_proto::{BlockServiceId, BlockState, InodeId, ServiceState};

use crate::heal::{self, HealTally};
use crate::pass::Memory;
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
