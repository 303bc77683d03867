//! Members of a group come and go, under load, with crashes in the middle.

use std::time::Duration;

use eggs_raft::{ChangeError, Limits, MemberChange};

use crate::common::{
    Cluster, Load, TIMING, command, eventually, has_all, load_seen, node_id, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroyed_replica_is_replaced_under_load_and_redundancy_is_back() {
    let mut cluster = Cluster::start(3, 3).await;
    let loads: Vec<_> = (0..3)
        .map(|group| Load::start(cluster.network.clone(), group))
        .collect();
    cluster.destroy(1).await;
    let new = cluster.add_node().await;
    assert!(!cluster.group(new, 0).is_leader());
    for group in 0..3 {
        cluster.replace(group, 1, new).await;
        cluster.replace(group, 1, new).await; // is so already
        assert_eq!(cluster.voters(group).await, [0, 2, 3]);
    }
    // One more is lost: the new one counts.
    cluster.crash(0).await;
    let before: Vec<u64> = (0..3).map(|g| load_seen(&cluster, new, g)).collect();
    eventually("progress of every group", async || {
        let more = (0..3).all(|g| load_seen(&cluster, new, g) > before[usize::from(g)] + 5);
        more.then_some(())
    })
    .await;
    for (group, load) in (0..3).zip(loads) {
        let count = load.end().await;
        has_all(&cluster, new, group, count).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_leader_crashes_is_finished_by_whoever_repeats_it() {
    let mut cluster = Cluster::start(3, 1).await;
    let load = Load::start(cluster.network.clone(), 0);
    let mut spare = cluster.add_node().await;
    for round in 0..6u64 {
        let leader = cluster.leader(0).await;
        let voters = cluster.voters(0).await;
        let leaves = voters.into_iter().find(|index| *index != leader).unwrap();
        cluster
            .change(0, MemberChange::AddLearner(node_id(spare)))
            .await;
        let promote = MemberChange::Promote {
            add: node_id(spare),
            remove: Some(node_id(leaves)),
        };
        eventually("a learner that is up to date", async || {
            let status = cluster.group(leader, 0).status();
            let matched = status.progress.get(&node_id(spare))?.matched?;
            (matched + 8 >= status.last_log?).then_some(())
        })
        .await;
        let group = cluster.group(leader, 0);
        let changing =
            tokio::spawn(async move { group.change_members(promote, within(2_000)).await });
        tokio::time::sleep(Duration::from_micros(300 * round * round)).await;
        cluster.crash(leader).await;
        let _ = changing.await; // whatever it was
        cluster.start_node(leader).await;
        if round % 2 == 0 {
            // Nobody repeats it: it is not left half done.
            eventually("whole or nothing", async || {
                let leader = cluster.leader(0).await;
                let members = cluster.group(leader, 0).status().members;
                (!members.is_joint()).then_some(())
            })
            .await;
        }
        cluster
            .change(0, MemberChange::AddLearner(node_id(spare)))
            .await;
        cluster.change(0, promote).await;
        let voters = cluster.voters(0).await;
        assert!(voters.len() == 3 && voters.contains(&spare) && !voters.contains(&leaves));
        spare = leaves; // comes back later with what it had
    }
    let count = load.end().await;
    for index in cluster.voters(0).await {
        has_all(&cluster, index, 0, count).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_learner_disturbs_nobody_and_is_taken_out() {
    let mut cluster = Cluster::start(3, 1).await;
    cluster.add(0, "load").await;
    let lost = cluster.add_node().await;
    cluster
        .change(0, MemberChange::AddLearner(node_id(lost)))
        .await;
    cluster.destroy(lost).await;
    for expected in 2..20 {
        assert_eq!(cluster.add(0, "load").await, expected);
    }
    let promote = MemberChange::Promote {
        add: node_id(lost),
        remove: Some(node_id(0)),
    };
    eventually("a leader that misses it", async || {
        let leader = cluster.leader(0).await;
        let group = cluster.group(leader, 0);
        let changed = group.change_members(promote, within(2_000)).await;
        matches!(changed, Err(ChangeError::Behind { .. })).then_some(())
    })
    .await;
    let leader = cluster.leader(0).await;
    let stranger = MemberChange::Promote {
        add: node_id(77),
        remove: None,
    };
    let group = cluster.group(leader, 0);
    let refused = group.change_members(stranger, within(2_000));
    assert_eq!(refused.await, Err(ChangeError::NotMember(node_id(77))));
    cluster.change(0, MemberChange::Remove(node_id(lost))).await;
    let follower = cluster.group((leader + 1) % 3, 0);
    let refused = follower.change_members(MemberChange::Settle, within(2_000));
    assert!(matches!(refused.await, Err(ChangeError::NotLeader { .. })));
    let new = cluster.add_node().await;
    cluster.replace(0, 0, new).await;
    assert_eq!(cluster.voters(0).await, [1, 2, new]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_gets_a_checkpoint_and_keeps_its_place_over_a_restart() {
    let limits = Limits {
        checkpoint_entries: 50,
        kept_entries: 10,
        ..Limits::default()
    };
    let mut cluster = Cluster::start_with(3, 1, limits, TIMING).await;
    let mut count = 0;
    for _ in 0..200 {
        count = cluster.add(0, "load").await;
    }
    let leader = cluster.leader(0).await;
    eventually("a purge", async || {
        let purged = cluster.group(leader, 0).status().purged;
        purged.filter(|index| *index > 100)
    })
    .await;
    let new = cluster.add_node().await;
    cluster.replace(0, (leader + 1) % 3, new).await;
    has_all(&cluster, new, 0, count).await;
    assert!(cluster.group(new, 0).status().purged > Some(100));
    cluster.crash(new).await;
    cluster.start_node(new).await;
    let members = cluster.group(new, 0).status().members;
    assert!(members.voters.contains(&node_id(new)), "{members:?}");
    // The two others of now are needed.
    cluster.crash((leader + 2) % 3).await;
    assert_eq!(cluster.add(0, "load").await, count + 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_asks_for_no_votes_until_it_is_back() {
    let mut cluster = Cluster::start(3, 1).await;
    cluster.add(0, "load").await;
    let new = cluster.add_node().await;
    let leader = cluster.leader(0).await;
    let old = (leader + 1) % 3;
    cluster.network.cut(node_id(old), node_id(leader)); // does not hear that it leaves
    cluster.replace(0, old, new).await;
    cluster.network.heal();
    let version = cluster.group(leader, 0).status().members.version.unwrap();
    let left = cluster.group(old, 0);
    left.leave(version);
    // What it has applied before does not matter; it asks nobody, so terms do not grow.
    let term = cluster.group(leader, 0).status().term;
    assert!(left.status().members.version < Some(version));
    tokio::time::sleep(Duration::from_millis(3 * TIMING.election_ms_max)).await;
    assert_eq!(left.status().term, term);
    assert_eq!(cluster.leader(0).await, leader);
    cluster.replace(0, new, old).await;
    cluster.crash(new).await;
    cluster.crash(leader).await;
    let heir = eventually("a new leader", async || {
        (0..3u32).find(|i| cluster.nodes[*i as usize].is_some() && cluster.group(*i, 0).is_leader())
    });
    assert_ne!(
        heir.await,
        leader,
        "two of three are there, one of them back"
    );
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_quickly() {
    let cluster = Cluster::start(3, 8).await;
    for group in 0..8 {
        cluster.add(group, "load").await;
    }
    let mut slowest = Duration::ZERO;
    for group in 0..8 {
        let leader = cluster.leader(group).await;
        let heir = (leader + 1) % 3;
        eventually("an heir that is up to date", async || {
            let status = cluster.group(leader, group).status();
            let matched = status.progress.get(&node_id(heir))?.matched;
            (matched == status.last_log).then_some(())
        })
        .await;
        let begin = std::time::Instant::now();
        cluster
            .group(leader, group)
            .transfer_leader(node_id(heir))
            .await;
        eventually("the heir", async || {
            let heir = cluster.group(heir, group);
            heir.propose(command("load", None), within(1_000))
                .await
                .ok()
        })
        .await;
        slowest = slowest.max(begin.elapsed());
    }
    eprintln!("slowest planned hand-over: {slowest:?}");
    // An election would wait for the lease, 600 ms.
    assert!(
        slowest < Duration::from_millis(TIMING.election_ms_max),
        "{slowest:?}"
    );
    cluster.shutdown().await;
}
