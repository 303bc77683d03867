//! Reads on followers: they miss nothing that was answered, or are not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use eggs_machine::StoreRead;
use eggs_raft::{Group, ReadError};

use crate::common::{Cluster, command, counter, eventually, node_id, sum, within};

fn count(store: &dyn StoreRead) -> u64 {
    counter(store, b"a").unwrap()
}

async fn read(group: &Group, deadline: Instant) -> Result<u64, ReadError> {
    let point = group.ready_to_read_anywhere(deadline).await?;
    Ok(group.read_at(point, count).expect("no checkpoint is about"))
}

/// Reads again after refusals that a client would follow.
async fn read_at_last(group: &Group) -> u64 {
    eventually("an answer", async || read(group, within(3_000)).await.ok()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_sees_what_was_answered_before() {
    let cluster = Cluster::start(3, 2).await;
    cluster.add(0, "a").await;
    for _ in 0..100 {
        let written = cluster.add(0, "a").await;
        for index in 0..3 {
            assert_eq!(read_at_last(&cluster.group(index, 0)).await, written);
        }
    }
    assert_eq!(read_at_last(&cluster.group(1, 1)).await, 0); // groups know nothing of each other
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_keep_up_with_writers() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "a").await;
    let leader = cluster.leader(0).await;
    let (acknowledged, end) = (Arc::new(AtomicU64::new(1)), within(1_500));
    let writers = (0..4).map(|_| {
        let (group, acknowledged) = (cluster.group(leader, 0), acknowledged.clone());
        tokio::spawn(async move {
            while Instant::now() < end {
                if let Ok(reply) = group.propose(command("a", None), within(3_000)).await {
                    acknowledged.fetch_max(sum(&reply), Ordering::SeqCst);
                }
            }
        })
    });
    let readers = (0..12).map(|n| {
        let (group, acknowledged) = (cluster.group(n % 3, 0), acknowledged.clone());
        tokio::spawn(async move {
            let mut answers = 0;
            while Instant::now() < end {
                // A leader that is certain answers without waiting for anything.
                tokio::task::yield_now().await;
                let before = acknowledged.load(Ordering::SeqCst);
                if let Ok(seen) = read(&group, within(3_000)).await {
                    assert!(
                        seen >= before,
                        "{seen} was read after {before} was answered"
                    );
                    answers += 1;
                }
            }
            answers
        })
    });
    let (writers, readers): (Vec<_>, Vec<_>) = (writers.collect(), readers.collect());
    for reader in readers {
        assert!(reader.await.unwrap() > 10, "hardly anything was read");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_wait_share_a_question() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "a").await;
    let follower = (cluster.leader(0).await + 1) % 3;
    read_at_last(&cluster.group(follower, 0)).await;
    let before = cluster.network.frames();
    let reads = (0..1_000).map(|_| {
        let group = cluster.group(follower, 0);
        tokio::spawn(async move { read(&group, within(5_000)).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap(), Ok(1));
    }
    let frames = cluster.network.frames() - before;
    assert!(frames < 300, "{frames} frames for 1000 reads");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_without_its_leader_answers_nothing() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "a").await;
    let leader = cluster.leader(0).await;
    let follower = cluster.group((leader + 1) % 3, 0);
    read_at_last(&follower).await;
    for other in [leader, (leader + 2) % 3] {
        cluster
            .network
            .cut(node_id((leader + 1) % 3), node_id(other));
    }
    assert_eq!(cluster.add(0, "a").await, 2);
    let begin = Instant::now();
    let refused = read(&follower, within(400)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(begin.elapsed().as_millis() < 1_000, "the deadline holds");
    // What it had is still there: it only cannot be sure.
    assert_eq!(follower.read_local(count), 1);
    cluster.network.heal();
    assert_eq!(read_at_last(&follower).await, 2);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_a_deposed_leader_answers_nothing() {
    let cluster = Cluster::start(5, 1).await;
    cluster.add(0, "a").await;
    let old = cluster.leader(0).await;
    let (loyal, others) = ((old + 1) % 5, [(old + 2) % 5, (old + 3) % 5, (old + 4) % 5]);
    for other in others {
        cluster.network.cut(node_id(old), node_id(other));
        cluster.network.cut(node_id(loyal), node_id(other));
    }
    let new = eventually("a new leader", async || {
        let leads = |index: &u32| cluster.group(*index, 0).is_leader();
        others.into_iter().find(leads)
    })
    .await;
    let added = eventually("a reply", async || {
        let group = cluster.group(new, 0);
        group.propose(command("a", None), within(3_000)).await.ok()
    })
    .await;
    assert_eq!(sum(&added), 2);
    assert_eq!(cluster.group(loyal, 0).leader(), Some(node_id(old)));
    for index in [old, loyal] {
        let refused = read(&cluster.group(index, 0), within(1_000)).await;
        assert!(refused.is_err(), "{index}: {refused:?}");
    }
    for index in others {
        assert_eq!(read_at_last(&cluster.group(index, 0)).await, 2);
    }
    cluster.network.heal();
    assert_eq!(read_at_last(&cluster.group(loyal, 0)).await, 2);
    cluster.shutdown().await;
}
