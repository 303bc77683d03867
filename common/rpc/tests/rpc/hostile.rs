//! Whatever bytes arrive, only the connection that they arrive on suffers.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use eggs_proto::hello::{Challenge, Confirm, Hello, Nonces, PeerRole, Side};
use eggs_proto::{BODY_BYTES_MAX, Direction, HEADER_BYTES, Header, MessageKind};
use eggs_rpc::{ClientLimits, ServerLimits};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{LONG, ask, client, cluster, serve, until};

fn frame(kind: MessageKind, request: u64, body: &[u8]) -> Vec<u8> {
    let header = Header {
        direction: Direction::Request,
        kind,
        request,
        deadline_ms: 30_000,
        body_bytes: body.len() as u32,
        payload_bytes: 0,
    };
    [&header.encode()[..], body].concat()
}

async fn answer(stream: &mut TcpStream) -> Option<(Header, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let header = Header::decode(&header).unwrap();
    let mut body = vec![0; (header.body_bytes + header.payload_bytes) as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some((header, body))
}

fn hello(role: PeerRole) -> Vec<u8> {
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        role,
        nonce: [5; 16],
        program: "raw".into(),
    };
    frame(MessageKind::Hello, 0, &postcard::to_stdvec(&hello).unwrap())
}

/// A connection after a proper handshake, of which the test sends every byte itself.
async fn greeted(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&hello(PeerRole::Client)).await.unwrap();
    let (_, body) = answer(&mut stream).await.unwrap();
    let challenge: Challenge = postcard::from_bytes(&body).unwrap();
    let nonces = Nonces {
        connecting: [5; 16],
        accepting: challenge.nonce,
    };
    let secret = cluster().derive_client();
    let proof = secret.prove(Side::Connecting, PeerRole::Client, &nonces);
    let confirm = postcard::to_stdvec(&Confirm { proof }).unwrap();
    stream
        .write_all(&frame(MessageKind::Hello, 1, &confirm))
        .await
        .unwrap();
    answer(&mut stream).await.unwrap();
    stream
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let rest = tokio::time::timeout(LONG, stream.read_to_end(&mut Vec::new())).await;
    // A reset is as good as an end; a time-out is not.
    rest.is_ok()
}

