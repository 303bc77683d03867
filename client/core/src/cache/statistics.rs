//! What a cache did.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Reads that were answered from it.
    pub hits: u64,
    /// Their bytes.
    pub hit_bytes: u64,
    /// Reads for which something was not there.
    pub misses: u64,
    /// Bytes that were put in.
    pub filled_bytes: u64,
    /// Bytes that were not put in because too much was waiting to be, or the cache was left alone.
    pub dropped_bytes: u64,
    /// Slots of 64 KiB that were given up for something else.
    pub evicted: u64,
    /// Slots that did not hold what they should.
    pub damaged: u64,
    /// Reads and writes of the cache that failed or took too long.
    pub failures: u64,
    /// Bytes of slots in use.
    pub used_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub hits: AtomicU64,
    pub hit_bytes: AtomicU64,
    pub misses: AtomicU64,
    pub filled_bytes: AtomicU64,
    pub dropped_bytes: AtomicU64,
    pub evicted: AtomicU64,
    pub damaged: AtomicU64,
    pub failures: AtomicU64,
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    pub fn read(&self, used_bytes: u64) -> CacheStatistics {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStatistics {
            hits: of(&self.hits),
            hit_bytes: of(&self.hit_bytes),
            misses: of(&self.misses),
            filled_bytes: of(&self.filled_bytes),
            dropped_bytes: of(&self.dropped_bytes),
            evicted: of(&self.evicted),
            damaged: of(&self.damaged),
            failures: of(&self.failures),
            used_bytes,
        }
    }
}
