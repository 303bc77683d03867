//! A server that does what its requests say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::MessageKind;
use eggs_proto::hello::{PeerRole, Secret};
use eggs_rpc::{
    Answer, Client, ClientLimits, Credentials, Handler, Peer, Reply, Request, RpcError,
};
use eggs_rpc::{Server, ServerLimits};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const LOCAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Long enough for a busy machine.
pub const LONG: Duration = Duration::from_secs(30);

pub fn cluster() -> Secret {
    Secret::new([42; 32])
}

/// Where a server begins requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// In tasks of their own.
    Apart,
    /// Where they were read.
    Here,
}

/// `echo…` comes back, `make N` gives a payload of `N` bytes, `hold…` waits for a permit of `gate` first, `panic` panics, `role` tells the
/// role of the peer, `task` the task that it runs in, and `busy` keeps its thread for some milliseconds.
pub struct Scripted {
    pub started: AtomicUsize,
    pub finished: AtomicUsize,
    pub gate: Semaphore,
    begun: Begun,
}

impl Scripted {
    pub fn new(begun: Begun) -> Self {
        Self {
            started: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            begun,
        }
    }

    pub async fn until_started(&self, count: usize) {
        until(|| self.started.load(Ordering::SeqCst) >= count).await;
    }
}

impl Handler for Scripted {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        self.started.fetch_add(1, Ordering::SeqCst);
        assert_ne!(&request.body[..], b"panic", "as asked");
        match &request.body[..] {
            b"busy" => std::thread::sleep(Duration::from_millis(5)),
            held if held.starts_with(b"hold") => self.gate.acquire().await.unwrap().forget(),
            _ => {}
        }
        self.finished.fetch_add(1, Ordering::SeqCst);
        let body = match (&request.body[..], peer.role) {
            (b"role", PeerRole::Client) => Bytes::from_static(b"client"),
            (b"role", PeerRole::Server) => Bytes::from_static(b"server"),
            (b"task", _) => tokio::task::id().to_string().into(),
            (_, PeerRole::Client | PeerRole::Server) => request.body,
        };
        let payload = match body.strip_prefix(b"make ") {
            Some(len) => made(std::str::from_utf8(len).unwrap().parse().unwrap()),
            None => request.payload,
        };
        Answer {
            body,
            payload: payload.into(),
        }
    }

    fn is_brief(&self) -> bool {
        self.begun == Begun::Here
    }
}

/// So many bytes.
pub fn made(len: usize) -> Bytes {
    (0..len).map(|at| (at * 13 + at / 256) as u8).collect()
}

pub struct Running {
    pub address: SocketAddr,
    pub handler: Arc<Scripted>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

pub fn serve(limits: ServerLimits) -> Running {
    serve_at(LOCAL, limits)
}

pub fn serve_at(address: SocketAddr, limits: ServerLimits) -> Running {
    start(address, limits, Begun::Apart)
}

/// One that begins its requests there.
pub fn serve_begun(begun: Begun, limits: ServerLimits) -> Running {
    start(LOCAL, limits, begun)
}

fn start(address: SocketAddr, limits: ServerLimits, begun: Begun) -> Running {
    let handler = Arc::new(Scripted::new(begun));
    let server = Server::bind(
        address,
        Credentials::server(cluster()),
        limits,
        handler.clone(),
    )
    .unwrap();
    let (address, stop) = (server.local_addr(), CancellationToken::new());
    let task = tokio::spawn(server.run(stop.clone()));
    Running {
        address,
        handler,
        stop,
        task,
    }
}

pub fn client(limits: ClientLimits) -> Client {
    Client::new(
        Credentials::client(cluster().derive_client()),
        "test",
        limits,
    )
}

pub async fn ask(
    client: &Client,
    address: SocketAddr,
    timeout: Duration,
    body: impl Into<Vec<u8>>,
) -> Result<Reply, RpcError> {
    let body = Bytes::from(body.into());
    client
        .call(address, MessageKind::Block, timeout, body, Bytes::new())
        .await
}

/// Waits for a condition, not for a time.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, wait)
        .await
        .expect("the condition never came true");
}
