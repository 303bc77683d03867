//! Until when an operation may go on, and how long to pause between attempts.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

/// The end of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// Time left; `None` when it is over.
    pub(crate) fn remaining(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The time for one attempt of at most `attempt`; `None` when it is over.
    pub(crate) fn clip(self, attempt: Duration) -> Option<Duration> {
        self.remaining().map(|left| left.min(attempt))
    }
}

/// Pauses that double from 5 to 100 ms, each shortened at random so that clients do not march in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: PAUSE_MIN }
    }

    /// Pauses; `false` when the deadline came first.
    pub(crate) async fn pause(&mut self, deadline: Deadline) -> bool {
        let share = rand::rng().random_range(0.5..=1.0);
        let pause = self.next.mul_f64(share);
        self.next = (self.next * 2).min(PAUSE_MAX);
        match deadline.clip(pause) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return false,
        }
        deadline.remaining().is_some()
    }
}
