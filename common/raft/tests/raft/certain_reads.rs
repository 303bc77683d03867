//! Reads that are answered without asking the core are as certain as those that are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eggs_raft::{Group, Limits, ReadError, Timing};

use crate::common::{Cluster, command, counter, eventually, node_id, sum, within};

/// Leases that outlive everything in a test.
const LONG: Timing = Timing {
    heartbeat_ms: 500,
    election_ms_min: 2_000,
    election_ms_max: 10_000,
};

async fn read(group: &Group, deadline: Instant) -> Result<u64, ReadError> {
    let count = |store: &dyn eggs_machine::StoreRead| counter(store, b"a").unwrap();
    group.read(count, deadline).await
}

/// A hand-over does not wait for leases. The old leader has one for long, and does not hear that it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_handed_over_answers_nothing_old() {
    let cluster = Cluster::start_with(3, 1, Limits::default(), LONG).await;
    for round in 1..=3 {
        let old = cluster.leader(0).await;
        let (heir, other) = ((old + 1) % 3, (old + 2) % 3);
        let leader = cluster.group(old, 0);
        let before = cluster.add(0, "a").await;
        assert_eq!(before, 2 * round - 1);
        assert_eq!(read(&leader, within(10_000)).await, Ok(before));
        for deafens in [heir, other] {
            cluster.network.cut_one_way(node_id(deafens), node_id(old));
        }
        leader.transfer_leader(node_id(heir)).await;
        let heir = cluster.group(heir, 0);
        let added = eventually("the heir's reply", async || {
            let added = heir.propose(command("a", None), within(3_000)).await;
            added.ok()
        })
        .await;
        assert_eq!(sum(&added), before + 1);
        let seen = read(&leader, within(300)).await;
        assert!(seen != Ok(before), "{before} was read after {}", before + 1);
        cluster.network.heal();
        eventually("the old leader follows", async || {
            (!leader.is_leader()).then_some(())
        })
        .await;
    }
    cluster.shutdown().await;
}

/// Leadership goes round while all that believe to have it are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_old_is_read_while_leadership_goes_round() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "a").await;
    let (acknowledged, end) = (Arc::new(AtomicU64::new(1)), within(3_000));
    let groups: Vec<Group> = (0..3).map(|index| cluster.group(index, 0)).collect();
    let writers = groups.clone().into_iter().map(|group| {
        let acknowledged = acknowledged.clone();
        tokio::spawn(async move {
            while Instant::now() < end {
                match group.propose(command("a", None), within(500)).await {
                    Ok(reply) => drop(acknowledged.fetch_max(sum(&reply), Ordering::SeqCst)),
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        })
    });
    let readers = groups.clone().into_iter().map(|group| {
        let acknowledged = acknowledged.clone();
        tokio::spawn(async move {
            let mut answers = 0;
            while Instant::now() < end {
                let before = acknowledged.load(Ordering::SeqCst);
                match read(&group, within(500)).await {
                    Ok(seen) => {
                        assert!(seen >= before, "{seen} was read after {before}");
                        answers += 1;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
            answers
        })
    });
    let (writers, readers): (Vec<_>, Vec<_>) = (writers.collect(), readers.collect());
    let mut hand_overs = 0;
    while Instant::now() < end {
        for (index, group) in groups.iter().enumerate() {
            if group.is_leader() {
                let heir = u32::try_from((index + 1) % 3).unwrap();
                group.transfer_leader(node_id(heir)).await;
                hand_overs += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answers = 0;
    for reader in readers {
        answers += reader.await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(
        hand_overs > 3 && answers > 100,
        "{hand_overs} hand-overs, {answers} reads"
    );
    cluster.shutdown().await;
}