#[tokio::test]
async fn only_proof_opens_a_connection() {
    let server = serve(ServerLimits {
        handshake_ms: 100,
        ..ServerLimits::default()
    });
    let connect = || async { TcpStream::connect(server.address).await.unwrap() };
    // A request instead of a handshake.
    let mut stream = connect().await;
    stream
        .write_all(&frame(MessageKind::Block, 0, b"echo"))
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
    // A request instead of the proof.
    let mut stream = connect().await;
    stream.write_all(&hello(PeerRole::Server)).await.unwrap();
    answer(&mut stream).await.unwrap();
    stream
        .write_all(&frame(MessageKind::Block, 1, b"echo"))
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
    // A server's proof made with the client secret.
    let mut stream = connect().await;
    stream.write_all(&hello(PeerRole::Server)).await.unwrap();
    let (_, body) = answer(&mut stream).await.unwrap();
    let challenge: Challenge = postcard::from_bytes(&body).unwrap();
    let nonces = Nonces {
        connecting: [5; 16],
        accepting: challenge.nonce,
    };
    let secret = cluster().derive_client();
    let proof = secret.prove(Side::Connecting, PeerRole::Server, &nonces);
    let confirm = postcard::to_stdvec(&Confirm { proof }).unwrap();
    stream
        .write_all(&frame(MessageKind::Hello, 1, &confirm))
        .await
        .unwrap();
    stream
        .write_all(&frame(MessageKind::Block, 2, b"echo"))
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
    // The server's own proof sent back to it.
    let mut stream = connect().await;
    stream.write_all(&hello(PeerRole::Client)).await.unwrap();
    let (_, body) = answer(&mut stream).await.unwrap();
    let Challenge { proof, .. } = postcard::from_bytes(&body).unwrap();
    let confirm = postcard::to_stdvec(&Confirm { proof }).unwrap();
    stream
        .write_all(&frame(MessageKind::Hello, 1, &confirm))
        .await
        .unwrap();
    stream
        .write_all(&frame(MessageKind::Block, 2, b"echo"))
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
    // Nothing at all, and a huge hello.
    assert!(is_closed(&mut connect().await).await);
    let mut stream = connect().await;
    stream
        .write_all(&frame(MessageKind::Hello, 0, &[0; 5000]))
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
    assert_eq!(server.handler.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn slow_handshakes_do_not_keep_others_out() {
    let server = serve(ServerLimits {
        handshake_ms: 50,
        handshakes: 2,
        ..ServerLimits::default()
    });
    let mut loris = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(&hello(PeerRole::Client)[..10])
            .await
            .unwrap();
        loris.push(stream);
    }
    let client = client(ClientLimits::default());
    assert_eq!(
        ask(&client, server.address, LONG, "echo")
            .await
            .unwrap()
            .body,
        "echo"
    );
}

#[tokio::test]
async fn no_common_version_is_said() {
    let server = serve(ServerLimits::default());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let hello = Hello {
        version_min: 7,
        version_max: 9,
        role: PeerRole::Client,
        nonce: [5; 16],
        program: "from the future".into(),
    };
    let hello = frame(MessageKind::Hello, 0, &postcard::to_stdvec(&hello).unwrap());
    stream.write_all(&hello).await.unwrap();
    let (_, body) = answer(&mut stream).await.unwrap();
    let challenge: Challenge = postcard::from_bytes(&body).unwrap();
    assert_eq!(challenge.version, eggs_proto::PROTOCOL_VERSION);
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn an_oversized_frame_or_a_second_hello_closes() {
    let server = serve(ServerLimits::default());
    let mut oversized = frame(MessageKind::Block, 3, b"");
    let header = Header {
        body_bytes: BODY_BYTES_MAX + 1,
        ..Header::decode(oversized[..HEADER_BYTES].try_into().unwrap()).unwrap()
    };
    oversized = header.encode().to_vec();
    let answer = Header {
        direction: Direction::Answer,
        body_bytes: 0,
        ..header
    };
    for bad in [oversized, answer.encode().to_vec(), hello(PeerRole::Client)] {
        let mut stream = greeted(server.address).await;
        stream.write_all(&bad).await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
    assert_eq!(server.handler.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_of_a_frame_is_given_up() {
    let server = serve(ServerLimits {
        frame_ms: 50,
        payload_bytes_in_flight: 1 << 20,
        ..ServerLimits::default()
    });
    let mut stream = greeted(server.address).await;
    let request = frame(MessageKind::Block, 1, &[7; 1 << 20]);
    stream
        .write_all(&request[..request.len() / 2])
        .await
        .unwrap();
    // It holds all the memory there is, but not for long.
    let client = client(ClientLimits::default());
    assert_eq!(
        ask(&client, server.address, LONG, "echo")
            .await
            .unwrap()
            .body,
        "echo"
    );
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn places_in_flight_push_back() {
    let server = serve(ServerLimits {
        in_flight_per_connection: 4,
        ..ServerLimits::default()
    });
    let mut stream = greeted(server.address).await;
    for request in 0..20 {
        stream
            .write_all(&frame(MessageKind::Block, request, b"hold"))
            .await
            .unwrap();
    }
    server.handler.until_started(4).await;
    // Another connection has places of its own; by the time it is served, a fifth would have started.
    let client = client(ClientLimits::default());
    for _ in 0..20 {
        ask(&client, server.address, LONG, "echo").await.unwrap();
    }
    assert_eq!(server.handler.started.load(Ordering::SeqCst), 4 + 20);
    server.handler.gate.add_permits(20);
    for _ in 0..20 {
        answer(&mut stream).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_replies_gets_no_more_served() {
    let server = serve(ServerLimits {
        in_flight_per_connection: 4,
        ..ServerLimits::default()
    });
    let mut stream = greeted(server.address).await;
    let request = frame(MessageKind::Block, 9, &vec![1; 8 << 20]);
    let (mut read, mut write) = stream.split();
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let send = async {
        for _ in 0..12 {
            write.write_all(&request).await.unwrap();
            sent.fetch_add(1, Ordering::SeqCst);
        }
    };
    tokio::select! {
        () = send => panic!("96 MiB of replies cannot have been buffered"),
        // Four wait for their replies to be read; what else was sent is in the kernel's buffers.
        () = async {
            server.handler.until_started(4).await;
            let client = client(ClientLimits::default());
            for _ in 0..50 {
                ask(&client, server.address, LONG, "echo").await.unwrap();
            }
        } => {}
    }
    let started = server.handler.started.load(Ordering::SeqCst) - 50;
    assert!(started <= 6, "{started} requests were served");
    let mut some = vec![0; 1 << 20];
    read.read_exact(&mut some).await.unwrap();
}

#[tokio::test]
async fn replies_survive_a_stop_although_more_requests_were_sent() {
    let server = serve(ServerLimits::default());
    let mut stream = greeted(server.address).await;
    let held = [&b"hold"[..], &[7; 1 << 20]].concat();
    let request = frame(MessageKind::Block, 5, &held);
    stream.write_all(&request).await.unwrap();
    server.handler.until_started(1).await;
    server.stop.cancel();
    until(|| std::net::TcpStream::connect(server.address).is_err()).await;
    // The server does not read these any more; closing on them would reset the connection.
    for request in 6..50 {
        let late = frame(MessageKind::Block, request, b"echo");
        stream.write_all(&late).await.unwrap();
    }
    server.handler.gate.add_permits(1);
    server.task.await.unwrap();
    let (header, body) = answer(&mut stream).await.unwrap();
    assert!(header.request == 5 && body == held);
    assert_eq!(server.handler.started.load(Ordering::SeqCst), 1);
}

/// What a hostile or broken peer does after a proper handshake.
#[derive(Clone, Debug)]
enum Attack {
    Garbage(Vec<u8>),
    FlippedHeader { bit: usize },
    Truncated { keep: usize },
}

fn attack() -> impl Strategy<Value = Attack> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..200).prop_map(Attack::Garbage),
        (0..HEADER_BYTES * 8).prop_map(|bit| Attack::FlippedHeader { bit }),
        (1..40usize).prop_map(|keep| Attack::Truncated { keep }),
    ]
}

#[test]
fn garbage_never_hurts_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in = runtime.enter();
    let server = serve(ServerLimits::default());
    let good = client(ClientLimits::default());
    let mut runner = TestRunner::new(Config::with_cases(200));
    let case = (attack(), any::<bool>());
    let result = runner.run(&case, |(attack, after_handshake)| {
        runtime.block_on(async {
            let mut stream = if after_handshake {
                greeted(server.address).await
            } else {
                TcpStream::connect(server.address).await.unwrap()
            };
            let mut bytes = frame(MessageKind::Block, 77, b"must not be executed");
            match attack {
                Attack::Garbage(garbage) => bytes = garbage,
                Attack::FlippedHeader { bit } => bytes[bit / 8] ^= 1 << (bit % 8),
                Attack::Truncated { keep } => bytes.truncate(keep),
            }
            // The server may close before everything is sent.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            assert!(is_closed(&mut stream).await);
            let before = server.handler.started.load(Ordering::SeqCst);
            let reply = ask(&good, server.address, LONG, "echo").await.unwrap();
            assert_eq!(reply.body, Bytes::from_static(b"echo"));
            assert_eq!(server.handler.started.load(Ordering::SeqCst), before + 1);
        });
        Ok(())
    });
    result.unwrap();
    runtime.block_on(async {
        server.stop.cancel();
        drop(good);
        until(|| server.task.is_finished()).await;
    });
}
