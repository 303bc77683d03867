//! When the next pass begins: soon after one that got something done, late when nothing happens, at the latest when
//! something becomes due, and never so often that passes are most of what the cluster does.

use std::time::Duration;

/// Passes that find nothing take at most one tenth of the time.
const REST_PER_WORK: u32 = 9;
/// However long a pass takes, the next one begins after this.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What matters of the last pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassFacts {
    /// It collected something, so there may be more that was waiting for it.
    pub productive: bool,
    /// Some shard has changed.
    pub changed: bool,
    /// How long it took.
    pub took: Duration,
    /// Milliseconds until something becomes due.
    pub due_in_ms: Option<u64>,
}

/// The pace of passes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between passes while the cluster is in use.
    pub interval: Duration,
}

impl Pace {
    /// How long to rest.
    pub fn pause(&self, last: &PassFacts) -> Duration {
        let shortest = self.interval / 10;
        if last.productive {
            return shortest;
        }
        let usual = if last.changed {
            self.interval
        } else {
            self.interval * 2
        };
        let due = last.due_in_ms.map_or(usual, Duration::from_millis);
        let rest = (last.took * REST_PER_WORK).min(PAUSE_MAX);
        usual.min(due).max(shortest).max(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        interval: Duration::from_secs(5),
    };
    const IDLE: PassFacts = PassFacts {
        productive: false,
        changed: false,
        took: Duration::from_millis(10),
        due_in_ms: None,
    };

    #[test]
    fn the_pace_follows_the_work() {
        let pause = |facts| PACE.pause(&facts).as_millis();
        assert_eq!(pause(IDLE), 10_000);
        let changed = PassFacts {
            changed: true,
            ..IDLE
        };
        assert_eq!(pause(changed), 5_000);
        let productive = PassFacts {
            productive: true,
            ..changed
        };
        assert_eq!(pause(productive), 500);
    }

    #[test]
    fn deadlines_are_kept_but_not_at_any_price() {
        let pause = |took, due_in_ms| {
            let took = Duration::from_millis(took);
            PACE.pause(&PassFacts {
                took,
                due_in_ms: Some(due_in_ms),
                ..IDLE
            })
            .as_millis()
        };
        assert_eq!(pause(10, 2_000), 2_000);
        assert_eq!(pause(10, 0), 500);
        assert_eq!(pause(10, u64::MAX), 10_000);
        assert_eq!(pause(1_000, 0), 9_000);
        assert_eq!(pause(100_000, 0), 60_000);
    }
}
