//! Looking again before believing.

use std::collections::BTreeSet;

use eggs_proto::audit::Finding;

/// Looks at the whole cluster that have to find a suspect.
pub const LOOKS: usize = 3;

/// What all looks so far have found.
#[derive(Debug, Default)]
pub struct Suspects {
    looks: usize,
    common: BTreeSet<Finding>,
}

impl Suspects {
    /// Adds a look.
    pub fn look(&mut self, found: Vec<Finding>) {
        let found: BTreeSet<Finding> = found.into_iter().collect();
        self.common = match self.looks {
            0 => found,
            _ => self.common.intersection(&found).cloned().collect(),
        };
        self.looks += 1;
    }

    /// Whether another look could change anything.
    pub fn are_open(&self) -> bool {
        self.looks == 0 || (self.looks < LOOKS && !self.common.is_empty())
    }

    /// Those that are confirmed, once none is open.
    pub fn confirmed(self) -> Vec<Finding> {
        if self.looks < LOOKS {
            return Vec::new();
        }
        self.common.into_iter().collect()
    }
}
