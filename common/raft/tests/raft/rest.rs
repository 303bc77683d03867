//! Groups that rest: they cost nothing, lose nothing, and are led again when their leader is gone.

use std::time::{Duration, Instant};

use eggs_machine::StoreRead;
use eggs_proto::GroupId;
use eggs_proto::meta::{MetaReply, MetaRequest};

use crate::common::{Cluster, command, counter, eventually, node_id, sum, within};

const GROUPS: u16 = 12;

fn read_a(store: &dyn StoreRead) -> u64 {
    counter(store, b"a").expect("it is a counter")
}

/// A cluster whose groups have all done something and rest since.
async fn resting() -> Cluster {
    let cluster = Cluster::start(3, GROUPS).await;
    for group in 0..GROUPS {
        assert_eq!(cluster.add(group, "a").await, 1);
    }
    all_rest(&cluster).await;
    cluster
}

async fn all_rest(cluster: &Cluster) {
    let running: Vec<u32> = (0..3)
        .filter(|index| cluster.nodes[*index as usize].is_some())
        .collect();
    eventually("rest", async || {
        let rests = |group| {
            let mut all = running.iter();
            all.all(|index| cluster.group(*index, group).is_resting())
        };
        (0..GROUPS).all(rests).then_some(())
    })
    .await;
}

fn terms(cluster: &Cluster) -> Vec<u64> {
    (0..GROUPS)
        .map(|group| cluster.group(0, group).status().term)
        .collect()
}

