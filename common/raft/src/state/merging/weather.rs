//! Calm and busy times: whether somebody would wait for a merge.

use super::super::recent::Done;

/// Rows that are changed in a round, from which on it is a busy one: those of some hundred files.
pub(super) const BUSY_CHANGED: u64 = 5_000;
/// Rows that are asked for in a round, from which on somebody would wait for a merge.
pub(super) const BUSY_READ: u64 = 2_000;
/// Rounds in a row with little of both, until it is calm.
pub(super) const CALM_ROUNDS: u32 = 5;
/// Rounds in a row in which little changes, after which it is calm although much is read: from then on those who read gain from it.
const READERS_WAIT: u32 = 60;

/// Tells calm from busy times.
#[derive(Debug, Default)]
pub(super) struct Weather {
    before: Done,
    /// Rounds in a row in which little changed.
    settled: u32,
    /// Those of them, up to now, in which little was read either.
    quiet: u32,
}

impl Weather {
    /// Once a round: whether it is calm, given what was done so far.
    pub(super) fn is_calm(&mut self, done: Done) -> bool {
        let lately = done.since(self.before);
        self.before = done;
        let settled = lately.changed < BUSY_CHANGED;
        let count = |rounds: u32, is_so: bool| if is_so { rounds.saturating_add(1) } else { 0 };
        self.settled = count(self.settled, settled);
        self.quiet = count(self.quiet, settled && lately.read < BUSY_READ);
        self.quiet >= CALM_ROUNDS || self.settled >= READERS_WAIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rounds, in each of which so many rows are changed and read: in which of them it is calm.
    fn rounds(weather: &mut Weather, (changed, read): (u64, u64), count: u32) -> Vec<bool> {
        let mut done = weather.before;
        let round = |_| {
            done = done.and(Done { changed, read });
            weather.is_calm(done)
        };
        (0..count).map(round).collect()
    }

    #[test]
    fn it_is_calm_after_some_quiet_rounds_and_until_the_first_busy_one() {
        let weather = &mut Weather::default();
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 20), [false; 20]);
        assert_eq!(rounds(weather, (BUSY_CHANGED - 1, 0), 4), [false; 4]);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
        let calm = [false, false, false, false, true, true];
        assert_eq!(rounds(weather, (0, 0), 6), calm);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
        assert_eq!(rounds(weather, (0, 0), 4), [false; 4]);
    }

    #[test]
    fn readers_are_waited_for_but_not_for_ever() {
        let weather = &mut Weather::default();
        assert_eq!(rounds(weather, (0, BUSY_READ - 1), 4), [false; 4]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 1), [false]);
        let calm = [false, false, false, false, true, true];
        assert_eq!(rounds(weather, (0, BUSY_READ - 1), 6), calm);
        assert_eq!(rounds(weather, (BUSY_CHANGED, BUSY_READ), 1), [false]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 59), [false; 59]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 2), [true; 2]);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
    }
}
