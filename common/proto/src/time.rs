//! Time is an argument. `Time` orders what the metadata decides; `FileTime` is what a user sees.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as stamped by a leader. Within one group it never runs
/// backwards.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// Later by `ms` milliseconds; stops at the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; zero if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Nanoseconds since the Unix epoch, signed: what `stat` shows and `utimensat` sets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FileTime(pub i64);

impl From<Time> for FileTime {
    fn from(time: Time) -> Self {
        Self(
            i64::try_from(time.0)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000),
        )
    }
}
