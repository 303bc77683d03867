//! A disk that takes long loses its writers within seconds, clients hear of it, and gets them back.

use std::time::{Duration, Instant};

use eggs_proto::registry::{DiskPace, Latency, StateReason};
use eggs_proto::{ServiceState, StorageClass};
use tokio_util::sync::CancellationToken;

use crate::support::cluster::{announce_all, disk, whole};
use crate::support::{CALL, PATIENCE, Replicas, http};

const SLOW: u32 = 5;

fn pace(domain: u32, write_p95_us: u32) -> DiskPace {
    let latency = |p95_us| Latency {
        count: 100,
        p50_us: p95_us,
        p95_us,
        p99_us: p95_us,
    };
    DiskPace {
        service: disk(domain, StorageClass::Hdd),
        reads: latency(1_000),
        writes: latency(write_p95_us),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_loses_its_writers_and_gets_them_back() {
    let replicas = Replicas::start(1).await;
    let stop = CancellationToken::new();
    let members = whole(&[]);
    let nodes: Vec<_> = members
        .iter()
        .filter(|(member, _)| !member.services.is_empty())
        .map(|(member, _)| member.node)
        .collect();
    announce_all(&replicas.client(), members, &stop);
    let registered = |status: &serde_json::Value| status["totals"]["services"]["active"] == 30;
    replicas.status_when(0, "all is known", registered).await;
    let client = replicas.client();
    let slow = disk(SLOW, StorageClass::Hdd);
    let until = async |wanted: ServiceState, slow_us: u32| {
        let start = Instant::now();
        loop {
            for node in &nodes {
                let us = if node.index() == SLOW { slow_us } else { 5_000 };
                let told = client.pace(*node, vec![pace(node.index(), us)], CALL).await;
                told.unwrap();
            }
            let map = client.map(None, CALL).await.unwrap().unwrap();
            if map.service(slow).unwrap().state == wanted {
                return map.epoch;
            }
            assert!(start.elapsed() < PATIENCE, "never {wanted:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let before = until(ServiceState::Active, 900_000).await;
    let after = until(ServiceState::NoWrite, 900_000).await;
    assert!(after > before);
    let disks = client.disks(CALL).await.unwrap();
    let known = disks.iter().find(|disk| disk.pace.service == slow).unwrap();
    assert_eq!(known.reason, Some(StateReason::Slow));
    assert_eq!(known.pace, pace(SLOW, 900_000));
    let (_, findings) = client.health(CALL).await.unwrap();
    let finding = findings.iter().find(|f| f.code == "BLOCK_SERVICE_SLOW");
    assert!(finding.unwrap().what.contains("fd5"), "{finding:?}");
    let status = replicas
        .status_when(0, "the dashboard says so", |status| {
            status.to_string().contains(r#""slow":true"#)
        })
        .await;
    assert!(status.to_string().contains(r#""p95_us":900000"#));
    let metrics = http::get(replicas.http(0), "/metrics").await;
    assert!(metrics.body.contains("eggs_registry_slow_services_count 1"));
    until(ServiceState::Active, 5_000).await;
    stop.cancel();
}
