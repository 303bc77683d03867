//! What a server is given and what it gives back.

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::MessageKind;
use eggs_proto::hello::PeerRole;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::server::Complaints;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the body is.
    pub kind: MessageKind,
    /// The message.
    pub body: Bytes,
    /// The bulk data that goes with it.
    pub payload: Bytes,
    /// When the asking side stops waiting.
    pub deadline: Instant,
}

/// An answer. A refusal is an answer, too: it is in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The message.
    pub body: Bytes,
    /// The bulk data that goes with it.
    pub payload: Bytes,
}

/// Who asks. The role is proved, the program name is only claimed.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it proved to be.
    pub role: PeerRole,
    /// Where it connected from.
    pub address: SocketAddr,
    /// What it calls itself, for logs.
    pub program: String,
    pub(crate) complaints: Arc<Complaints>,
}

impl Peer {
    /// Logs that it was refused something which no well-behaved program asks for: one line for each host and ten
    /// seconds, however often it happens.
    pub fn complain(&self, reason: &dyn Display) {
        self.complaints.refused(self, reason);
    }
}

/// Answers requests.
///
/// Handlers cannot fail and are never cancelled: one runs to its end even when the connection is
/// gone or the deadline has passed; only its reply is dropped then.
///
/// A server stops reading from a connection with too many requests in flight. A handler must
/// therefore not wait for another request of the same connection.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, peer: &Peer, request: Request) -> impl Future<Output = Answer> + Send;

    /// Whether requests are mostly answered at once, or soon wait for something: then each is begun where it was read, and gets a task of
    /// its own only when it waits. Nothing else of its connection is read until then, so one must not keep a thread for long.
    fn is_brief(&self) -> bool {
        false
    }
}
