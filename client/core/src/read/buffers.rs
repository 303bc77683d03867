//! Memory that reads land in, used again: memory that is touched for the first time costs more than reading into it.
//!
//! **Invariant:** what is kept for later is at most [`KEPT_BYTES_MAX`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

/// Smaller pieces are left to the allocator.
const POOLED_MIN: usize = 256 << 10;
/// Larger pieces are not kept.
const POOLED_MAX: usize = 16 << 20;
/// Bytes that may wait for their next use.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Memory that waits for its next use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<BytesMut>>>);

/// What goes with memory while it is in use, and brings it back.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Option<Buffers>,
    /// The end of the memory that was too much.
    rest: BytesMut,
    /// The share of what all readers may read ahead.
    _share: Option<OwnedSemaphorePermit>,
}

/// Memory in the hands of whoever asked for its bytes.
struct Lent {
    memory: BytesMut,
    lease: Lease,
}

impl Buffers {
    /// Memory with room for exactly `len` bytes. The share is given back with it.
    pub(super) fn take(
        &self,
        len: usize,
        share: Option<OwnedSemaphorePermit>,
    ) -> (BytesMut, Lease) {
        let pooled = (POOLED_MIN..=POOLED_MAX).contains(&len);
        let known = if pooled { self.find(len) } else { None };
        let mut memory = known.unwrap_or_else(|| BytesMut::with_capacity(len));
        let rest = cut(&mut memory, len);
        let lease = Lease {
            pool: pooled.then(|| self.clone()),
            rest,
            _share: share,
        };
        (memory, lease)
    }

    /// The smallest that is large enough, unless most of it would be wasted.
    fn find(&self, len: usize) -> Option<BytesMut> {
        let mut kept = self.lock();
        let fitting = kept
            .iter()
            .enumerate()
            .map(|(at, one)| (one.capacity(), at));
        let (_, at) = fitting
            .filter(|(room, _)| (len..=2 * len).contains(room))
            .min()?;
        Some(kept.swap_remove(at))
    }

    fn keep(&self, mut memory: BytesMut) {
        memory.clear();
        let mut kept = self.lock();
        let sum: usize = kept.iter().map(BytesMut::capacity).sum();
        if sum + memory.capacity() <= KEPT_BYTES_MAX {
            kept.push(memory);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory with room for exactly so many bytes.
pub(super) fn room_for(len: usize) -> BytesMut {
    let mut memory = BytesMut::with_capacity(len);
    cut(&mut memory, len);
    memory
}

/// Takes off what is more than `len`.
fn cut(memory: &mut BytesMut, len: usize) -> BytesMut {
    if memory.capacity() > len {
        memory.split_off(len)
    } else {
        BytesMut::new()
    }
}

impl Lease {
    /// The bytes, without a copy. The memory comes back when the last reference to them goes.
    pub(super) fn lend(self, memory: BytesMut) -> Bytes {
        if self.pool.is_none() && self._share.is_none() {
            return memory.freeze();
        }
        Bytes::from_owner(Lent {
            memory,
            lease: self,
        })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.memory);
        if self.lease.rest.capacity() > 0 {
            memory.unsplit(std::mem::take(&mut self.lease.rest));
        }
        let fits = (POOLED_MIN..=POOLED_MAX).contains(&memory.capacity());
        if let Some(pool) = &self.lease.pool
            && fits
        {
            pool.keep(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn memory_comes_back_whole_when_the_last_reference_goes() {
        let pool = Buffers::default();
        let (mut memory, lease) = pool.take(3 * MIB, None);
        let at = memory.as_ptr();
        memory.resize(3 * MIB, 1);
        let bytes = lease.lend(memory);
        let part = bytes.slice(MIB..MIB + 5);
        drop(bytes);
        assert!(pool.lock().is_empty(), "a part is in use");
        assert_eq!(part[..], [1; 5]);
        drop(part);
        // Less of it is used, in two parts, and all of it comes back.
        let (mut memory, lease) = pool.take(2 * MIB, None);
        assert_eq!((memory.as_ptr(), memory.capacity()), (at, 2 * MIB));
        let mut second = memory.split_off(MIB);
        memory.resize(MIB, 2);
        second.resize(MIB, 3);
        memory.unsplit(second);
        drop(lease.lend(memory));
        assert_eq!(pool.lock()[0].capacity(), 3 * MIB);
        assert!(pool.lock()[0].is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = Buffers::default();
        let lent: Vec<Bytes> = (0..30)
            .map(|_| {
                let (memory, lease) = pool.take(4 * MIB, None);
                lease.lend(memory)
            })
            .collect();
        drop(lent);
        let kept: usize = pool.lock().iter().map(BytesMut::capacity).sum();
        assert!(
            (KEPT_BYTES_MAX - 4 * MIB..=KEPT_BYTES_MAX).contains(&kept),
            "{kept}"
        );
        let (small, lease) = pool.take(4096, None);
        drop(lease.lend(small));
        let (large, _) = pool.take(64 * MIB, None);
        assert_eq!(large.capacity(), 64 * MIB);
    }
}
