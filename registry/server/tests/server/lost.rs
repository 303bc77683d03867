//! A replica of the registry whose directory is gone: refused under its old name, replaced by another.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::meta::{MemberStep, MetaReply, MetaRequest};
use eggs_proto::{CallResult, GroupId, MessageKind, NodeId, ProcessRole, decode, encode};
use eggs_registry_client::RegistryClient;
use eggs_registry_server::{Beginning, RunError};
use eggs_rpc::{Client, ClientLimits, Credentials};
use tokio_util::sync::CancellationToken;

use crate::support::{CALL, PATIENCE, Replicas, secret};

const fn shuckle(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Registry, index)
}

async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether somebody leads and has done a step.
async fn step(replicas: &Replicas, rpc: &Client, change: MemberStep) -> bool {
    let group = GroupId::REGISTRY;
    let body = Bytes::from(encode(&MetaRequest::Change { group, change }));
    for address in replicas.peers.values() {
        let asked = rpc.call(
            *address,
            MessageKind::Meta,
            CALL,
            body.clone(),
            Bytes::new(),
        );
        if let Ok(reply) = asked.await
            && let Ok(Ok(MetaReply::Done)) = decode::<CallResult<MetaReply>>(&reply.body)
        {
            return true;
        }
    }
    false
}

/// Binds a name to its directory, as its process does by itself sooner or later.
async fn bind(client: &RegistryClient, replicas: &Replicas, id: u32) {
    let label = std::fs::read(replicas.config(id).dir.join("LABEL")).unwrap();
    let label: serde_json::Value = serde_json::from_slice(&label).unwrap();
    let incarnation = label["incarnation"].as_u64().unwrap();
    let bound = client.claim(shuckle(id), incarnation, PATIENCE).await;
    assert!(bound.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_directory_is_gone_is_refused_and_replaced() {
    let mut replicas = Replicas::start(3).await;
    let client = replicas.client();
    client.map(None, PATIENCE).await.unwrap();
    bind(&client, &replicas, 1).await;
    replicas.stop_one(1).await;
    let lost = replicas.config(1);
    std::fs::remove_dir_all(&lost.dir).unwrap();
    for _ in 0..2 {
        let again = eggs_registry_server::run(lost.clone(), CancellationToken::new()).await;
        let Err(RunError::LostName(text)) = again else {
            panic!("{again:?}")
        };
        assert!(
            text.contains("eggscli meta replace shuckle1 shuckleN"),
            "{text}"
        );
        assert!(!lost.dir.join("raft").exists(), "no replica has started");
    }

    // Another name at the same address.
    let mut other = replicas.config(1);
    other.id = 3;
    other.dir = replicas.config(3).dir;
    other.beginning = Beginning::Joiner;
    let address = other.peers.remove(&1).unwrap();
    other.peers.insert(3, address);
    let registry = eggs_registry_server::start(other).await.unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(registry.run(stop.clone()));
    let rpc = Client::new(
        Credentials::server(secret()),
        "test",
        ClientLimits::default(),
    );
    until("it is on the map", async || {
        let map = client.map(None, CALL).await.ok().flatten();
        map.is_some_and(|map| map.node(shuckle(3)).is_some())
    })
    .await;
    let learn = MemberStep::AddLearner(shuckle(3));
    until("it learns", async || step(&replicas, &rpc, learn).await).await;
    let promote = MemberStep::Promote {
        add: shuckle(3),
        remove: Some(shuckle(1)),
    };
    until("it votes", async || step(&replicas, &rpc, promote).await).await;
    until("the map says so", async || {
        let map = client.map(None, CALL).await.ok().flatten();
        map.is_some_and(|map| map.groups[257].replicas == [shuckle(0), shuckle(2), shuckle(3)])
    })
    .await;
    // It counts: the next one may stop.
    replicas.stop_one(0).await;
    until("two of three go on", async || {
        matches!(client.claim(shuckle(9), 1, CALL).await, Ok(true))
    })
    .await;
    replicas.stop().await;
    stop.cancel();
    task.await.unwrap().unwrap();
}
