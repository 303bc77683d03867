//! What survives of what was not synced.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How much survives of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing: it was all in memory.
    Nothing,
    /// Everything: it was written back in the last moment.
    Everything,
    /// Any part of it, drawn for each file and directory.
    Some,
}

/// Draws what survives.
#[derive(Debug)]
pub struct Fate {
    survival: Survival,
    rng: StdRng,
    /// Of the file or directory that is looked at.
    chance: f64,
}

impl Fate {
    /// The same seed draws the same.
    pub fn new(survival: Survival, seed: u64) -> Self {
        Self {
            survival,
            rng: StdRng::seed_from_u64(seed),
            chance: 0.0,
        }
    }

    /// Goes on with another file or directory. Some are lost or kept as a whole, which even chances for each sector would
    /// hardly ever bring about.
    pub(crate) fn next(&mut self) {
        const CHANCES: [f64; 4] = [0.0, 0.5, 0.9, 1.0];
        self.chance = match self.survival {
            Survival::Nothing => 0.0,
            Survival::Everything => 1.0,
            Survival::Some => CHANCES[self.rng.random_range(0..CHANCES.len())],
        };
    }

    /// Whether one thing survives.
    pub(crate) fn keeps(&mut self) -> bool {
        self.rng.random_bool(self.chance)
    }
}
