//! HTTP of one replica: status codes, JSON, metrics, headers.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::cluster::{announce_all, whole};
use crate::support::{self, Replicas, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_is_shown() {
    let replicas = Replicas::start(1).await;
    let stop = CancellationToken::new();
    announce_all(&replicas.client(), whole(&["blocks12"]), &stop);
    let status = replicas
        .status_when(0, "everybody has registered", |status| {
            let led = status["groups"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|g| g["state"] == "ok");
            led.count() == 258 && status["totals"]["services"]["active"] == 30
        })
        .await;
    assert_eq!(status["health"]["severity"], "ok");
    assert_eq!(status["role"], "leader");
    assert_eq!(status["cluster"], "eggsfs");
    assert_eq!(status["groups"][17]["group"], "shard-017");
    assert_eq!(status["groups"][17]["leader"], "shard2");
    assert_eq!(status["groups"][17]["replicas"][0]["up"], true);
    assert_eq!(status["groups"][256]["group"], "cdc");
    let domain = &status["domains"][1];
    assert_eq!(domain["domain"], "fd1");
    assert_eq!(domain["services"][0]["class"], "HDD");
    assert_eq!(domain["services"][0]["service"], "d15c000000000002");
    assert_eq!(domain["services"][0]["state"], "active");
    assert_eq!(
        domain["services"][0]["capacity_bytes"],
        8_000_000_000_000u64
    );
    assert_eq!(
        status["nodes"].as_array().unwrap().len(),
        3 + 3 + 15 + 1 + 1
    );
    assert!(status["age_ms"].as_u64().unwrap() < 60_000);

    let map = http::get(replicas.http(0), "/api/v1/map").await;
    let map: Value = serde_json::from_str(&map.body).unwrap();
    assert_eq!(map["services"].as_array().unwrap().len(), 30);
    assert!(!map.to_string().contains("key"));

    let metrics = http::get(replicas.http(0), "/metrics").await;
    for line in [
        "eggs_registry_services_count{state=\"active\"} 30",
        "eggs_registry_groups_count{state=\"ok\"} 258",
        "eggs_registry_is_leader 1",
        "eggs_registry_health_severity 0",
        "process_resident_memory_bytes",
    ] {
        assert!(
            metrics.body.contains(line),
            "{line} is missing in\n{}",
            metrics.body
        );
    }
    let health = http::get(replicas.http(0), "/health/cluster").await;
    assert_eq!(health.status, 200);
    stop.cancel();
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_cluster_is_down_but_the_process_is_ready() {
    let replicas = Replicas::start(1).await;
    replicas
        .status_when(0, "it leads", |status| status["role"] == "leader")
        .await;
    let address = replicas.http(0);
    assert_eq!(http::get(address, "/health/live").await.status, 200);
    let start = std::time::Instant::now();
    while http::get(address, "/health/ready").await.status != 200 {
        assert!(start.elapsed() < support::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let health = http::get(address, "/health/cluster").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.headers["content-type"], "application/json");
    let health: Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(health["severity"], "down");
    for finding in health["findings"].as_array().unwrap() {
        for field in ["code", "severity", "what", "affects", "remedy"] {
            assert!(
                finding[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}"
            );
        }
    }
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_reading_and_only_what_there_is() {
    let replicas = Replicas::start(1).await;
    let address = replicas.http(0);
    for path in ["/", "/api/v1/status", "/nothing"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let answer = http::ask(address, method, path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.headers["allow"], "GET, HEAD");
        }
    }
    for path in [
        "/nothing",
        "/api",
        "/../../etc/passwd",
        "/%2e%2e/x",
        "/web/app.js",
    ] {
        assert_eq!(http::get(address, path).await.status, 404, "{path}");
    }
    let head = http::ask(address, "HEAD", "/").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for path in [
        "/",
        "/app.js",
        "/style.css",
        "/api/v1/status",
        "/metrics",
        "/nothing",
    ] {
        let answer = http::get(address, path).await;
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_closes_one_connection_only() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let replicas = Replicas::start(1).await;
    let address = replicas.http(0);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "EGG1 / x\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &long,
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(garbage.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", &garbage[..8]);
    }
    assert_eq!(http::get(address, "/health/live").await.status, 200);
    replicas.stop().await;
}
