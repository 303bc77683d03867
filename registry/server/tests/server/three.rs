//! Three replicas: any one may be asked, any one may stop.

use eggs_proto::NodeId;
use eggs_proto::ProcessRole;
use tokio_util::sync::CancellationToken;

use crate::support::cluster::{announce_all, whole};
use crate::support::{CALL, PATIENCE, Replicas, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_is_known_whoever_leads() {
    let mut replicas = Replicas::start(3).await;
    let stop = CancellationToken::new();
    announce_all(&replicas.client(), whole(&["blocks12"]), &stop);
    let complete = |status: &serde_json::Value| {
        let groups = status["groups"].as_array().unwrap();
        let led = groups.iter().filter(|group| group["state"] == "ok").count();
        led == 258 && status["totals"]["services"]["active"] == 30
    };
    let mut leader = None;
    for id in 0..3 {
        let status = replicas.status_when(id, "all is known", complete).await;
        let named = status["leader"].as_str().unwrap().to_owned();
        assert!(status["role"] == "leader" || named != format!("shuckle{id}"));
        leader = Some(named);
        assert_eq!(
            http::get(replicas.http(id), "/health/ready").await.status,
            200
        );
    }
    let leader: u32 = leader
        .unwrap()
        .trim_start_matches("shuckle")
        .parse()
        .unwrap();
    let client = replicas.client();
    let before = client.map(None, CALL).await.unwrap().unwrap();

    replicas.stop_one(leader).await;
    let after = client.map(None, PATIENCE).await.unwrap().unwrap();
    assert!(after.epoch >= before.epoch);
    assert_eq!(after.services.len(), before.services.len());
    let follower = (0..3).find(|id| *id != leader).unwrap();
    let gone = format!("shuckle{leader}");
    let status = replicas
        .status_when(follower, "the missing replica is noticed", |status| {
            status["groups"][257]["state"] == "at_risk"
        })
        .await;
    assert_ne!(status["leader"], gone.as_str());
    let disks = status["totals"]["services"]["active"].as_u64();
    assert_eq!(
        disks,
        Some(30),
        "nobody else became stale: {:#}",
        status["health"]
    );

    replicas.start_one(leader).await;
    replicas.status_when(leader, "it is back", complete).await;
    let map = client.map(None, CALL).await.unwrap().unwrap();
    assert_eq!(
        map.node(NodeId::new(ProcessRole::Registry, leader))
            .unwrap()
            .address,
        replicas.peers[&leader].to_string()
    );
    stop.cancel();
    replicas.stop().await;
}
