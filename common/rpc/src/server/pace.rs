//! Which brief requests of a connection are begun where they were read.
//!
//! A task of its own may wake another thread, which was a sixth of what a stat cost (ADR 45). But while one is at work where it was read, all that
//! came after it on the same connection waits, so after one that took long, as those do which have to read from a disk, some get tasks, which
//! several threads can work on.

use std::time::Duration;

/// Longer than this, and others should not wait for it.
const LONG: Duration = Duration::from_millis(1);
/// Requests that get a task of their own after one that took longer.
const APART: u32 = 64;

/// What a connection knows of its last requests.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Requests that get a task before another one is begun where it was read.
    apart: u32,
}

impl Pace {
    /// Whether the next one is begun where it was read.
    pub(super) const fn next_is_begun(&mut self) -> bool {
        let here = self.apart == 0;
        self.apart = self.apart.saturating_sub(1);
        here
    }

    /// One that was begun where it was read kept the thread for so long.
    pub(super) fn kept(&mut self, time: Duration) {
        if time > LONG {
            self.apart = APART;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_one_some_are_apart() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert!(pace.next_is_begun());
            pace.kept(LONG);
        }
        assert!(pace.next_is_begun());
        pace.kept(LONG * 2);
        for _ in 0..APART {
            assert!(!pace.next_is_begun());
        }
        assert!(pace.next_is_begun());
    }
}
