//! What the cache on a local disk does, as metrics.

use std::time::Duration;

use eggs_client::{CacheStatistics, ReadCache};
use eggs_obs::metric_table;

/// Between looks at the cache.
const LOOK: Duration = Duration::from_secs(2);

metric_table! {
    /// The metrics of a cache on a local disk.
    pub struct CacheMetrics {
        hits: Counter = "eggs_cache_hits_total", "Reads answered from the cache on disk";
        hit_bytes: Counter = "eggs_cache_hit_bytes_total", "Bytes answered from the cache on disk";
        misses: Counter = "eggs_cache_misses_total", "Reads of which something was not in the cache on disk";
        filled_bytes: Counter = "eggs_cache_filled_bytes_total", "Bytes put into the cache on disk";
        dropped_bytes: Counter = "eggs_cache_dropped_bytes_total",
            "Bytes not put into the cache because too much was waiting or its disk had failed";
        evicted: Counter = "eggs_cache_evicted_slots_total", "Pieces of 64 KiB given up for others";
        damaged: Counter = "eggs_cache_damaged_slots_total", "Pieces of 64 KiB that failed their checksums";
        failures: Counter = "eggs_cache_failures_total", "Reads and writes of the cache that failed or took too long";
        used: Gauge = "eggs_cache_used_bytes", "Bytes of pieces in use";
    }
}

/// Shows what a cache does, for as long as the process lives.
pub async fn show_cache(metrics: CacheMetrics, cache: ReadCache) {
    let mut shown = CacheStatistics::default();
    loop {
        let now = cache.statistics();
        metrics.add(&shown, &now);
        shown = now;
        tokio::time::sleep(LOOK).await;
    }
}

impl CacheMetrics {
    fn add(&self, before: &CacheStatistics, now: &CacheStatistics) {
        self.hits.inc_by(now.hits - before.hits);
        self.hit_bytes.inc_by(now.hit_bytes - before.hit_bytes);
        self.misses.inc_by(now.misses - before.misses);
        let filled = now.filled_bytes - before.filled_bytes;
        self.filled_bytes.inc_by(filled);
        let dropped = now.dropped_bytes - before.dropped_bytes;
        self.dropped_bytes.inc_by(dropped);
        self.evicted.inc_by(now.evicted - before.evicted);
        self.damaged.inc_by(now.damaged - before.damaged);
        self.failures.inc_by(now.failures - before.failures);
        self.used
            .set(i64::try_from(now.used_bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_follow_the_cache() {
        let metrics = eggs_obs::Metrics::new("test");
        let table = CacheMetrics::register(&metrics);
        let first = CacheStatistics {
            hits: 3,
            used_bytes: 10,
            ..CacheStatistics::default()
        };
        let second = CacheStatistics {
            hits: 5,
            damaged: 1,
            used_bytes: 7,
            ..first
        };
        table.add(&CacheStatistics::default(), &first);
        table.add(&first, &second);
        let text = metrics.encode();
        for line in [
            "eggs_cache_hits_total 5",
            "eggs_cache_damaged_slots_total 1",
            "eggs_cache_used_bytes 7",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
