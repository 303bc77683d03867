//! The time that this process has been running, as far as it noticed.

use std::time::Duration;

use tokio::time::Instant;

/// Counts time between looks, but never more than a step for each: a process that was stopped or starved has not been
/// waiting for its peers in the meantime, and must not suspect them for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakingClock {
    step: Duration,
    looked: Instant,
    elapsed: Duration,
}

impl WakingClock {
    pub(crate) const fn new(step: Duration, now: Instant) -> Self {
        Self {
            step,
            looked: now,
            elapsed: Duration::ZERO,
        }
    }

    /// Looks at the clock.
    pub(crate) fn look(&mut self, now: Instant) {
        self.elapsed += now.saturating_duration_since(self.looked).min(self.step);
        self.looked = self.looked.max(now);
    }

    /// The time at the last look.
    pub(crate) const fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
