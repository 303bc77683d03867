//! Three nodes in one process.

use std::sync::Arc;

use eggs_proto::{GroupId, RequestId};
use eggs_raft::{Limits, ProposeError, ReadError};

use crate::common::{self, Cluster, TIMING, command, counter, eventually, node_id, sum, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposes_and_reads() {
    let cluster = Cluster::start(3, 2).await;
    assert_eq!(cluster.add(0, "a").await, 1);
    assert_eq!(cluster.add(0, "a").await, 2);
    assert_eq!(cluster.add(1, "a").await, 1); // groups know nothing of each other
    let leader = cluster.leader(0).await;
    let read = |store: &dyn eggs_machine::StoreRead| counter(store, b"a").unwrap();
    let got = cluster.group(leader, 0).read(read, within(3_000)).await;
    assert_eq!(got, Ok(2));
    let follower = cluster.group((leader + 1) % 3, 0);
    let refused = follower.read(read, within(3_000)).await;
    assert_eq!(
        refused,
        Err(ReadError::NotLeader {
            leader: Some(node_id(leader))
        })
    );
    let refused = follower.propose(command("a", None), within(3_000)).await;
    assert_eq!(
        refused,
        Err(ProposeError::NotLeader {
            leader: Some(node_id(leader))
        })
    );
    eventually("the follower", async || {
        (follower.read_local(read) == 2).then_some(())
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn works_on_one_thread() {
    let cluster = Cluster::start(3, 4).await;
    for group in 0..4 {
        assert_eq!(cluster.add(group, "a").await, 1);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_one_works_and_comes_back() {
    let mut cluster = Cluster::start(1, 1).await;
    assert_eq!(cluster.add(0, "a").await, 1);
    cluster.crash(0).await;
    cluster.start_node(0).await;
    assert_eq!(cluster.add(0, "a").await, 2);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_leads_when_the_leader_is_gone_and_nothing_is_lost() {
    let mut cluster = Cluster::start(3, 1).await;
    for expected in 1..=20 {
        assert_eq!(cluster.add(0, "a").await, expected);
    }
    let first = cluster.leader(0).await;
    cluster.crash(first).await;
    assert_eq!(cluster.add(0, "a").await, 21);
    let second = cluster.leader(0).await;
    assert_ne!(first, second);
    cluster.start_node(first).await;
    eventually("the restarted node", async || {
        let group = cluster.group(first, 0);
        let has = group.read_local(|store| counter(store, b"a").unwrap());
        (has == 21).then_some(())
    })
    .await;
    // All at once, as in a power cut.
    for index in 0..3 {
        cluster.crash(index).await;
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    assert_eq!(cluster.add(0, "a").await, 22);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_through_another_leader_gets_the_first_reply() {
    let mut cluster = Cluster::start(3, 1).await;
    let id = RequestId {
        client: 7,
        sequence: 1,
    };
    let named = command("a", Some(id));
    let first = cluster.propose(0, &named).await;
    assert_eq!(sum(&first), 1);
    let leader = cluster.leader(0).await;
    cluster.crash(leader).await;
    assert_eq!(cluster.add(0, "a").await, 2);
    assert_eq!(cluster.propose(0, &named).await, first);
    assert_eq!(cluster.add(0, "a").await, 3);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_share_an_entry() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "warm").await;
    let leader = cluster.leader(0).await;
    let group = cluster.group(leader, 0);
    let before = group.status().applied.unwrap();
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let group = group.clone();
            tokio::spawn(async move { group.propose(command("a", None), within(10_000)).await })
        })
        .collect();
    let mut sums = Vec::new();
    for task in tasks {
        sums.push(sum(&task.await.unwrap().unwrap()));
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=500).collect::<Vec<_>>());
    let entries = group.status().applied.unwrap() - before;
    assert!(entries < 250, "{entries} entries for 500 commands");
    cluster.shutdown().await;
}

/// Each of them is far from being long or large by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_are_too_large_together_are_purged() {
    let limits = Limits {
        logs_bytes: 60_000,
        kept_entries: 10,
        ..Limits::default()
    };
    let mut cluster = Cluster::start_with(3, 3, limits, TIMING).await;
    let name = "n".repeat(200);
    for _ in 0..150 {
        cluster.add(0, &name).await;
        cluster.add(1, &name).await;
    }
    cluster.add(2, &name).await;
    for (index, group) in (0..3).flat_map(|index| [(index, 0), (index, 1)]) {
        eventually("a purge", async || {
            let purged = cluster.group(index, group).status().purged;
            purged.filter(|purged| *purged > 50)
        })
        .await;
    }
    let small = cluster.group(0, 2).status();
    assert_eq!(small.purged, None, "it is not the reason");
    cluster.crash(0).await;
    cluster.start_node(0).await;
    assert_eq!(cluster.add(0, &name).await, 151);
    assert_eq!(cluster.add(2, &name).await, 2);
    let seen = |store: &dyn eggs_machine::StoreRead| counter(store, name.as_bytes()).unwrap();
    eventually("a replica that has everything", async || {
        (cluster.group(0, 1).read_local(seen) == 150).then_some(())
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_fell_behind_gets_a_checkpoint() {
    let limits = Limits {
        checkpoint_entries: 50,
        kept_entries: 10,
        ..Limits::default()
    };
    let mut cluster = Cluster::start_with(3, 2, limits, TIMING).await;
    cluster.add(0, "a").await;
    let leader = cluster.leader(0).await;
    let behind = (leader + 1) % 3;
    cluster.crash(behind).await;
    let mut sum = 1;
    for n in 0..300 {
        sum = cluster.add(0, "a").await;
        cluster.add(0, &format!("n{n}")).await;
    }
    eventually("a purge", async || {
        cluster
            .group(leader, 0)
            .status()
            .purged
            .filter(|p| *p > 100)
    })
    .await;
    cluster.start_node(behind).await;
    let read = |store: &dyn eggs_machine::StoreRead| {
        (
            counter(store, b"a").unwrap(),
            counter(store, b"n299").unwrap(),
        )
    };
    eventually("the follower", async || {
        (cluster.group(behind, 0).read_local(read) == (sum, 1)).then_some(())
    })
    .await;
    // It got a checkpoint, not entries: its log begins late. And what it got is durable.
    eventually("a log that begins late", async || {
        (cluster.group(behind, 0).status().purged > Some(100)).then_some(())
    })
    .await;
    cluster.crash(behind).await;
    cluster.start_node(behind).await;
    assert_eq!(cluster.group(behind, 0).read_local(read), (sum, 1));
    cluster.add(0, "a").await;
    eventually("the follower again", async || {
        (cluster.group(behind, 0).read_local(read) == (sum + 1, 1)).then_some(())
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_are_spread_and_handed_over() {
    let cluster = Cluster::start(3, 12).await;
    for group in 0..12u16 {
        eventually("the preferred leader", async || {
            (cluster.leader(group).await == u32::from(group) % 3).then_some(())
        })
        .await;
    }
    let group = cluster.group(0, 3);
    let mut watch = group.changed();
    group.transfer_leader(node_id(1)).await;
    eventually("the heir", async || {
        (watch.changed().await?.leader == Some(node_id(1))).then_some(())
    })
    .await;
    assert_eq!(cluster.add(3, "a").await, 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_cut_off_answers_nothing() {
    let cluster = Cluster::start(3, 1).await;
    cluster.add(0, "a").await;
    let old = cluster.leader(0).await;
    let others = [(old + 1) % 3, (old + 2) % 3];
    for other in others {
        cluster.network.cut(node_id(old), node_id(other));
    }
    let new = eventually("a new leader", async || {
        others
            .into_iter()
            .find(|index| cluster.group(*index, 0).is_leader())
    })
    .await;
    let group = cluster.group(new, 0);
    assert_eq!(
        sum(&group
            .propose(command("a", None), within(3_000))
            .await
            .unwrap()),
        2
    );
    let deposed = cluster.group(old, 0);
    let read = |store: &dyn eggs_machine::StoreRead| counter(store, b"a").unwrap();
    assert!(deposed.read(read, within(500)).await.is_err());
    let refused = deposed.propose(command("a", None), within(500)).await;
    assert!(refused.is_err());
    cluster.network.heal();
    assert_eq!(cluster.add(0, "a").await, 3);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_kept_and_nonsense_is_answered() {
    let cluster = Cluster::start(1, 1).await;
    cluster.add(0, "a").await;
    let group = cluster.group(0, 0);
    let huge = "x".repeat(eggs_proto::BATCH_BYTES_MAX + 1);
    let refused = group.propose(command(&huge, None), within(1_000)).await;
    assert_eq!(refused, Err(ProposeError::TooLarge));
    let node = Arc::clone(cluster.nodes[0].as_ref().unwrap());
    assert!(node.group(GroupId(9)).is_none());
    for body in [
        &b""[..],
        b"\x01",
        b"\x07nonsense",
        b"\x01\0\0\xff\xff\xff\xff",
    ] {
        let (answer, _) = node
            .handle_peer(body.to_vec().into(), Vec::new().into())
            .await;
        assert!(!answer.is_empty());
    }
    drop(node);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_replays_what_the_state_had_not_flushed() {
    let limits = Limits {
        checkpoint_entries: 50,
        kept_entries: 10,
        ..Limits::default()
    };
    let mut cluster = Cluster::start_with(1, 3, limits, TIMING).await;
    for expected in 1..=200 {
        assert_eq!(cluster.add(0, "a").await, expected);
        assert_eq!(cluster.add(1, "b").await, expected);
    }
    eventually("a purge", async || {
        cluster.group(0, 0).status().purged.filter(|p| *p > 50)
    })
    .await;
    for expected in 201..=220 {
        assert_eq!(cluster.add(0, "a").await, expected);
    }
    // What `kill -9` would leave, while the process still holds newer state in memory.
    let image = cluster.dir.path().join("image");
    common::copy(&cluster.path(0), &image);
    cluster.crash(0).await;
    std::fs::remove_dir_all(cluster.path(0)).unwrap();
    std::fs::rename(image, cluster.path(0)).unwrap();
    cluster.start_node(0).await;
    assert_eq!(cluster.add(0, "a").await, 221);
    assert_eq!(cluster.add(1, "b").await, 201);
    cluster.shutdown().await;
}
