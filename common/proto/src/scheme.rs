//! The erasure scheme `D+P`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{DATA_BLOCKS_MAX, PARITY_BLOCKS_MAX};

/// `D` data blocks and `P` parity blocks; any `D` of them give the data back. With `D` = 1 all blocks are copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scheme {
    /// Data blocks, at least 1.
    pub data: u8,
    /// Parity blocks, possibly none.
    pub parity: u8,
}

impl Scheme {
    /// Checks the numbers against their limits.
    pub fn new(data: u8, parity: u8) -> Option<Self> {
        let scheme = Self { data, parity };
        scheme.is_valid().then_some(scheme)
    }

    /// Whether the numbers are within their limits.
    pub const fn is_valid(self) -> bool {
        self.data >= 1
            && self.data as usize <= DATA_BLOCKS_MAX
            && self.parity as usize <= PARITY_BLOCKS_MAX
    }

    /// `D + P`.
    pub const fn blocks(self) -> usize {
        self.data as usize + self.parity as usize
    }

    /// The fewest blocks with which a degraded write may succeed: one more than are needed to read,
    /// where there is any parity.
    pub const fn blocks_min(self) -> usize {
        self.data as usize + if self.parity > 0 { 1 } else { 0 }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.data, self.parity)
    }
}
