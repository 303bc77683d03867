//! Commit notices travel with entries and heartbeats, reach every follower, and never keep one waiting who wants to read.

use std::time::{Duration, Instant};

use eggs_raft::{Limits, Timing};

use crate::common::{Cluster, counter, eventually, within};

/// Nothing but entries is said for a long time.
const RARELY: Timing = Timing {
    heartbeat_ms: 2_000,
    election_ms_min: 3_000,
    election_ms_max: 5_000,
};
/// Changes, one after the other.
const CHANGES: u64 = 200;
/// Between the pulses of two processes.
const PULSE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_one_message_to_each_follower() {
    let cluster = Cluster::start_with(3, 1, Limits::default(), RARELY).await;
    cluster.add(0, "a").await;
    let (begin, before) = (Instant::now(), cluster.network.frames());
    for _ in 0..CHANGES {
        cluster.add(0, "a").await;
    }
    let frames = cluster.network.frames() - before;
    let pulses = 6 * (1 + begin.elapsed().as_millis() / PULSE.as_millis());
    let pulses = u64::try_from(pulses).unwrap();
    assert!(
        frames <= CHANGES * 5 / 2 + pulses,
        "{frames} frames, at most {pulses} of them pulses, for {CHANGES} changes"
    );
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_follower_does_not_wait_for_a_heartbeat() {
    let cluster = Cluster::start_with(3, 1, Limits::default(), RARELY).await;
    cluster.add(0, "a").await;
    // Less than twenty times until the next heartbeat.
    let end = within(20_000);
    for change in 2..=21 {
        assert_eq!(cluster.add(0, "a").await, change);
        for index in 0..3 {
            let group = cluster.group(index, 0);
            let point = group.ready_to_read_anywhere(end).await.unwrap();
            let seen = group.read_at(point, |store| counter(store, b"a").unwrap());
            assert_eq!(seen, Some(change), "node {index}");
        }
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_change_reaches_everybody() {
    let cluster = Cluster::start(3, 4).await;
    for round in 1..=5 {
        for group in 0..4 {
            assert_eq!(cluster.add(group, "a").await, round);
        }
        for (index, group) in (0..3).flat_map(|index| (0..4).map(move |group| (index, group))) {
            let group = cluster.group(index, group);
            let seen = || group.read_local(|store| counter(store, b"a").unwrap());
            eventually("the change", async || (seen() == round).then_some(())).await;
        }
    }
    cluster.shutdown().await;
}
