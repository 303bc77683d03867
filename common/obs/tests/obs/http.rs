//! The HTTP routes, over a real socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use eggs_obs::http::{HttpServer, routes};
use eggs_obs::{Health, Metrics};
use tokio_util::sync::CancellationToken;

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_health_are_served_until_shutdown() {
    let server = HttpServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (address, health, stop) = (
        server.local_addr(),
        Health::default(),
        CancellationToken::new(),
    );
    let router = routes(Metrics::new("test"), health.clone());
    let running = tokio::spawn(server.run(router, stop.clone()));

    let not_ready = get(address, "/health/ready");
    assert!(not_ready.starts_with("HTTP/1.1 503"), "{not_ready}");
    assert!(not_ready.ends_with("starting\n"), "{not_ready}");
    health.set_ready();
    assert!(get(address, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/health/live").starts_with("HTTP/1.1 200"));
    let metrics = get(address, "/metrics");
    assert!(
        metrics.contains("application/openmetrics-text"),
        "{metrics}"
    );
    assert!(
        metrics.contains("eggs_build_info{program=\"test\""),
        "{metrics}"
    );
    health.set_dead("disk is gone");
    assert!(get(address, "/health/live").ends_with("disk is gone\n"));
    assert!(get(address, "/health/ready").starts_with("HTTP/1.1 503"));

    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let first = HttpServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let error = HttpServer::bind(first.local_addr()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&first.local_addr().to_string()), "{text}");
}
