//! Memory of writers: chunks that are used again, and a budget that all writers of a client share.
//!
//! Memory that was just freed has to be found, and cleared by the kernel, when it is needed again; for large buffers that
//! costs more than filling them. So chunks that were used are kept for those who come next.
//!
//! **Invariant:** a chunk holds its share of the budget until the last reference to its bytes is gone, also when that is a
//! request on its way to a slow server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of one chunk.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that are kept for later at most: as much as one extent gives back at once.
const KEPT_MAX: usize = (32 << 20) / CHUNK_BYTES;
/// How long to wait for the others to give back some of the budget.
const WAIT: Duration = Duration::from_millis(200);

/// The memory of all writers.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// One permit for each chunk.
    budget: Arc<Semaphore>,
    kept: Mutex<Vec<Box<[u8]>>>,
}

/// Memory to be filled.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
    chunks: Arc<Chunks>,
    _share: Option<OwnedSemaphorePermit>,
}

/// A share of the budget.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Chunks {
    /// A budget of so many bytes.
    pub(crate) fn new(budget_bytes: usize) -> Arc<Self> {
        let chunks = (budget_bytes / CHUNK_BYTES).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            budget: Arc::new(Semaphore::new(chunks)),
            kept: Mutex::default(),
        })
    }

    /// Waits a moment for a share of so many chunks.
    pub(super) async fn share(&self, chunks: u32) -> Option<Share> {
        let share = self.budget.clone().acquire_many_owned(chunks);
        timeout(WAIT, share).await.ok()?.ok().map(Share)
    }

    /// An empty chunk, which holds the share if there is one.
    pub(super) fn chunk(self: &Arc<Self>, share: Option<Share>) -> Chunk {
        let kept = self.lock().pop();
        Chunk {
            bytes: kept.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice()),
            len: 0,
            chunks: self.clone(),
            _share: share.map(|share| share.0),
        }
    }

    /// Memory for `len` bytes, at most [`CHUNK_BYTES`], of any content.
    pub(super) fn filled(self: &Arc<Self>, len: usize) -> Chunk {
        debug_assert!(len <= CHUNK_BYTES);
        if len >= CHUNK_BYTES / 4 {
            let mut chunk = self.chunk(None);
            chunk.len = len;
            return chunk;
        }
        Chunk {
            bytes: vec![0; len].into_boxed_slice(),
            len,
            chunks: self.clone(),
            _share: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    /// Bytes that still fit.
    pub(super) fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// Appends what fits; gives the rest.
    pub(super) fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(self.room().min(bytes.len()));
        self.bytes[self.len..self.len + now.len()].copy_from_slice(now);
        self.len += now.len();
        later
    }

    /// All of its bytes.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// The bytes, which cannot be changed any more.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut kept = self.chunks.lock();
        if bytes.len() == CHUNK_BYTES && kept.len() < KEPT_MAX {
            kept.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(chunks: &Chunks) -> usize {
        chunks.budget.available_permits()
    }

    #[tokio::test]
    async fn a_share_is_held_until_the_last_bytes_are_gone() {
        let chunks = Chunks::new(3 * CHUNK_BYTES);
        let share = chunks.share(2).await;
        assert!(share.is_some());
        assert!(chunks.share(2).await.is_none(), "more than there is");
        let mut chunk = chunks.chunk(share);
        assert_eq!(chunk.append(b"1234"), b"");
        let bytes = chunk.freeze();
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!((&part[..], free(&chunks)), (&b"23"[..], 1));
        drop(part);
        assert_eq!(free(&chunks), 3);
    }

    #[test]
    fn memory_is_used_again_and_not_hoarded() {
        let chunks = Chunks::new(0);
        let first = chunks.chunk(None);
        let address = first.as_ref().as_ptr();
        drop(first);
        let mut again = chunks.chunk(None);
        assert_eq!(
            (again.as_ref().as_ptr(), again.as_ref().len()),
            (address, 0)
        );
        let long = vec![7; CHUNK_BYTES + 5];
        assert_eq!(again.append(&long).len(), 5);
        assert_eq!(again.room(), 0);
        drop(again);
        let many: Vec<_> = (0..2 * KEPT_MAX).map(|_| chunks.chunk(None)).collect();
        drop(many);
        assert_eq!(chunks.lock().len(), KEPT_MAX);
        drop((0..10).map(|_| chunks.filled(100)).collect::<Vec<_>>());
        assert!(chunks.lock().iter().all(|kept| kept.len() == CHUNK_BYTES));
    }
}
