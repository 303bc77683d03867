//! Replicas that have left their group give their state away, and get it back when the group does.

use std::time::Duration;

use eggs_proto::GroupId;
use eggs_proto::meta::GroupMembers;
use eggs_raft::Limits;

use crate::common::{Cluster, Load, TIMING, counter, eventually, has_all, node_id, within};

const SOON: Limits = Limits {
    waiting_commands_max: 4096,
    checkpoint_entries: 10_000,
    checkpoint_bytes: 64 << 20,
    logs_bytes: 512 << 20,
    kept_entries: 1_000,
    left_kept_ms: 500,
    block_cache_bytes: 8 << 20,
    log_buffer_bytes: 4 << 20,
    state_buffer_bytes: 4 << 20,
    reserve_bytes: 0,
};

fn seen(cluster: &Cluster, index: u32, name: &str) -> u64 {
    let group = cluster.group(index, 0);
    group.read_local(|store| counter(store, name.as_bytes()).unwrap())
}

async fn has_some(cluster: &Cluster, index: u32, count: u64) {
    eventually("a replica that has applied all", async || {
        (seen(cluster, index, "some") == count).then_some(())
    })
    .await;
}

/// What a registry would do: everybody hears who takes part now.
async fn tell_everybody(cluster: &Cluster) {
    let leader = cluster.leader(0).await;
    let members = eventually("members that are decided", async || {
        let node = cluster.nodes[leader as usize].as_ref()?;
        let all = node.decided_members();
        all.into_iter()
            .find(|m: &GroupMembers| m.group == GroupId(0))
    })
    .await;
    for node in cluster.nodes.iter().flatten() {
        node.hear_of_members(std::slice::from_ref(&members));
    }
}

async fn is_hollow(cluster: &Cluster, index: u32) {
    eventually("a replica that has given its state away", async || {
        let status = cluster.group(index, 0).status();
        (status.purged.is_some() && status.purged == status.applied).then_some(())
    })
    .await;
    assert_eq!(seen(cluster, index, "some"), 0);
    let group = cluster.group(index, 0);
    assert!(!group.is_member());
    assert!(group.ready_to_read_anywhere(within(300)).await.is_err());
}

async fn start() -> Cluster {
    let cluster = Cluster::start_with(3, 1, SOON, TIMING).await;
    for _ in 0..20 {
        cluster.add(0, "some").await;
    }
    for index in 0..3 {
        has_some(&cluster, index, 20).await;
    }
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn space_comes_back_and_so_does_the_state() {
    let mut cluster = start().await;
    let new = cluster.add_node().await;
    let leader = cluster.leader(0).await;
    let old = (leader + 1) % 3;
    cluster.replace(0, old, new).await;
    tell_everybody(&cluster).await;
    is_hollow(&cluster, old).await;
    // It stays so, and asks for no votes.
    cluster.crash(old).await;
    cluster.start_node(old).await;
    let term = cluster.group(leader, 0).status().term;
    tokio::time::sleep(Duration::from_millis(3 * TIMING.election_ms_max)).await;
    is_hollow(&cluster, old).await;
    assert_eq!(cluster.group(leader, 0).status().term, term);
    // Its leader has the whole log, and keeps getting more.
    assert!(cluster.group(leader, 0).status().purged.is_none());
    let load = Load::start(cluster.network.clone(), 0);
    cluster.replace(0, new, old).await;
    assert!(cluster.group(leader, 0).status().purged.is_some());
    // It counts: with the one that is lost there would be no majority without it.
    let other = (leader + 2) % 3;
    cluster.crash(other).await;
    cluster.add(0, "some").await;
    let count = load.end().await;
    has_all(&cluster, old, 0, count).await;
    has_some(&cluster, old, 21).await;
    // It leads: the other one lacks what these two have acknowledged.
    cluster.crash(leader).await;
    cluster.start_node(other).await;
    assert_eq!(cluster.add(0, "some").await, 22);
    assert_eq!(cluster.leader(0).await, old);
    cluster.crash(old).await;
    cluster.start_node(old).await;
    has_all(&cluster, old, 0, count).await;
    has_some(&cluster, old, 22).await;
    assert!(cluster.group(old, 0).is_member());
    cluster.shutdown().await;
}

/// Whoever is not there does not keep the leader from purging what it would need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hollow_replica_takes_the_place_of_one_that_is_lost() {
    let mut cluster = start().await;
    let new = cluster.add_node().await;
    let leader = cluster.leader(0).await;
    let (old, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.replace(0, old, new).await;
    tell_everybody(&cluster).await;
    is_hollow(&cluster, old).await;
    cluster.crash(other).await;
    cluster.add(0, "some").await;
    cluster.replace(0, other, old).await;
    cluster.crash(new).await;
    assert_eq!(cluster.add(0, "some").await, 22);
    has_some(&cluster, old, 22).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_only_told_that_it_has_left_gives_its_state_away_too() {
    let mut cluster = start().await;
    let new = cluster.add_node().await;
    let leader = cluster.leader(0).await;
    let old = (leader + 1) % 3;
    cluster.network.cut(node_id(old), node_id(leader));
    cluster.replace(0, old, new).await;
    // It still follows a leader whom it does not hear; nobody has told it anything.
    tokio::time::sleep(Duration::from_millis(4 * SOON.left_kept_ms)).await;
    assert_eq!(seen(&cluster, old, "some"), 20);
    cluster.network.heal();
    tell_everybody(&cluster).await;
    is_hollow(&cluster, old).await;
    cluster.replace(0, new, old).await;
    cluster.crash((leader + 2) % 3).await;
    assert_eq!(cluster.add(0, "some").await, 21);
    has_some(&cluster, old, 21).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_still_hears_its_leader_keeps_its_state_whatever_others_say() {
    let cluster = start().await;
    let leader = cluster.leader(0).await;
    let follower = (leader + 1) % 3;
    let load = Load::start(cluster.network.clone(), 0);
    let wrong = GroupMembers {
        group: GroupId(0),
        version: u64::MAX - 1,
        voters: vec![node_id(leader), node_id((leader + 2) % 3), node_id(3)],
    };
    let node = cluster.nodes[follower as usize].as_ref().unwrap();
    node.hear_of_members(&[wrong]);
    tokio::time::sleep(Duration::from_millis(6 * SOON.left_kept_ms)).await;
    assert_eq!(seen(&cluster, follower, "some"), 20);
    let count = load.end().await;
    has_all(&cluster, follower, 0, count).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_leave_and_come_back_all_the_time_lose_nothing() {
    let limits = Limits {
        left_kept_ms: 1,
        checkpoint_entries: 50,
        kept_entries: 10,
        ..SOON
    };
    let mut cluster = Cluster::start_with(3, 1, limits, TIMING).await;
    let load = Load::start(cluster.network.clone(), 0);
    let mut spare = cluster.add_node().await;
    for round in 0..12u64 {
        let leader = cluster.leader(0).await;
        let voters = cluster.voters(0).await;
        let mut others = voters.into_iter().filter(|index| *index != leader);
        let leaves = others.nth(round as usize % 2).unwrap();
        cluster.replace(0, leaves, spare).await;
        tell_everybody(&cluster).await;
        tokio::time::sleep(Duration::from_millis(round * 230)).await;
        if round % 3 == 2 {
            cluster.crash(leaves).await;
            cluster.start_node(leaves).await;
        }
        spare = leaves;
    }
    let count = load.end().await;
    for voter in cluster.voters(0).await {
        has_all(&cluster, voter, 0, count).await;
    }
    cluster.shutdown().await;
}
