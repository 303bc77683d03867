//! What of a shard must be looked at in this pass, from what is known of the last one.
//!
//! The counters of a shard cost one small query; walking its directories costs one query for each of them.

use eggs_proto::shard::Usage;
use eggs_proto::{BlockId, FileTime, Time};

/// However quiet a shard is, its directories are walked again after this many milliseconds.
const WALK_MS_MAX: u64 = 300_000;

/// What is known of a shard from the last pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardMemory {
    /// The last change seen when it was looked at.
    pub changed: Option<FileTime>,
    /// When its directories were last walked to the end.
    pub walked: Option<Time>,
    /// Whether it has snapshots.
    pub has_snapshots: bool,
    /// When the next transient file expires.
    pub next_transient: Option<Time>,
    /// When the next snapshot becomes due, by the policies as they were.
    pub next_snapshot: Option<Time>,
    /// Something was left over that needs no change to be done.
    pub unfinished: bool,
    /// Where to go on with garbage that was not looked at.
    pub garbage_after: Option<BlockId>,
}

/// What of a shard must be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Transient files.
    pub transients: bool,
    /// Directories and their snapshots.
    pub snapshots: bool,
    /// Garbage.
    pub garbage: bool,
}

impl ShardMemory {
    /// Whether the shard has changed since it was looked at.
    pub fn is_outdated(&self, usage: &Usage) -> bool {
        self.changed != Some(usage.changed)
    }

    /// What must be looked at. `cluster_changed`: some shard has changed, which may have been a policy that
    /// directories here inherit, or the emptying of a directory whose snapshot is here.
    pub fn wanted(&self, usage: &Usage, cluster_changed: bool) -> Wanted {
        let fresh = self.is_outdated(usage) || self.unfinished;
        let reached = |time: Option<Time>| time.is_some_and(|time| usage.now >= time);
        let old = self
            .walked
            .is_none_or(|walked| usage.now.ms_since(walked) > WALK_MS_MAX);
        Wanted {
            transients: usage.transients > 0 && (fresh || reached(self.next_transient)),
            snapshots: usage.directories > 0
                && (fresh
                    || old
                    || reached(self.next_snapshot)
                    || (self.has_snapshots && cluster_changed)),
            garbage: usage.garbage_blocks > 0,
        }
    }

    /// The next moment at which something here becomes due.
    pub fn next_due(&self) -> Option<Time> {
        super::snapshots::earliest(self.next_transient, self.next_snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Usage = Usage {
        files: 5,
        directories: 3,
        transients: 1,
        bytes: 0,
        physical_bytes: 0,
        garbage_blocks: 0,
        now: Time(1_000),
        changed: FileTime(7),
    };

    fn known() -> ShardMemory {
        ShardMemory {
            changed: Some(FileTime(7)),
            walked: Some(Time(900)),
            has_snapshots: true,
            ..ShardMemory::default()
        }
    }

    fn wanted(memory: &ShardMemory, usage: &Usage, cluster_changed: bool) -> [bool; 3] {
        let wanted = memory.wanted(usage, cluster_changed);
        [wanted.transients, wanted.snapshots, wanted.garbage]
    }

    #[test]
    fn a_quiet_shard_costs_nothing_more() {
        assert_eq!(wanted(&known(), &QUIET, false), [false; 3]);
    }

    #[test]
    fn a_new_or_changed_shard_is_looked_at() {
        assert_eq!(
            wanted(&ShardMemory::default(), &QUIET, false),
            [true, true, false]
        );
        let changed = Usage {
            changed: FileTime(8),
            garbage_blocks: 2,
            ..QUIET
        };
        assert_eq!(wanted(&known(), &changed, true), [true; 3]);
    }

    #[test]
    fn deadlines_are_kept() {
        let memory = ShardMemory {
            next_transient: Some(Time(1_000)),
            next_snapshot: Some(Time(1_001)),
            ..known()
        };
        assert_eq!(wanted(&memory, &QUIET, false), [true, false, false]);
        let later = Usage {
            now: Time(1_001),
            ..QUIET
        };
        assert_eq!(wanted(&memory, &later, false), [true, true, false]);
        assert_eq!(memory.next_due(), Some(Time(1_000)));
    }

    #[test]
    fn a_change_elsewhere_matters_only_with_snapshots() {
        assert_eq!(wanted(&known(), &QUIET, true), [false, true, false]);
        let without = ShardMemory {
            has_snapshots: false,
            ..known()
        };
        assert_eq!(wanted(&without, &QUIET, true), [false; 3]);
    }

    #[test]
    fn leftovers_and_old_walks_are_looked_at_again() {
        let unfinished = ShardMemory {
            unfinished: true,
            ..known()
        };
        assert_eq!(wanted(&unfinished, &QUIET, false), [true, true, false]);
        let later = Usage {
            now: Time(1_000 + WALK_MS_MAX),
            ..QUIET
        };
        assert_eq!(wanted(&known(), &later, false), [false, true, false]);
    }
}
