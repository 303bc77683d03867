//! Answers and their payloads: bytes in memory, or a source that sends them from elsewhere, as from a file, without a copy in
//! between.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use bytes::Bytes;

use crate::{Payload, Reply};

/// A payload that is not in memory.
pub trait PayloadSource: Send + 'static {
    /// Bytes that are left to be sent. The first answer is the length of the payload, and binding.
    fn remaining(&self) -> usize;

    /// Sends some of them, as `write` would, to a socket that does not block: `WouldBlock` if it takes nothing now.
    /// Must not wait for anything else either. The connection is closed after any other error, because the peer
    /// was told the length.
    fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize>;
}

/// The bulk data of a frame on its way out.
pub enum Bulk {
    /// Bytes in memory.
    Memory(Payload),
    /// Bytes from elsewhere.
    Source(Box<dyn PayloadSource>),
}

/// What a server answers.
#[derive(Debug, Default)]
pub struct Answer {
    /// The message.
    pub body: Bytes,
    /// The bulk data that goes with it.
    pub payload: Bulk,
}

impl Bulk {
    /// Bytes that are left to be sent.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(payload) => payload.len(),
            Self::Source(source) => source.remaining(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Bulk {
    fn default() -> Self {
        Self::Memory(Payload::default())
    }
}

impl From<Payload> for Bulk {
    fn from(payload: Payload) -> Self {
        Self::Memory(payload)
    }
}

impl From<Bytes> for Bulk {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes.into())
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            body: reply.body,
            payload: reply.payload.into(),
        }
    }
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Memory(_) => "bytes",
            Self::Source(_) => "source",
        };
        write!(f, "{} {kind}", self.len())
    }
}
