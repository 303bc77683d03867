//! How long block services usually take, to know when to stop waiting for one alone.
//!
//! A running estimate of the 95th percentile: a sample above it moves it up a good deal, one below moves it down
//! a little, so that in the long run one in twenty is above.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Never race earlier than this: the other services would only get more to do.
const HEDGE_MIN: Duration = Duration::from_millis(100);
/// Never wait longer than this before racing.
const HEDGE_MAX: Duration = Duration::from_millis(1000);
/// Where the estimate begins.
const START_MS: f64 = 100.0;
const QUANTILE: f64 = 0.95;

#[derive(Debug)]
pub(crate) struct Latencies(Mutex<f64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Mutex::new(START_MS))
    }
}

impl Latencies {
    /// Takes note of how long an answer took.
    pub(super) fn record(&self, took: Duration) {
        let mut estimate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = (*estimate * 0.05).max(0.5);
        if took.as_secs_f64() * 1000.0 > *estimate {
            *estimate += step * QUANTILE;
        } else {
            *estimate = (*estimate - step * (1.0 - QUANTILE)).max(0.0);
        }
    }

    /// How long to wait before racing others against a late one.
    pub(crate) fn hedge_after(&self) -> Duration {
        let estimate = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_secs_f64(estimate * 1.5 / 1000.0).clamp(HEDGE_MIN, HEDGE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_finds_the_tail() {
        let latencies = Latencies::default();
        for i in 0..20_000 {
            let slow = i % 10 == 0; // one in ten: the 95th percentile is among these
            latencies.record(Duration::from_millis(if slow { 400 } else { 5 }));
        }
        let hedge = latencies.hedge_after();
        assert!(hedge > Duration::from_millis(400), "{hedge:?}");
        for _ in 0..20_000 {
            latencies.record(Duration::from_millis(1));
        }
        assert_eq!(latencies.hedge_after(), HEDGE_MIN);
    }
}
