//! The client against registries that fail in various ways.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::hello::Secret;
use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::{
    CallError, CallResult, ClusterMap, Epoch, GroupId, NodeId, ProcessRole, decode, encode,
};
use eggs_registry_client::{
    ClusterView, Condition, Member, RegistryClient, RegistryError, announce,
};
use eggs_rpc::{
    Answer, Bulk, Client, ClientLimits, Credentials, Handler, Peer, Request, Server, ServerLimits,
};
use tokio_util::sync::CancellationToken;

const SECRET: Secret = Secret::new([5; 32]);
const LONG: Duration = Duration::from_secs(20);

/// What a registry process of the test does.
enum Behaviour {
    PointTo(u32),
    Serve,
    Refuse(CallError),
}

struct Fake {
    behaviour: Behaviour,
    epoch: AtomicU64,
    asked: AtomicU64,
    registered: AtomicU64,
    heartbeats: AtomicU64,
}

impl Fake {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            behaviour,
            epoch: AtomicU64::new(1),
            asked: AtomicU64::new(0),
            registered: AtomicU64::new(0),
            heartbeats: AtomicU64::new(0),
        })
    }

    fn answer(&self, request: &RegistryRequest) -> CallResult<RegistryReply> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match &self.behaviour {
            Behaviour::PointTo(index) => {
                let leader = Some(NodeId::new(ProcessRole::Registry, *index));
                return Err(CallError::NotLeader { leader });
            }
            Behaviour::Refuse(error) => return Err(error.clone()),
            Behaviour::Serve => {}
        }
        match request {
            RegistryRequest::Map { known } => {
                let epoch = Epoch(self.epoch.load(Ordering::SeqCst));
                Ok(if *known == Some(epoch) {
                    RegistryReply::Unchanged
                } else {
                    RegistryReply::Map(ClusterMap {
                        epoch,
                        ..ClusterMap::default()
                    })
                })
            }
            RegistryRequest::RegisterNode { .. } => {
                self.registered.fetch_add(1, Ordering::SeqCst);
                Ok(RegistryReply::Done)
            }
            RegistryRequest::Heartbeat { leads, .. } => {
                assert_eq!(leads, &[GroupId::CDC]);
                self.heartbeats.fetch_add(1, Ordering::SeqCst);
                Ok(RegistryReply::Done)
            }
            _ => Ok(RegistryReply::Done),
        }
    }
}

impl Handler for Fake {
    async fn handle(&self, _peer: &Peer, request: Request) -> Answer {
        let answer = match decode(&request.body) {
            Ok(request) => self.answer(&request),
            Err(_) => Err(CallError::Malformed),
        };
        Answer {
            body: Bytes::from(encode(&answer)),
            payload: Bulk::default(),
        }
    }
}

fn serve(fake: &Arc<Fake>) -> SocketAddr {
    let address = "127.0.0.1:0".parse().unwrap();
    let limits = ServerLimits::default();
    let server = Server::bind(address, Credentials::server(SECRET), limits, fake.clone()).unwrap();
    let address = server.local_addr();
    tokio::spawn(server.run(CancellationToken::new()));
    address
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn client(addresses: Vec<SocketAddr>) -> RegistryClient {
    let rpc = Client::new(Credentials::server(SECRET), "test", ClientLimits::default());
    RegistryClient::new(rpc, addresses)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let all = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, all).await.expect(what);
}

#[tokio::test]
async fn a_hint_is_followed_past_dead_processes_and_remembered() {
    let (follower, leader) = (
        Fake::new(Behaviour::PointTo(3)),
        Fake::new(Behaviour::Serve),
    );
    let registry = client(vec![nobody(), serve(&follower), nobody(), serve(&leader)]);
    let map = registry.map(None, LONG).await.unwrap().unwrap();
    assert_eq!(map.epoch, Epoch(1));
    assert_eq!(registry.map(Some(Epoch(1)), LONG).await.unwrap(), None);
    assert_eq!(follower.asked.load(Ordering::SeqCst), 1);
    assert_eq!(leader.asked.load(Ordering::SeqCst), 2);
}

/// Who has taken a place is where its predecessor was.
#[tokio::test]
async fn a_hint_to_a_successor_leads_to_its_place() {
    let follower = Fake::new(Behaviour::PointTo(2_000_002));
    let (bystander, leader) = (
        Fake::new(Behaviour::PointTo(2_000_002)),
        Fake::new(Behaviour::Serve),
    );
    let registry = client(vec![serve(&follower), serve(&bystander), serve(&leader)]);
    registry.map(None, LONG).await.unwrap().unwrap();
    assert_eq!(bystander.asked.load(Ordering::SeqCst), 0);
    assert_eq!(leader.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_final_answer_is_given_at_once_and_silence_ends_by_the_deadline() {
    let refusing = Fake::new(Behaviour::Refuse(CallError::Forbidden));
    let refused = client(vec![serve(&refusing)]).map(None, LONG).await;
    assert!(matches!(
        refused,
        Err(RegistryError::Refused(CallError::Forbidden))
    ));
    let silent = client(vec![nobody(), nobody()]);
    let answer = silent.map(None, Duration::from_millis(200)).await;
    assert!(matches!(answer, Err(RegistryError::Deadline { .. })));
}

#[tokio::test]
async fn a_view_follows_the_epoch_and_a_member_is_heard_of() {
    let fake = Fake::new(Behaviour::Serve);
    let registry = client(vec![serve(&fake)]);
    let (view, stop) = (ClusterView::new(registry.clone()), CancellationToken::new());
    let running = tokio::spawn({
        let (view, stop) = (view.clone(), stop.clone());
        async move { view.run(stop).await }
    });
    until("the first map", || view.current().map.epoch == Epoch(1)).await;
    fake.epoch.store(2, Ordering::SeqCst);
    until("the second map", || view.current().map.epoch == Epoch(2)).await;
    fake.epoch.store(1, Ordering::SeqCst);
    let member = Member {
        node: NodeId::new(ProcessRole::Cdc, 0),
        address: "127.0.0.1:1".into(),
        groups: Vec::new(),
        services: Vec::new(),
    };
    let condition = || Condition {
        leads: vec![GroupId::CDC],
        services: Vec::new(),
        paces: Vec::new(),
    };
    let announcing = tokio::spawn(announce(registry, member, condition, stop.clone()));
    until("two heartbeats", || {
        fake.heartbeats.load(Ordering::SeqCst) >= 2
    })
    .await;
    assert_eq!(fake.registered.load(Ordering::SeqCst), 1);
    assert_eq!(view.current().map.epoch, Epoch(2), "the epoch went back");
    stop.cancel();
    running.await.unwrap();
    announcing.await.unwrap();
}
