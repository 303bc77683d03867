//! How old the applied state is: when its log time last moved, on this process's monotonic clock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eggs_proto::Time;

/// When the state last moved.
#[derive(Debug)]
pub(crate) struct Freshness(Mutex<(Time, Instant)>);

impl Freshness {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Time(0), Instant::now())))
    }

    /// Notes the log time of the state, and says how long it has been standing still.
    pub(crate) fn note(&self, time: Time, now: Instant) -> Duration {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != time {
            *last = (time, now);
        }
        now.saturating_duration_since(last.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_starts_anew_when_time_moves() {
        let freshness = Freshness::new();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(freshness.note(Time(5), after(1)), Duration::ZERO);
        assert_eq!(freshness.note(Time(5), after(4)), Duration::from_secs(3));
        assert_eq!(freshness.note(Time(6), after(5)), Duration::ZERO);
    }
}
