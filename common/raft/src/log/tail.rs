//! What one group's log looks like without reading it: its ends, its vote, and its newest entries.
//!
//! **Invariant:** an entry that the writer has not written yet is here, so that it can be read at once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eggs_proto::GroupId;

use super::{RecoveredLog, keys};
use crate::types::{LogEntry, LogId, Vote};

/// Entries kept in memory for followers that are nearly up to date, and for applying.
const RECENT_ENTRIES_MAX: usize = 64;
/// Bytes of them; whatever is not written yet stays regardless.
const RECENT_BYTES_MAX: usize = 128 << 10;

/// An entry in memory.
#[derive(Clone)]
pub(crate) struct Recent {
    pub(crate) entry: LogEntry,
    pub(crate) hash: u64,
    pub(crate) bytes: usize,
}

pub(crate) struct Ends {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    /// Hash after the last purged record.
    pub(crate) purged_hash: u64,
    pub(crate) last: Option<LogId>,
    /// Index of the first entry that is in the log, or would be.
    pub(crate) first: u64,
    /// Hash after the last record.
    pub(crate) hash: u64,
    /// The newest entries, without a gap up to the last.
    pub(crate) recent: VecDeque<Recent>,
    recent_bytes: usize,
    /// The next index to be written by the writer.
    unwritten: u64,
}

pub(crate) struct Tail {
    ends: Mutex<Ends>,
}

impl Tail {
    pub(crate) fn new(group: GroupId, log: &RecoveredLog) -> Self {
        let unwritten = log.last.as_ref().map_or(0, |id| id.index() + 1);
        let first = keys::first_hash(group);
        Self {
            ends: Mutex::new(Ends {
                vote: log.vote,
                purged: log.purged,
                purged_hash: log.purged_hash.unwrap_or(first),
                last: log.last,
                first: log.first,
                hash: log.hash.unwrap_or(first),
                recent: VecDeque::new(),
                recent_bytes: 0,
                unwritten,
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Ends> {
        // Nothing panics while it is held; a poisoned lock would still hold whole values.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer has written everything up to `index`.
    pub(crate) fn set_written(&self, index: u64) {
        let mut ends = self.lock();
        ends.unwritten = ends.unwritten.max(index + 1);
        ends.shrink();
    }
}

impl Ends {
    pub(crate) fn push(&mut self, recent: Recent) {
        if self.last.is_none() {
            self.first = recent.entry.log_id.index();
        }
        self.last = Some(recent.entry.log_id);
        self.hash = recent.hash;
        self.recent_bytes += recent.bytes;
        self.recent.push_back(recent);
    }

    /// Index of the first entry in memory.
    pub(crate) fn recent_from(&self) -> Option<u64> {
        self.recent.front().map(|r| r.entry.log_id.index())
    }

    /// Forgets entries from `index` on; the caller sets the new end.
    pub(crate) fn cut(&mut self, index: u64) {
        while let Some(last) = self.recent.back()
            && last.entry.log_id.index() >= index
        {
            self.recent_bytes -= last.bytes;
            self.recent.pop_back();
        }
    }

    /// Forgets entries up to `index`.
    pub(crate) fn drop_upto(&mut self, index: u64) {
        while let Some(first) = self.recent.front()
            && first.entry.log_id.index() <= index
        {
            self.recent_bytes -= first.bytes;
            self.recent.pop_front();
        }
    }

    /// After the writer has written a truncation: what follows is unwritten again.
    pub(crate) fn written_only_before(&mut self, index: u64) {
        self.unwritten = self.unwritten.min(index);
    }

    fn shrink(&mut self) {
        while let Some(first) = self.recent.front()
            && first.entry.log_id.index() < self.unwritten
            && (self.recent.len() > RECENT_ENTRIES_MAX || self.recent_bytes > RECENT_BYTES_MAX)
        {
            self.recent_bytes -= first.bytes;
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tail: &Tail, range: std::ops::Range<u64>) {
        for index in range {
            tail.lock().push(Recent {
                entry: LogEntry {
                    log_id: LogId::new_term_index(1, index),
                    payload: openraft::EntryPayload::Blank,
                },
                hash: 0,
                bytes: 10,
            });
        }
    }

    #[test]
    fn what_is_not_written_stays_also_after_a_truncation() {
        let tail = Tail::new(GroupId(1), &RecoveredLog::default());
        push(&tail, 0..100);
        tail.set_written(9);
        assert_eq!(tail.lock().recent_from(), Some(10));
        tail.set_written(99);
        assert_eq!(tail.lock().recent_from(), Some(36));
        tail.lock().cut(50);
        tail.lock().written_only_before(50);
        push(&tail, 50..200);
        tail.set_written(50);
        assert_eq!(tail.lock().recent_from(), Some(51));
    }
}
