//! After a real power cut of a real store, a replica starts, and what was acknowledged is there.
//!
//! An ext4 file system in a file is shut down in the midst of writing, without flushing its journal, and mounted again:
//! whatever was not synced is lost, as with a power cut. `tests/crash` does that to simulated disks, thousands of times;
//! this is RocksDB's write-ahead log and our mark on a real one. Needs root; skipped elsewhere, saying so.

#![cfg(not(feature = "sim"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eggs_raft::{Group, Limits, MemoryNetwork};
use eggs_volume::Volume;
use rand::RngExt;

use crate::common::{Cluster, TIMING, command, counter, eventually, node_id, sum, within};

const CUTS: u64 = 8;
const GROUPS: u16 = 4;
/// Proposers of each group.
const WORKERS: u16 = 4;
const VOLUME_BYTES: u64 = 512 << 20;

/// The largest sum that was acknowledged, of each group.
type Acknowledged = [AtomicU64; GROUPS as usize];

/// Adds one after the other until there is no answer any more.
async fn work(group: Group, known: Arc<Acknowledged>) {
    let at = usize::from(group.id().0);
    while let Ok(reply) = group.propose(command("a", None), within(1_000)).await {
        known[at].fetch_max(sum(&reply), Ordering::SeqCst);
    }
}

fn of(known: &Acknowledged) -> Vec<u64> {
    known.iter().map(|sum| sum.load(Ordering::SeqCst)).collect()
}

/// What was acknowledged before a cut is there. What is acknowledged in the moment after it does not count: a machine without
/// power says nothing any more, while a file system that is shut down may still answer an fsync that was under way.
async fn check(cluster: &Cluster, promised: &[u64], known: &Acknowledged) {
    for (group, promised) in (0..GROUPS).zip(promised) {
        cluster.leader(group).await;
        let group = cluster.group(0, group);
        let count = |store: &dyn eggs_machine::StoreRead| counter(store, b"a").unwrap();
        let found = eventually("a read", async || {
            group.read(count, within(1_000)).await.ok()
        });
        let found = found.await;
        // What was under way may be there, too.
        let at = usize::from(group.id().0);
        let last = known[at].swap(found, Ordering::SeqCst);
        let id = group.id();
        assert!(
            found >= *promised,
            "{id}: {promised} acknowledged, {found} there"
        );
        assert!(
            found <= last + u64::from(WORKERS),
            "{id}: {found} there, {last} acknowledged"
        );
    }
}

fn cluster(dir: tempfile::TempDir) -> Cluster {
    Cluster {
        dir,
        network: MemoryNetwork::default(),
        nodes: vec![None],
        groups: GROUPS,
        first: [node_id(0)].into(),
        limits: Limits {
            reserve_bytes: 0,
            ..Limits::default()
        },
        timing: TIMING,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_power_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let (image, mounted) = (dir.path().join("image"), dir.path().join("node0"));
    let Some(volume) = Volume::new(image, mounted, VOLUME_BYTES).unwrap() else {
        return;
    };
    let mut cluster = cluster(dir);
    let known = Arc::new(Acknowledged::default());
    let mut promised = of(&known);
    for _ in 0..CUTS {
        // A replica that has lost anything it promised would not start.
        cluster.start_node(0).await;
        check(&cluster, &promised, &known).await;
        let workers: Vec<_> = (0..GROUPS * WORKERS)
            .map(|n| tokio::spawn(work(cluster.group(0, n % GROUPS), known.clone())))
            .collect();
        let pause = rand::rng().random_range(100..600);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        promised = of(&known);
        volume.cut_power().unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        cluster.crash(0).await;
        eventually("an unmounted volume", async || {
            volume.unmount().then_some(())
        })
        .await;
        assert!(volume.mount(), "the file system cannot be mounted again");
    }
    cluster.start_node(0).await;
    check(&cluster, &promised, &known).await;
    assert!(of(&known).iter().all(|sum| *sum > 50), "{:?}", of(&known));
    println!("acknowledged: {:?}", of(&known));
    cluster.crash(0).await;
    drop(volume);
}
