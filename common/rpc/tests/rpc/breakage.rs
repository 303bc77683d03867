//! Servers die, restart, hang, refuse and stop; every call ends with what is known about it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eggs_proto::hello::Secret;
use eggs_rpc::{Client, ClientLimits, Credentials, Fate, RpcError, Server, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{
    Begun, LOCAL, LONG, Scripted, ask, client, cluster, serve, serve_at, serve_begun, until,
};

/// Passes bytes on until dropped; then both sides see their connections die.
struct Proxy {
    address: SocketAddr,
    tasks: tokio::task::JoinSet<()>,
}

impl Proxy {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut links = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(server).await.unwrap();
                links.spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { address, tasks }
    }
}

#[tokio::test]
async fn a_broken_connection_fails_its_requests_at_once() {
    let server = serve(ServerLimits::default());
    let mut proxy = Proxy::to(server.address).await;
    let client = client(ClientLimits::default());
    let (other, address) = (client.clone(), proxy.address);
    let held = tokio::spawn(async move { ask(&other, address, LONG, "hold").await });
    server.handler.until_started(1).await;
    let start = Instant::now();
    proxy.tasks.shutdown().await;
    let error = held.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            RpcError::Closed {
                fate: Fate::Unknown,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_retryable() && start.elapsed() < LONG / 2);
    // Nobody listens there any more.
    let error = ask(&client, address, LONG, "echo").await.unwrap_err();
    assert!(matches!(error, RpcError::Connect { .. }), "{error}");
    assert_eq!(error.fate(), Fate::NotExecuted);
    // The handler is not cancelled.
    server.handler.gate.add_permits(1);
    until(|| server.handler.finished.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let first = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    ask(&client, first.address, LONG, "echo").await.unwrap();
    first.stop.cancel();
    first.task.await.unwrap();
    let second = serve_at(first.address, ServerLimits::default());
    let reply = loop {
        match ask(&client, second.address, LONG, "echo").await {
            Ok(reply) => break reply,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    assert_eq!(reply.body, "echo");
}

#[tokio::test]
async fn concurrent_calls_share_one_connection() {
    let server = serve(ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    });
    let client = client(ClientLimits::default());
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (client, address) = (client.clone(), server.address);
            tokio::spawn(async move { ask(&client, address, LONG, "echo").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let server = serve(ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    });
    let (first, second) = (
        client(ClientLimits::default()),
        client(ClientLimits::default()),
    );
    ask(&first, server.address, LONG, "echo").await.unwrap();
    let error = ask(&second, server.address, LONG, "echo")
        .await
        .unwrap_err();
    assert!(matches!(error, RpcError::Connect { .. }), "{error}");
    // Dropping a client closes its connections.
    drop(first);
    while ask(&second, server.address, LONG, "echo").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn strangers_and_impostors_are_refused() {
    let server = serve(ServerLimits::default());
    let wrong = Secret::new([1; 32]);
    let strangers = [
        Credentials::client(wrong.clone()),
        Credentials::server(wrong),
        // A client secret does not make a server.
        Credentials::server(cluster().derive_client()),
        // Nor does the cluster secret pass for a client's.
        Credentials::client(cluster()),
    ];
    for credentials in strangers {
        let stranger = Client::new(credentials, "stranger", ClientLimits::default());
        let error = ask(&stranger, server.address, LONG, "echo")
            .await
            .unwrap_err();
        assert!(matches!(error, RpcError::Unauthorized { .. }), "{error}");
        assert!(!error.is_retryable());
    }
    assert_eq!(server.handler.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_needs_the_cluster_secret() {
    let credentials = Credentials::client(cluster().derive_client());
    let handler = std::sync::Arc::new(Scripted::new(Begun::Apart));
    let result = Server::bind(LOCAL, credentials, ServerLimits::default(), handler);
    assert!(result.is_err());
}

#[tokio::test]
async fn whoever_does_not_speak_our_protocol_is_recognized() {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 32];
            stream.read_exact(&mut hello).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")
                .await
                .unwrap();
        }
    });
    let error = ask(&client(ClientLimits::default()), address, LONG, "echo")
        .await
        .unwrap_err();
    assert!(matches!(error, RpcError::Version { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_the_hello_costs_only_the_connect_limit() {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let client = client(ClientLimits {
        connect_ms: 50,
        ..ClientLimits::default()
    });
    let error = ask(&client, listener.local_addr().unwrap(), LONG, "echo")
        .await
        .unwrap_err();
    assert!(matches!(error, RpcError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_connection_is_replaced() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits {
        silence_ms: 20,
        ..ClientLimits::default()
    });
    // Greets through the real server, then swallows everything that comes on its first connection.
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let (address, real) = (listener.local_addr().unwrap(), server.address);
    tokio::spawn(async move {
        let mut swallowed = Vec::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(real).await.unwrap();
            if swallowed.is_empty() {
                // Hello, Challenge, Confirm, Welcome.
                for _ in 0..2 {
                    let mut buffer = [0; 4096];
                    let n = near.read(&mut buffer).await.unwrap();
                    far.write_all(&buffer[..n]).await.unwrap();
                    let n = far.read(&mut buffer).await.unwrap();
                    near.write_all(&buffer[..n]).await.unwrap();
                }
                swallowed.push((near, far));
            } else {
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }
    });
    let short = Duration::from_millis(50);
    let error = ask(&client, address, short, "echo").await.unwrap_err();
    assert!(
        matches!(
            error,
            RpcError::Deadline {
                fate: Fate::Unknown,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        ask(&client, address, LONG, "echo").await.unwrap().body,
        "echo"
    );
}

#[tokio::test]
async fn a_handler_that_panics_costs_only_its_connection() {
    panics(Begun::Apart).await;
    panics(Begun::Here).await;
}

async fn panics(begun: Begun) {
    let server = serve_begun(begun, ServerLimits::default());
    let client = client(ClientLimits::default());
    let error = ask(&client, server.address, LONG, "panic")
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RpcError::Closed {
                fate: Fate::Unknown,
                ..
            }
        ),
        "{error}"
    );
    while ask(&client, server.address, LONG, "echo").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let held: Vec<_> = (0..20)
        .map(|i| {
            let (client, address) = (client.clone(), server.address);
            tokio::spawn(async move { ask(&client, address, LONG, format!("hold {i}")).await })
        })
        .collect();
    server.handler.until_started(20).await;
    server.stop.cancel();
    // No new connections.
    until(|| std::net::TcpStream::connect(server.address).is_err()).await;
    assert!(!server.task.is_finished());
    server.handler.gate.add_permits(20);
    for (i, held) in held.into_iter().enumerate() {
        assert_eq!(held.await.unwrap().unwrap().body, format!("hold {i}"));
    }
    server.task.await.unwrap();
}

#[tokio::test]
async fn stopping_is_bounded() {
    let server = serve(ServerLimits {
        stop_ms: 50,
        ..ServerLimits::default()
    });
    let (client, address) = (client(ClientLimits::default()), server.address);
    let held = tokio::spawn(async move { ask(&client, address, LONG, "hold").await });
    server.handler.until_started(1).await;
    server.stop.cancel();
    tokio::time::timeout(LONG, server.task)
        .await
        .unwrap()
        .unwrap();
    let error = held.await.unwrap().unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
}

#[tokio::test]
async fn idle_connections_are_closed_by_either_side() {
    let impatient = ServerLimits {
        idle_ms: 20,
        connections: 1,
        ..ServerLimits::default()
    };
    let server = serve(impatient);
    let (first, second) = (
        client(ClientLimits::default()),
        client(ClientLimits::default()),
    );
    ask(&first, server.address, LONG, "echo").await.unwrap();
    // Its place becomes free although the first client still exists.
    while ask(&second, server.address, LONG, "echo").await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let server = serve(ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    });
    let impatient = client(ClientLimits {
        idle_ms: 20,
        ..ClientLimits::default()
    });
    ask(&impatient, server.address, LONG, "echo").await.unwrap();
    let other = client(ClientLimits::default());
    while ask(&other, server.address, LONG, "echo").await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
