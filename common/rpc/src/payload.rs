//! The bulk data of a request, in one piece or in several that follow each other on the wire.
//!
//! Whoever has its data in pieces of a larger buffer sends them as they are, instead of copying them together.

use std::sync::Arc;

use bytes::Bytes;

/// Bulk data to be sent. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Payload(Parts);

#[derive(Clone, Debug)]
enum Parts {
    One(Bytes),
    Several { parts: Arc<[Bytes]>, len: usize },
}

impl Payload {
    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        match &self.0 {
            Parts::One(part) => part.len(),
            Parts::Several { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Bytes] {
        match &self.0 {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Several { parts, .. } => parts,
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl From<Bytes> for Payload {
    fn from(part: Bytes) -> Self {
        Self(Parts::One(part))
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(parts: Vec<Bytes>) -> Self {
        let len = parts.iter().map(Bytes::len).sum();
        Self(Parts::Several {
            parts: parts.into(),
            len,
        })
    }
}
