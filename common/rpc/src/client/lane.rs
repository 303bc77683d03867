//! One place for a connection: empty, being connected, or open.
//!
//! **Invariant:** at most one attempt to connect is under way per lane, and everybody who needs the
//! connection shares its outcome. The attempt goes on when those who wait give up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture};
use tokio::time::timeout;

use super::Shared;
use super::connection::Connection;
use crate::frame_reader::{FrameReader, ReadError};
use crate::handshake::{self, HandshakeError};
use crate::limits::ms;
use crate::{RpcError, socket};

type Connecting = SharedFuture<BoxFuture<'static, Result<Arc<Connection>, RpcError>>>;

enum State {
    Empty,
    Connecting(Connecting),
    Open(Arc<Connection>),
    /// The pool is gone.
    Closed,
}

pub(super) struct Lane {
    shared: Arc<Shared>,
    address: SocketAddr,
    state: Mutex<State>,
}

impl Lane {
    pub(super) const fn new(shared: Arc<Shared>, address: SocketAddr) -> Self {
        Self {
            shared,
            address,
            state: Mutex::new(State::Empty),
        }
    }

    /// The connection, if it is open.
    pub(super) fn open(&self) -> Option<Arc<Connection>> {
        match &*self.lock() {
            State::Open(connection) if !connection.is_closed() => Some(connection.clone()),
            State::Open(_) | State::Empty | State::Connecting(_) | State::Closed => None,
        }
    }

    /// Joins the attempt to connect that is under way, or starts one.
    pub(super) fn connect(self: &Arc<Self>) -> Connecting {
        let mut state = self.lock();
        match &*state {
            State::Connecting(connecting) => return connecting.clone(),
            State::Open(connection) if !connection.is_closed() => {
                return std::future::ready(Ok(connection.clone())).boxed().shared();
            }
            State::Open(_) | State::Empty | State::Closed => {}
        }
        let lane = self.clone();
        let attempt = tokio::spawn(async move {
            let result = lane.attempt().await;
            lane.settle(&result);
            result
        });
        let (lane, address) = (self.clone(), self.address);
        let connecting = async move {
            attempt.await.unwrap_or_else(|stopped| {
                // The runtime is shutting down, or the attempt panicked.
                let source = Arc::new(std::io::Error::other(stopped));
                let result = Err(RpcError::Connect { address, source });
                lane.settle(&result);
                result
            })
        };
        let connecting = connecting.boxed().shared();
        *state = State::Connecting(connecting.clone());
        connecting
    }

    /// Lets the next request use a new connection; requests on this one may still be answered.
    pub(super) fn retire(&self, silent: &Arc<Connection>) {
        let mut state = self.lock();
        if let State::Open(connection) = &*state
            && Arc::ptr_eq(connection, silent)
        {
            tracing::info!(address = %self.address, "connection is silent, replacing it");
            silent.close_when_unused();
            *state = State::Empty;
        }
    }

    /// Closes for good.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if let State::Open(connection) = &*state {
            connection.close();
        }
        *state = State::Closed;
    }

    fn settle(&self, result: &Result<Arc<Connection>, RpcError>) {
        let mut state = self.lock();
        match (&*state, result) {
            (State::Closed, Ok(connection)) => connection.close(),
            (State::Closed, Err(_)) => {}
            (State::Connecting(_) | State::Empty | State::Open(_), Ok(connection)) => {
                *state = State::Open(connection.clone());
            }
            (State::Connecting(_) | State::Empty | State::Open(_), Err(_)) => {
                *state = State::Empty;
            }
        }
    }

    async fn attempt(&self) -> Result<Arc<Connection>, RpcError> {
        let limit = ms(self.shared.limits.connect_ms);
        let result = match timeout(limit, self.open_and_greet()).await {
            Ok(result) => result,
            Err(_) => Err(HandshakeError::Io(std::io::ErrorKind::TimedOut.into())),
        };
        result.map_err(|error| self.explain(error))
    }

    async fn open_and_greet(&self) -> Result<Arc<Connection>, HandshakeError> {
        let stream = socket::open(self.address)?.connect(self.address).await?;
        socket::configure(&stream)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader);
        let Shared {
            credentials,
            program,
            limits,
        } = &*self.shared;
        handshake::connect(&mut reader, &mut writer, credentials, program).await?;
        Ok(Connection::start(self.address, reader, writer, limits))
    }

    fn explain(&self, error: HandshakeError) -> RpcError {
        let address = self.address;
        let source = match error {
            HandshakeError::Unauthorized => return RpcError::Unauthorized { address },
            HandshakeError::Version { .. }
            | HandshakeError::NotHello
            | HandshakeError::Malformed
            | HandshakeError::Read(ReadError::Header(_)) => {
                let reason = error.to_string();
                return RpcError::Version { address, reason };
            }
            HandshakeError::Io(source) | HandshakeError::Read(ReadError::Io(source)) => source,
            closed @ HandshakeError::Closed => {
                std::io::Error::new(std::io::ErrorKind::ConnectionReset, closed.to_string())
            }
        };
        let source = Arc::new(source);
        RpcError::Connect { address, source }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