/// The node that leads most groups, and which these are.
async fn leads_most(cluster: &Cluster) -> (u32, Vec<u16>) {
    let mut led = vec![Vec::new(); 3];
    for group in 0..GROUPS {
        led[cluster.leader(group).await as usize].push(group);
    }
    let most = (0..3).max_by_key(|index| led[*index as usize].len());
    let most = most.expect("there are three");
    (most, led[most as usize].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_group_is_woken_by_an_order() {
    let cluster = resting().await;
    for (id, group) in (0..GROUPS).enumerate() {
        let leader = cluster.leader(group).await;
        let node = cluster.nodes[leader as usize].as_ref().unwrap();
        let order = MetaRequest::Digest {
            group: GroupId(group),
            id: id as u64,
        };
        let answer = node.handle_meta(order, within(5_000)).await;
        assert!(matches!(answer, Ok(MetaReply::Done)), "{answer:?}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_group_is_silent_and_keeps_its_leader() {
    let cluster = resting().await;
    let before = terms(&cluster);
    let frames = cluster.network.frames();
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let frames = (cluster.network.frames() - frames) as f64 / begin.elapsed().as_secs_f64();
    // Six pairs, ten pulses a second; 12 groups awake would send as much again at least.
    assert!(frames < 75.0, "{frames} frames per second");
    assert_eq!(terms(&cluster), before);
    all_rest(&cluster).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_wakes_it() {
    let cluster = resting().await;
    let before = terms(&cluster);
    for group in 0..GROUPS {
        let leader = cluster.group(cluster.leader(group).await, group);
        assert!(leader.is_resting());
        if group % 2 == 0 {
            assert_eq!(leader.read(read_a, within(3_000)).await, Ok(1));
        } else {
            let reply = leader.propose(command("a", None), within(3_000)).await;
            assert_eq!(reply.map(|reply| sum(&reply)), Ok(2));
        }
        assert!(!leader.is_resting());
    }
    all_rest(&cluster).await;
    assert_eq!(terms(&cluster), before, "nobody was deposed for it");
    let from = cluster.leader(3).await;
    let to = (from + 1) % 3;
    cluster.group(from, 3).transfer_leader(node_id(to)).await;
    eventually("the heir", async || {
        cluster.group(to, 3).is_leader().then_some(())
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_groups_of_a_dead_leader_are_led_again_at_once() {
    let mut cluster = resting().await;
    let (dead, led) = leads_most(&cluster).await;
    cluster.crash(dead).await;
    let begin = Instant::now();
    for group in &led {
        assert_eq!(cluster.add(*group, "a").await, 2);
    }
    // Nobody had to wait for a lease. Timers alone would need 0.6 s, and twice that on average.
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    // With one member dead the others rest, and its return wakes them without deposing anybody.
    all_rest(&cluster).await;
    let before: Vec<u32> = led_by(&cluster, &led).await;
    cluster.start_node(dead).await;
    all_rest(&cluster).await;
    assert_eq!(led_by(&cluster, &led).await, before);
    for group in &led {
        eventually("the restarted replica", async || {
            let sum = cluster.group(dead, *group).read_local(read_a);
            (sum == 2).then_some(())
        })
        .await;
    }
    cluster.shutdown().await;
}

async fn led_by(cluster: &Cluster, groups: &[u16]) -> Vec<u32> {
    let mut leaders = Vec::new();
    for group in groups {
        leaders.push(cluster.leader(*group).await);
    }
    leaders
}

/// What a pause or a partition is to the others; and the deposed one answers nothing, not even when asked before it
/// hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_leader_that_is_cut_off_is_replaced_and_never_answers_stale() {
    let cluster = resting().await;
    let (old, led) = leads_most(&cluster).await;
    let others = [(old + 1) % 3, (old + 2) % 3];
    for other in others {
        cluster.network.cut(node_id(old), node_id(other));
    }
    for group in &led {
        let new = eventually("a new leader", async || {
            let mut others = others.into_iter();
            others.find(|index| cluster.group(*index, *group).is_leader())
        })
        .await;
        let new = cluster.group(new, *group);
        let reply = new.propose(command("a", None), within(5_000)).await;
        assert_eq!(reply.map(|reply| sum(&reply)), Ok(2));
        let deposed = cluster.group(old, *group);
        assert!(deposed.is_leader(), "it does not know");
        assert!(deposed.read(read_a, within(200)).await.is_err());
        let refused = deposed.propose(command("a", None), within(200)).await;
        assert!(refused.is_err());
    }
    // The moment it can talk again it may be asked before anybody has told it.
    cluster.network.heal();
    for group in &led {
        let read = cluster.group(old, *group).read(read_a, within(200)).await;
        assert!(read.is_err() || read == Ok(2), "{read:?}");
    }
    for group in 0..GROUPS {
        let expected = if led.contains(&group) { 3 } else { 2 };
        assert_eq!(cluster.add(group, "a").await, expected);
    }
    all_rest(&cluster).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_leader_that_hears_nobody_is_replaced() {
    let cluster = resting().await;
    let (deaf, led) = leads_most(&cluster).await;
    let others = [(deaf + 1) % 3, (deaf + 2) % 3];
    for other in others {
        cluster.network.cut_one_way(node_id(other), node_id(deaf));
    }
    for group in led {
        eventually("another leader", async || {
            let mut others = others.into_iter();
            others.find(|index| cluster.group(*index, group).is_leader())
        })
        .await;
    }
    cluster.shutdown().await;
}

/// Whoever alone loses sight of the leader deposes nobody, and follows again afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_loses_its_leader_alone_deposes_nobody() {
    let cluster = resting().await;
    let (leader, led) = leads_most(&cluster).await;
    let (alone, before) = ((leader + 1) % 3, terms(&cluster));
    cluster.network.cut(node_id(leader), node_id(alone));
    // Far longer than it takes to suspect and to campaign.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(terms(&cluster), before);
    for group in &led {
        let reply = cluster.group(leader, *group);
        let reply = reply.propose(command("a", None), within(5_000)).await;
        assert_eq!(reply.map(|reply| sum(&reply)), Ok(2));
    }
    cluster.network.heal();
    for group in &led {
        eventually("the follower", async || {
            let sum = cluster.group(alone, *group).read_local(read_a);
            (sum == 2).then_some(())
        })
        .await;
    }
    all_rest(&cluster).await;
    assert_eq!(terms(&cluster), before);
    cluster.shutdown().await;
}

/// Leaders die again and again while the groups fall asleep and wake; every answered command stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_between_rest_and_death() {
    let mut cluster = resting().await;
    let mut sum = 1;
    for round in 0..4 {
        let dead = cluster.leader(0).await;
        if round % 2 == 0 {
            all_rest(&cluster).await;
        }
        cluster.crash(dead).await;
        for _ in 0..3 {
            sum += 1;
            assert_eq!(cluster.add(0, "a").await, sum);
        }
        cluster.start_node(dead).await;
    }
    all_rest(&cluster).await;
    for index in 0..3 {
        assert_eq!(cluster.group(index, 0).read_local(read_a), sum);
    }
    cluster.shutdown().await;
}

/// A leader that has given its place away does nothing more, and its followers rest: they must not rely on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_heir_that_never_takes_over_is_not_waited_for() {
    let mut cluster = resting().await;
    let from = cluster.leader(3).await;
    let heir = (from + 1) % 3;
    let leader = cluster.group(from, 3);
    cluster.crash(heir).await;
    all_rest(&cluster).await;
    assert!(leader.is_resting());
    leader.transfer_leader(node_id(heir)).await;
    let added = eventually("somebody leads", async || {
        // Whoever is asked again and again seems to work.
        for index in [from, (from + 2) % 3] {
            let group = cluster.group(index, 3);
            let added = group.propose(command("a", None), within(300)).await;
            if let Ok(reply) = added {
                return Some(sum(&reply));
            }
        }
        None
    })
    .await;
    assert!(added >= 2); // one whose answer was late counts, too
    cluster.shutdown().await;
}
