//! When a process that died is started again. Pure: time is an argument, in milliseconds.

const FIRST_MS: u64 = 200;
const MAX_MS: u64 = 10_000;
/// A process that ran this long died of something new.
const SETTLED_MS: u64 = 30_000;

/// The memory of one process's deaths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
    started: u64,
    next: u64,
}

impl Backoff {
    /// Notes that the process was started.
    pub fn started(&mut self, now: u64) {
        self.started = now;
    }

    /// Notes that it died, and decides when it may start again.
    pub fn died(&mut self, now: u64) {
        if now.saturating_sub(self.started) >= SETTLED_MS {
            self.failures = 0;
        }
        let delay = FIRST_MS
            .saturating_mul(1 << self.failures.min(16))
            .min(MAX_MS);
        self.failures += 1;
        self.next = now.saturating_add(delay);
    }

    /// Whether it may start.
    pub fn may_start(&self, now: u64) -> bool {
        now >= self.next
    }

    /// Deaths in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets everything: somebody asked for a start.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_starts_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            backoff.started(now);
            backoff.died(now);
            let begin = now;
            while !backoff.may_start(now) {
                now += 100;
            }
            waits.push(now - begin);
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        backoff.started(now);
        backoff.died(now + SETTLED_MS);
        assert!(backoff.may_start(now + SETTLED_MS + FIRST_MS));
        assert_eq!(backoff.failures(), 1);
    }
}
