//! Answers find their requests, in any order and of any size.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{BODY_BYTES_MAX, MessageKind, PAYLOAD_BYTES_MAX};
use eggs_rpc::{ClientLimits, Credentials, Fate, Reply, RpcError, ServerLimits};

use crate::common::{self, LONG, ask, client, serve, until};

#[tokio::test]
async fn an_answer_comes_back() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let reply = client
        .call(
            server.address,
            MessageKind::Shard,
            LONG,
            Bytes::from_static(b"echo"),
            Bytes::from_static(b"payload"),
        )
        .await
        .unwrap();
    assert_eq!(
        (&reply.body[..], &reply.payload[..]),
        (&b"echo"[..], &b"payload"[..])
    );
    assert_eq!(
        ask(&client, server.address, LONG, "").await.unwrap(),
        Reply::default()
    );
}

#[tokio::test]
async fn a_payload_in_parts_arrives_in_one_piece() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    for sizes in [
        vec![],
        vec![0, 1, 0],
        vec![5_000; 300],
        vec![100, 70_000, 3, 1 << 20],
    ] {
        let part = |(n, size): (usize, &usize)| Bytes::from(vec![(n % 250) as u8; *size]);
        let parts: Vec<Bytes> = sizes.iter().enumerate().map(part).collect();
        let whole = parts.concat();
        let body = Bytes::from_static(b"echo");
        let reply = client
            .call(server.address, MessageKind::Shard, LONG, body, parts)
            .await
            .unwrap();
        assert!(reply.payload[..] == whole[..], "{} bytes", whole.len());
    }
}

#[tokio::test]
async fn both_roles_are_told_apart() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let credentials = Credentials::server(common::cluster());
    let peer = eggs_rpc::Client::new(credentials, "peer", ClientLimits::default());
    let as_client = ask(&client, server.address, LONG, "role").await.unwrap();
    let as_server = ask(&peer, server.address, LONG, "role").await.unwrap();
    assert_eq!(
        (&as_client.body[..], &as_server.body[..]),
        (&b"client"[..], &b"server"[..])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_in_flight_overtake_each_other() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let address = server.address;
    let held: Vec<_> = (0..100)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, address, LONG, format!("hold {i}")).await })
        })
        .collect();
    server.handler.until_started(100).await;
    // Later requests are answered while all of those wait.
    for i in 0..100 {
        let body = format!("echo {i}");
        let reply = ask(&client, address, LONG, body.as_str()).await.unwrap();
        assert_eq!(reply.body, body);
    }
    server.handler.gate.add_permits(100);
    for (i, held) in held.into_iter().enumerate() {
        assert_eq!(held.await.unwrap().unwrap().body, format!("hold {i}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_of_every_size_come_back_whole() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let sizes = [
        1,
        2047,
        2048,
        2049,
        4096,
        16383,
        16384,
        16385,
        70_001,
        2 << 20,
        100 << 20,
    ];
    let calls = sizes.map(|size: usize| {
        let (client, address) = (client.clone(), server.address);
        tokio::spawn(async move {
            let payload: Bytes = (0..size).map(|i| (i * 7 + size) as u8).collect();
            let body = Bytes::from(vec![3; size % 100_000]);
            let reply = client
                .call(
                    address,
                    MessageKind::Block,
                    LONG,
                    body.clone(),
                    payload.clone(),
                )
                .await
                .unwrap();
            assert!(
                reply.payload == payload && reply.body == body,
                "size {size}"
            );
        })
    });
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn what_exceeds_a_frame_is_refused_at_once() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let too_large = [
        (BODY_BYTES_MAX as usize + 1, 0),
        (0, PAYLOAD_BYTES_MAX as usize + 1),
    ];
    for (body, payload) in too_large {
        let (body, payload) = (Bytes::from(vec![0; body]), Bytes::from(vec![0; payload]));
        let error = client
            .call(server.address, MessageKind::Block, LONG, body, payload)
            .await
            .unwrap_err();
        assert!(matches!(error, RpcError::TooLarge { .. }), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_deadline_ends_the_wait_but_not_the_work() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let short = Duration::from_millis(100);
    let error = ask(&client, server.address, short, "hold")
        .await
        .unwrap_err();
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
    let finished = &server.handler.finished;
    assert_eq!(finished.load(std::sync::atomic::Ordering::SeqCst), 0);
    server.handler.gate.add_permits(1);
    until(|| finished.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    // The connection is as good as before.
    assert_eq!(
        ask(&client, server.address, LONG, "echo")
            .await
            .unwrap()
            .body,
        "echo"
    );
}

#[tokio::test]
async fn a_request_that_waits_for_a_place_was_not_executed() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits {
        in_flight_per_connection: 1,
        ..ClientLimits::default()
    });
    let (other, address) = (client.clone(), server.address);
    let held = tokio::spawn(async move { ask(&other, address, LONG, "hold").await });
    server.handler.until_started(1).await;
    let short = Duration::from_millis(50);
    let error = ask(&client, address, short, "echo").await.unwrap_err();
    assert_eq!(error.fate(), Fate::NotExecuted, "{error}");
    server.handler.gate.add_permits(1);
    held.await.unwrap().unwrap();
    assert_eq!(
        server
            .handler
            .started
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[tokio::test]
async fn a_dropped_call_is_forgotten_and_its_answer_skipped() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    {
        let payload = Bytes::from(vec![1; 3 << 20]);
        let body = Bytes::from_static(b"hold");
        let call = client.call(server.address, MessageKind::Block, LONG, body, payload);
        tokio::select! {
            _ = call => panic!("nobody opened the gate"),
            () = server.handler.until_started(1) => {}
        }
    }
    server.handler.gate.add_permits(1);
    for _ in 0..10 {
        assert_eq!(
            ask(&client, server.address, LONG, "echo")
                .await
                .unwrap()
                .body,
            "echo"
        );
    }
}

#[tokio::test]
async fn a_payload_lands_in_parts_that_have_just_room_for_it() {
    let server = serve(ServerLimits::default());
    let client = client(ClientLimits::default());
    let ask = |payload: usize, rooms: &[usize]| {
        let room = |room: &usize| {
            let mut part = BytesMut::with_capacity(*room);
            let _ = part.split_off(*room);
            part
        };
        let parts = rooms.iter().map(room).collect();
        let (client, address) = (client.clone(), server.address);
        async move {
            let body = Bytes::from(format!("make {payload}"));
            let call = client.call_into(address, MessageKind::Block, LONG, body, parts);
            call.await.unwrap().parts
        }
    };
    for rooms in [
        vec![5],
        vec![4096],
        vec![100_000, 1, 300_000],
        vec![1 << 20; 5],
        vec![16_385; 3],
    ] {
        let total = rooms.iter().sum();
        let parts = ask(total, &rooms).await.unwrap();
        let lengths: Vec<usize> = parts.iter().map(BytesMut::len).collect();
        assert_eq!(lengths, rooms);
        assert!(parts.concat() == common::made(total)[..]);
        // Less, more, and nothing: thrown away, and the connection is good for more.
        for other in [total - 1, total + 1, total + (3 << 20), 0] {
            assert!(ask(other, &rooms).await.is_none());
        }
    }
}
