//! What was applied to a group and is not in the store yet.
//!
//! Most entries write the same few rows again and again: the index, log time, counters, the directory that is being filled. The store keeps
//! every version of a row until it flushes, each found by a walk through all that is in memory. Here the last version takes the place of the one before, and
//! the rows of many entries go to the store in order and at once.
//!
//! **Invariant:** what the store has of a group and what is pending come to the state after one whole entry; the store alone is that after an
//! earlier one. A crash loses what is pending, and the log still has it: the log is purged only up to what was flushed, and a flush begins by
//! writing all that was pending.
//! **Invariant:** nobody but pending rows' own way out writes to the store of a group while rows are pending: who does writes them out first.

use eggs_machine::Changes;

use crate::types::LogId;

/// Entries of a group that are pending, at most. A replica applies that many again after a crash, and each of them saves less than the one before.
const ENTRIES_MAX: usize = 64;
/// Bytes that entries of a group have changed, at most: a process has hundreds of groups.
const BYTES_MAX: usize = 64 << 10;
/// Bytes that one entry changes: one of many commands has little in common with the next, for its size, and does not wait for it.
const ENTRY_BYTES_MAX: usize = 4 << 10;

/// Rows of a group, with the index of the last entry that changed them.
#[derive(Clone, Default)]
pub(super) struct Pending {
    pub(super) changes: Changes,
    /// `None` if nothing is pending.
    pub(super) applied: Option<LogId>,
    entries: usize,
    bytes: usize,
}

impl Pending {
    /// Adds what an entry changed; says whether it is time to write all of it.
    pub(super) fn add(&mut self, changes: Changes, applied: LogId) -> bool {
        let sizes = changes
            .iter()
            .map(|(_, key, value)| key.len() + value.map_or(0, <[u8]>::len));
        let size: usize = sizes.sum();
        // Every reader would have to look at a dropped span.
        let drops = changes.spans().next().is_some();
        self.bytes += size;
        self.entries += 1;
        self.changes.merge(changes);
        self.applied = Some(applied);
        drops || size >= ENTRY_BYTES_MAX || self.entries >= ENTRIES_MAX || self.bytes >= BYTES_MAX
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests;
