//! The answering side.

mod complaints;
mod connection;
mod pace;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eggs_proto::hello::PeerRole;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::frame_reader::{FrameReader, ReadError};
use crate::handshake::{self, HandshakeError};
use crate::limits::ms;
use crate::{Credentials, Handler, Peer, ServerLimits, socket};
pub(crate) use complaints::Complaints;

/// Connections that the kernel accepts before we do.
const BACKLOG: u32 = 1024;
/// After a failure to accept, typically for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound server, not yet running.
pub struct Server<H> {
    listener: TcpListener,
    local: SocketAddr,
    shared: Arc<Shared<H>>,
}

/// What every connection needs.
struct Shared<H> {
    handler: Arc<H>,
    credentials: Credentials,
    limits: ServerLimits,
    /// Places for authenticated connections.
    connections: Arc<Semaphore>,
    /// Bytes of requests that may still be taken into memory.
    bytes: Arc<Semaphore>,
    complaints: Arc<Complaints>,
}

impl<H: Handler> Server<H> {
    /// Listens on `address`; port 0 takes a free one. The credentials must be a server's.
    ///
    /// The kernel accepts connections from here on; they are served once the server runs.
    pub fn bind(
        address: SocketAddr,
        credentials: Credentials,
        limits: ServerLimits,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        if credentials.role() != PeerRole::Server {
            let kind = io::ErrorKind::InvalidInput;
            return Err(io::Error::new(kind, "a server needs the cluster secret"));
        }
        let listener = listen(address)
            .map_err(|e| io::Error::new(e.kind(), format!("listen on {address}: {e}")))?;
        let local = listener.local_addr()?;
        let bytes = limits
            .payload_bytes_in_flight
            .clamp(1, Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            handler,
            credentials,
            connections: Arc::new(Semaphore::new(limits.connections)),
            bytes: Arc::new(Semaphore::new(bytes)),
            complaints: Arc::default(),
            limits,
        });
        Ok(Self {
            listener,
            local,
            shared,
        })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown`, then lets requests in flight finish, for at most
    /// [`ServerLimits::stop_ms`].
    pub async fn run(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let handshakes = Arc::new(Semaphore::new(self.shared.limits.handshakes.max(1)));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.accept_all(&tasks, &handshakes, &shutdown) => {}
        }
        drop(self.listener);
        tasks.close();
        // Every connection keeps to `stop_ms` by itself; the margin is for them to say goodbye.
        let limit = ms(self.shared.limits.stop_ms) + connection::GOODBYE * 2;
        if timeout(limit, tasks.wait()).await.is_err() {
            let connections = tasks.len();
            tracing::warn!(connections, "connections did not close in time");
        }
    }

    async fn accept_all(
        &self,
        tasks: &TaskTracker,
        handshakes: &Arc<Semaphore>,
        shutdown: &CancellationToken,
    ) {
        // The semaphore is never closed, so this ends only with its task.
        while let Ok(place) = handshakes.clone().acquire_owned().await {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.shared.complaints.report(self.local, &error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (shared, stop) = (self.shared.clone(), shutdown.child_token());
            tasks.spawn(async move {
                let greeted = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    greeted = shared.greet(stream, address) => greeted,
                };
                drop(place);
                if let Some(greeted) = greeted {
                    connection::serve(shared, greeted, stop).await;
                }
            });
        }
    }
}

/// A connection after its handshake.
struct Greeted {
    reader: FrameReader,
    writer: tokio::net::tcp::OwnedWriteHalf,
    peer: Peer,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl<H: Handler> Shared<H> {
    /// The handshake; complains if it fails.
    async fn greet(&self, stream: TcpStream, address: SocketAddr) -> Option<Greeted> {
        let limit = ms(self.limits.handshake_ms);
        match timeout(limit, self.try_greet(stream, address)).await {
            Ok(Ok(greeted)) => greeted,
            // Whoever connects and leaves without a word, like a port check, is no news.
            Ok(Err(
                HandshakeError::Closed
                | HandshakeError::Io(_)
                | HandshakeError::Read(ReadError::Io(_)),
            )) => None,
            Ok(Err(error)) => {
                self.complaints.report(address, &error);
                None
            }
            Err(_) => {
                let reason = "handshake took too long";
                self.complaints.report(address, &reason);
                None
            }
        }
    }

    async fn try_greet(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Option<Greeted>, HandshakeError> {
        socket::configure(&stream)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader);
        let accepted = handshake::accept(&mut reader, &mut writer, &self.credentials).await?;
        let Ok(place) = self.connections.clone().try_acquire_owned() else {
            self.complaints.report(address, &"too many connections");
            return Ok(None);
        };
        handshake::welcome(&mut writer).await?;
        Ok(Some(Greeted {
            reader,
            writer,
            peer: Peer {
                role: accepted.role,
                address,
                program: accepted.program,
                complaints: self.complaints.clone(),
            },
            _place: place,
        }))
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket::open(address)?;
    // A restarted server must not wait for the connections of its predecessor to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
