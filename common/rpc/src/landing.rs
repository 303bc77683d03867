//! Answers whose payload goes into memory that the asking side has prepared: what is read from several servers at once
//! needs no copy to become one piece.

use bytes::{Bytes, BytesMut};

/// An answer to a call with prepared memory.
#[derive(Debug)]
pub struct Landed {
    /// The message.
    pub body: Bytes,
    /// The memory, full. `None` if the payload has another length, as that of a refusal: it was thrown away then.
    pub parts: Option<Vec<BytesMut>>,
}

/// What a call is told.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) body: Bytes,
    /// Of a call without prepared memory.
    pub(crate) payload: Bytes,
    /// Of a call with it.
    pub(crate) parts: Option<Vec<BytesMut>>,
}

/// Bytes that the parts have room for.
pub(crate) fn room(parts: &[BytesMut]) -> usize {
    parts.iter().map(|part| part.capacity() - part.len()).sum()
}
