//! After a power cut under a real store, a replica starts, and what was acknowledged is there.
//!
//! `tests/crash` does that to simulated disks, thousands of times; this is RocksDB's write-ahead log and our mark on file systems.
//! Needs root; skipped elsewhere, saying so.

#![cfg(not(feature = "sim"))]

mod forgotten;
mod on_ext4;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eggs_raft::{Group, Limits, MemoryNetwork};
use tokio::task::JoinHandle;

use crate::common::{Cluster, TIMING, command, counter, eventually, node_id, sum, within};

const GROUPS: u16 = 4;
/// Proposers of each group.
const WORKERS: u16 = 4;
/// Without power there is no answer.
const PATIENCE_MS: u64 = 300;

/// The largest sum that was acknowledged, of each group.
type Acknowledged = [AtomicU64; GROUPS as usize];

fn start_work(cluster: &Cluster, known: &Arc<Acknowledged>) -> Vec<JoinHandle<()>> {
    let numbers = 0..GROUPS * WORKERS;
    numbers
        .map(|n| tokio::spawn(work(cluster.group(0, n % GROUPS), known.clone())))
        .collect()
}

/// Adds one after the other until there is no answer any more.
async fn work(group: Group, known: Arc<Acknowledged>) {
    let at = usize::from(group.id().0);
    while let Ok(reply) = group.propose(command("a", None), within(PATIENCE_MS)).await {
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
