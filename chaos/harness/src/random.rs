//! Chance that follows from a seed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A stream of numbers that follows from its seed.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// Begins the stream called `name` of a seed. Streams of different names have nothing to do with each other.
    pub fn of(seed: u64, name: &str) -> Self {
        let mixed = xxhash_rust::xxh64::xxh64(name.as_bytes(), seed);
        Self(StdRng::seed_from_u64(mixed))
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// A number from `low` up to, not including, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..high.max(low + 1))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.between(0, 100) < chance
    }

    /// One of a list; `None` of an empty one.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_follow_from_seed_and_name() {
        let take = |seed, name| {
            let mut random = Random::of(seed, name);
            [0; 4].map(|_| random.between(0, u64::MAX))
        };
        assert_eq!(take(1, "a"), take(1, "a"));
        assert_ne!(take(1, "a"), take(1, "b"));
        assert_ne!(take(1, "a"), take(2, "a"));
        assert_eq!(Random::of(1, "a").pick::<u8>(&[]), None);
    }
}
