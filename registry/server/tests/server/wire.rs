//! The wire protocol of one replica: registering, heartbeats, the map, permissions.

use eggs_proto::registry::{RegistryRequest, Severity};
use eggs_proto::{CallError, NodeId, ProcessRole, Refusal, ServiceState, StorageClass};
use eggs_registry_client::RegistryError;
use eggs_rpc::Credentials;

use crate::support::cluster::{blocks, disk};
use crate::support::{self, CALL, Replicas, secret};

fn refusal(result: Result<impl std::fmt::Debug, RegistryError>) -> CallError {
    match result {
        Err(RegistryError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_registers_reports_falls_silent_and_comes_back() {
    let replicas = Replicas::with_stale_ms(1, 1500).await;
    let client = replicas.client();
    let (member, condition) = blocks(3);
    let hdd = disk(3, StorageClass::Hdd);
    let beat = || client.heartbeat(member.node, vec![], condition.services.clone(), CALL);
    let state = async || {
        let map = client.map(None, CALL).await.unwrap().unwrap();
        map.service(hdd)
            .map(|info| (info.state, info.capacity_bytes, map.epoch))
    };
    let wait_for = async |wanted: ServiceState| {
        let start = std::time::Instant::now();
        while state().await.unwrap().0 != wanted {
            assert!(start.elapsed() < support::PATIENCE, "never {wanted:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };

    let unknown = refusal(beat().await);
    assert_eq!(
        unknown,
        CallError::Refused(Refusal::NotFound),
        "register first"
    );
    let services = member.services.clone();
    client
        .register(member.node, member.address.clone(), vec![], services, CALL)
        .await
        .unwrap();
    assert_eq!(state().await.unwrap().1, 0);
    beat().await.unwrap();
    replicas
        .status_when(0, "capacity is reported", |status| {
            status["totals"]["capacity_bytes"].as_u64().unwrap() > 0
        })
        .await;
    let (now, capacity, epoch) = state().await.unwrap();
    assert_eq!((now, capacity), (ServiceState::Active, 8_000_000_000_000));
    assert_eq!(
        client.map(Some(epoch), CALL).await.unwrap(),
        None,
        "unchanged"
    );

    wait_for(ServiceState::Stale).await;
    let (severity, findings) = client.health(CALL).await.unwrap();
    assert_eq!(severity, Severity::Down);
    assert!(
        findings
            .iter()
            .any(|finding| finding.code == "BLOCK_SERVICE_STALE")
    );
    beat().await.unwrap();
    wait_for(ServiceState::Active).await;
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_the_map_and_never_a_key() {
    let replicas = Replicas::start(1).await;
    let server = replicas.client();
    let (member, condition) = blocks(1);
    let register = RegistryRequest::RegisterNode {
        id: eggs_proto::RequestId {
            client: 5,
            sequence: 1,
        },
        node: member.node,
        address: member.address.clone(),
        groups: vec![],
        services: member.services.clone(),
    };
    let client = replicas.client_as(Credentials::client(secret().derive_client()));
    assert_eq!(
        refusal(client.call(&register, CALL).await),
        CallError::Forbidden
    );
    server.call(&register, CALL).await.unwrap();
    server.call(&register, CALL).await.unwrap();
    let beat = client.heartbeat(member.node, vec![], condition.services, CALL);
    assert_eq!(refusal(beat.await), CallError::Forbidden);
    assert_eq!(refusal(client.keys(CALL).await), CallError::Forbidden);
    assert_eq!(server.keys(CALL).await.unwrap().len(), 2);
    let map = client.map(None, CALL).await.unwrap().unwrap();
    assert_eq!(map.services.len(), 2);

    let hdd = disk(1, StorageClass::Hdd);
    let by_client = client.set_service_state(hdd, ServiceState::NoWrite, CALL);
    assert_eq!(refusal(by_client.await), CallError::Forbidden);
    server
        .set_service_state(hdd, ServiceState::NoWrite, CALL)
        .await
        .unwrap();
    let map = client.map(None, CALL).await.unwrap().unwrap();
    assert_eq!(map.service(hdd).unwrap().state, ServiceState::NoWrite);
    let nonsense = server.set_service_state(hdd, ServiceState::Stale, CALL);
    assert!(matches!(
        refusal(nonsense.await),
        CallError::Refused(Refusal::Invalid(_))
    ));
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_registers_itself_and_remembers() {
    let mut replicas = Replicas::start(1).await;
    let own = NodeId::new(ProcessRole::Registry, 0);
    let has_registry = |status: &serde_json::Value| {
        status["groups"][257]["leader"] == "shuckle0" && status["nodes"][0]["node"] == "shuckle0"
    };
    replicas
        .status_when(0, "it registers itself", has_registry)
        .await;
    let client = replicas.client();
    let (member, _) = blocks(1);
    client
        .register(member.node, member.address, vec![], member.services, CALL)
        .await
        .unwrap();
    let before = client.map(None, CALL).await.unwrap().unwrap();
    assert!(before.node(own).is_some());
    replicas.stop_one(0).await;
    replicas.start_one(0).await;
    let after = client.map(None, support::PATIENCE).await.unwrap().unwrap();
    assert_eq!(after.services, before.services);
    assert!(after.epoch >= before.epoch);
    replicas.stop().await;
}
