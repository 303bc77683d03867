//! A replica of the registry whose directory is gone: refused under its old name, replaced by another.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::meta::{MemberStep, MetaReply, MetaRequest};
use eggs_proto::{CallResult, GroupId, MessageKind, NodeId, ProcessRole, decode, encode};
use eggs_registry_client::{Confirmation, RegistryClient};
use eggs_registry_server::{Beginning, Config, RunError};
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

/// A configuration under which an empty directory counts as lost at once.
fn fills_empty(replicas: &Replicas, id: u32) -> Config {
    let mut config = replicas.config(id);
    config.beginning = Beginning::Joiner;
    config.rebuild_empty_after = Some(Duration::ZERO);
    config
}

/// Until all members of the registry are these, as the map says.
async fn members_become(client: &RegistryClient, members: &[NodeId]) {
    let what = format!("the members are {members:?}");
    until(&what, async || {
        let map = client.map(None, CALL).await.ok().flatten();
        map.is_some_and(|map| map.groups[257].replicas == members)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_in_turn_loses_its_directory_and_is_filled_under_a_new_name() {
    let mut replicas = Replicas::with_stale_ms(3, 1000).await;
    let client = replicas.client();
    let mut members: Vec<NodeId> = (0..3).map(shuckle).collect();
    for id in 0..3 {
        bind(&client, &replicas, id).await;
    }
    members_become(&client, &members).await;
    for id in [1, 0, 2] {
        replicas.stop_one(id).await;
        std::fs::remove_dir_all(replicas.config(id).dir).unwrap();
        replicas.start_with(fills_empty(&replicas, id)).await;
        let heir = shuckle(id).successor().unwrap();
        members.retain(|node| *node != shuckle(id));
        members.push(heir);
        members.sort();
        members_become(&client, &members).await;
        let claim = client.claim(shuckle(id), 1, PATIENCE).await;
        assert!(!claim.unwrap(), "nobody acts under the old name again");
        let retired = async || {
            let map = client.map(None, CALL).await.ok().flatten();
            map.is_some_and(|map| map.node(shuckle(id)).is_none() && map.node(heir).is_some())
        };
        until("the old one has retired", retired).await;
    }
    // They are who they have become, and know what was known.
    for id in 0..3 {
        replicas.stop_one(id).await;
    }
    for id in 0..3 {
        replicas.start_with(fills_empty(&replicas, id)).await;
    }
    members_become(&client, &members).await;
    assert!(!client.claim(shuckle(1), 2, PATIENCE).await.unwrap());
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_damaged_log_is_filled_under_a_new_name() {
    let mut replicas = Replicas::start(3).await;
    let client = replicas.client();
    for id in 0..3 {
        bind(&client, &replicas, id).await;
    }
    let members: Vec<NodeId> = (0..3).map(shuckle).collect();
    members_become(&client, &members).await;
    replicas.stop_one(2).await;
    let dir = replicas.config(2).dir;
    // All that was promised is gone from the log, and the mark still says that it was there.
    std::fs::remove_dir_all(dir.join("raft/log")).unwrap();
    replicas.start_one(2).await;
    let heir = shuckle(2).successor().unwrap();
    members_become(&client, &[shuckle(0), shuckle(1), heir]).await;
    until("what is left is removed", async || {
        !dir.join("raft.lost").exists()
    })
    .await;
    replicas.stop().await;
}

/// Runs a process until it ends by itself, and says why.
async fn ends(config: Config) -> RunError {
    let running = eggs_registry_server::run(config, CancellationToken::new());
    let ended = tokio::time::timeout(PATIENCE, running).await;
    ended.expect("it does not end").unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_without_its_only_directory_is_not_founded_again() {
    let mut replicas = Replicas::start(1).await;
    let client = replicas.client();
    let shard = NodeId::new(ProcessRole::Shard, 0);
    assert!(client.claim(shard, 7, PATIENCE).await.unwrap());
    assert_eq!(
        client.confirm(shard, 7, PATIENCE).await.unwrap(),
        Confirmation::Acts
    );
    assert_eq!(
        client.confirm(shard, 8, PATIENCE).await.unwrap(),
        Confirmation::Replaced
    );
    replicas.stop_one(0).await;
    let dir = replicas.config(0).dir;
    std::fs::remove_dir_all(&dir).unwrap();
    // Who knows that there was one.
    let error = ends(fills_empty(&replicas, 0)).await;
    assert!(matches!(error, RunError::NothingLeft(_)), "{error}");
    assert!(error.to_string().contains("--found-anew"), "{error}");
    assert!(!dir.join("raft").exists(), "no replica has started");
    // Who does not know it founds one, which nobody believes who was bound by the first.
    replicas.start_one(0).await;
    assert_eq!(
        client.confirm(shard, 7, PATIENCE).await.unwrap(),
        Confirmation::Unknown
    );
    let address = "127.0.0.1:9".to_owned();
    let registered = client.register(shard, address.clone(), vec![], vec![], CALL);
    assert!(registered.await.is_err(), "it is on the map");
    // Unless a person says that it takes the place of the first.
    replicas.stop_one(0).await;
    let mut anew = replicas.config(0);
    anew.beginning = Beginning::Anew;
    replicas.start_with(anew).await;
    assert_eq!(
        client.confirm(shard, 7, PATIENCE).await.unwrap(),
        Confirmation::Acts
    );
    let registered = client.register(shard, address, vec![], vec![], CALL);
    registered.await.unwrap();
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_without_all_its_directories_is_not_founded_again() {
    let mut replicas = Replicas::start(3).await;
    replicas.client().map(None, PATIENCE).await.unwrap();
    for id in 0..3 {
        replicas.stop_one(id).await;
        std::fs::remove_dir_all(replicas.config(id).dir).unwrap();
    }
    // One that is alone does not know what the others have.
    replicas.start_with(fills_empty(&replicas, 0)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(replicas.ended().is_empty());
    for id in [1, 2] {
        replicas.start_with(fills_empty(&replicas, id)).await;
    }
    let what = "one sees that nothing is left";
    until(what, async || !replicas.ended().is_empty()).await;
    for id in 0..3 {
        let ended = replicas.ended().contains(&id);
        match replicas.end(id).await {
            Ok(()) => assert!(!ended),
            Err(error) => assert!(matches!(error, RunError::NothingLeft(_)), "{error}"),
        }
        assert!(!replicas.config(id).dir.join("raft").exists());
    }
}
