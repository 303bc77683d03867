//! Replicas in this process, a client of theirs, and a little HTTP.

pub mod cluster;
pub mod http;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use eggs_proto::hello::Secret;
use eggs_registry_client::RegistryClient;
use eggs_registry_server::{Config, Registry, RunError};
use eggs_rpc::{Client, ClientLimits, Credentials};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For everything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CALL: Duration = Duration::from_secs(10);

pub fn secret() -> Secret {
    Secret::new([7; 32])
}

/// Free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Registry replicas of one group.
pub struct Replicas {
    pub dir: TempDir,
    pub peers: BTreeMap<u32, SocketAddr>,
    pub running: BTreeMap<u32, Running>,
    pub stale_ms: u64,
}

pub struct Running {
    pub http: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Replicas {
    pub async fn start(count: u32) -> Self {
        Self::with_stale_ms(count, 8000).await
    }

    pub async fn with_stale_ms(count: u32, stale_ms: u64) -> Self {
        let mut replicas = Self {
            dir: TempDir::new().unwrap(),
            peers: (0..count).map(|id| (id, free_address())).collect(),
            running: BTreeMap::new(),
            stale_ms,
        };
        for id in 0..count {
            replicas.start_one(id).await;
        }
        replicas
    }

    pub fn config(&self, id: u32) -> Config {
        let dir = self.dir.path().join(format!("shuckle{id}"));
        let mut config = Config::new(id, dir, self.peers.clone(), Credentials::server(secret()));
        config.stale_ms = self.stale_ms;
        config.observe_every = Duration::from_millis(200);
        config.judge_every = Duration::from_millis(200);
        config.slow.slow_after_ms = 800;
        config.slow.well_after_ms = 800;
        config
    }

    pub async fn start_one(&mut self, id: u32) {
        self.start_with(self.config(id)).await;
    }

    pub async fn start_with(&mut self, config: Config) {
        let id = config.id;
        let registry: Registry = eggs_registry_server::start(config).await.unwrap();
        let http = registry.http_address();
        let stop = CancellationToken::new();
        let task = tokio::spawn(registry.run(stop.clone()));
        self.running.insert(id, Running { http, stop, task });
    }

    pub async fn stop_one(&mut self, id: u32) {
        let running = self.running.remove(&id).unwrap();
        running.stop.cancel();
        running.task.await.unwrap().unwrap();
    }

    /// Those that have ended by themselves.
    pub fn ended(&self) -> Vec<u32> {
        let ended = self.running.iter().filter(|(_, r)| r.task.is_finished());
        ended.map(|(id, _)| *id).collect()
    }

    /// Stops a replica, unless it has ended by itself; how it ended.
    pub async fn end(&mut self, id: u32) -> Result<(), RunError> {
        let running = self.running.remove(&id).unwrap();
        running.stop.cancel();
        running.task.await.unwrap()
    }

    pub async fn stop(mut self) {
        for id in 0..self.peers.len() as u32 {
            if self.running.contains_key(&id) {
                self.stop_one(id).await;
            }
        }
    }

    pub fn client(&self) -> RegistryClient {
        self.client_as(Credentials::server(secret()))
    }

    pub fn client_as(&self, credentials: Credentials) -> RegistryClient {
        let rpc = Client::new(credentials, "test", ClientLimits::default());
        RegistryClient::new(rpc, self.peers.values().copied().collect())
    }

    pub fn http(&self, id: u32) -> SocketAddr {
        self.running[&id].http
    }

    /// The status of a replica once it satisfies a condition.
    pub async fn status_when(
        &self,
        id: u32,
        what: &str,
        is_so: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let start = Instant::now();
        loop {
            let answer = http::get(self.http(id), "/api/v1/status").await;
            let status: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            if is_so(&status) {
                return status;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "not in time: {what}; last: {status:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
