//! Why a call has no answer, and whether it may be repeated.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use eggs_proto::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// What is known about a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never left this process: the server did not execute it.
    NotExecuted,
    /// It may have been executed, or may still be.
    Unknown,
}

/// A call without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RpcError {
    /// No connection could be made.
    #[error("connect to {address}: {source}")]
    Connect {
        /// Whom we tried to reach.
        address: SocketAddr,
        /// What went wrong; shared by everybody who waited for this connection.
        source: Arc<io::Error>,
    },
    /// The two ends do not know the same secret.
    #[error("{address} does not know our secret: both ends must use secrets of the same cluster")]
    Unauthorized {
        /// Whom we tried to reach.
        address: SocketAddr,
    },
    /// The two ends have no protocol version in common, or the other end speaks something else.
    #[error("{address} cannot be understood: {reason}")]
    Version {
        /// Whom we tried to reach.
        address: SocketAddr,
        /// What it said.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer from {address} in time")]
    Deadline {
        /// Who was asked.
        address: SocketAddr,
        /// Whether the request may have been executed.
        fate: Fate,
    },
    /// The connection broke before the answer came.
    #[error("connection to {address} was lost")]
    Closed {
        /// Who was asked.
        address: SocketAddr,
        /// Whether the request may have been executed.
        fate: Fate,
    },
    /// The request exceeds the limits of a frame.
    #[error(
        "a request of {body} + {payload} bytes exceeds the limit of \
         {BODY_BYTES_MAX} + {PAYLOAD_BYTES_MAX}"
    )]
    TooLarge {
        /// Bytes of body.
        body: usize,
        /// Bytes of payload.
        payload: usize,
    },
}

impl RpcError {
    /// Whether the request may have been executed.
    pub const fn fate(&self) -> Fate {
        match self {
            Self::Deadline { fate, .. } | Self::Closed { fate, .. } => *fate,
            Self::Connect { .. }
            | Self::Unauthorized { .. }
            | Self::Version { .. }
            | Self::TooLarge { .. } => Fate::NotExecuted,
        }
    }

    /// Whether asking again, here or elsewhere, may help. Where [`RpcError::fate`] is unknown, only
    /// a request that is idempotent or carries the same request id may be repeated.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Deadline { .. } | Self::Closed { .. } => true,
            Self::Unauthorized { .. } | Self::Version { .. } | Self::TooLarge { .. } => false,
        }
    }
}
