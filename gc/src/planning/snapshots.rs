//! Which snapshots of a directory are due.
//!
//! A snapshot is due when it has been removed for longer than `keep_ms`, or when at least
//! `keep_versions` newer old versions of its name are kept. The mark that a rename leaves owns nothing and does not
//! count as a version. What another collector has begun is always finished.
//!
//! **Invariant:** snapshots come in order of (hash, name, creation), and only those of one name are held.

use eggs_proto::shard::{DirectoryInfo, Snapshot};
use eggs_proto::{InodeId, Policy, SnapshotPolicy, Time};

/// Versions of one name that are weighed against each other; of more, the oldest are due by count.
const VERSIONS_MAX: usize = 1 << 16;

/// How a snapshot is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its dentry is dropped, and with it what this shard owns.
    Drop,
    /// Its file is on another shard and has to be doomed there.
    Foreign,
    /// It is a directory, which has to be empty and removed first.
    Directory,
}

/// A snapshot to be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueSnapshot {
    /// Which.
    pub snapshot: Snapshot,
    /// How.
    pub how: How,
}

/// Decides about the snapshots of one directory.
#[derive(Debug)]
pub struct SnapshotPlan {
    dir: InodeId,
    policy: SnapshotPolicy,
    now: Time,
    /// Snapshots of the name at hand, oldest first.
    versions: Vec<Snapshot>,
    due: Vec<DueSnapshot>,
    next_due: Option<Time>,
}

/// The snapshot policy set on a directory itself.
pub fn own_snapshot_policy(info: &DirectoryInfo) -> Option<SnapshotPolicy> {
    info.policies.iter().find_map(|policy| match policy {
        Policy::Snapshot(policy) => Some(*policy),
        Policy::Extent(_) | Policy::Class(_) | Policy::Stripe(_) | Policy::Inline(_) => None,
    })
}

impl SnapshotPlan {
    /// `policy` is the effective one of `dir`, `now` the log time of its shard.
    pub fn new(dir: InodeId, policy: SnapshotPolicy, now: Time) -> Self {
        Self {
            dir,
            policy,
            now,
            versions: Vec::new(),
            due: Vec::new(),
            next_due: None,
        }
    }

    /// Takes the next snapshot.
    pub fn push(&mut self, snapshot: Snapshot) {
        let same = self.versions.last().is_some_and(|last| {
            (last.key.hash, &last.key.name) == (snapshot.key.hash, &snapshot.key.name)
        });
        if !same || self.versions.len() >= VERSIONS_MAX {
            self.close_name();
        }
        self.versions.push(snapshot);
    }

    /// There are no more snapshots.
    pub fn end(&mut self) {
        self.close_name();
    }

    /// What is due among the names seen whole so far.
    pub fn take_due(&mut self) -> Vec<DueSnapshot> {
        std::mem::take(&mut self.due)
    }

    /// When the next of those that were kept becomes due.
    pub const fn next_due(&self) -> Option<Time> {
        self.next_due
    }

    fn close_name(&mut self) {
        let mut newer = 0u32;
        let first = self.due.len();
        for snapshot in std::mem::take(&mut self.versions).into_iter().rev() {
            let crowded = self.policy.keep_versions.is_some_and(|keep| newer >= keep);
            if snapshot.owned {
                newer = newer.saturating_add(1);
            }
            let until = self
                .policy
                .keep_ms
                .map(|keep| snapshot.removed.plus_ms(keep));
            let expired = until.is_some_and(|until| self.now >= until);
            if crowded || expired || snapshot.collecting {
                let how = how(self.dir, &snapshot);
                self.due.push(DueSnapshot { snapshot, how });
            } else {
                self.next_due = earliest(self.next_due, until);
            }
        }
        self.due[first..].reverse(); // oldest first, as they came
    }
}

fn how(dir: InodeId, snapshot: &Snapshot) -> How {
    match (snapshot.owned, snapshot.inode.is_directory()) {
        (false, _) => How::Drop,
        (true, true) => How::Directory,
        (true, false) if snapshot.inode.shard() == dir.shard() => How::Drop,
        (true, false) => How::Foreign,
    }
}

pub(crate) fn earliest(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::shard::SnapshotKey;
    use eggs_proto::{InodeKind, Name, NameHash, ShardId};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    const DIR: InodeId = InodeId::ROOT;
    const NOW: Time = Time(10_000);

    fn file(shard: u8, counter: u64) -> InodeId {
        InodeId::new(InodeKind::File, ShardId(shard), counter)
    }

    fn snapshot(name: &str, created: u64, removed: u64) -> Snapshot {
        Snapshot {
            key: SnapshotKey {
                hash: NameHash(name.len() as u64),
                name: Name::new(name.as_bytes()).unwrap(),
                created: Time(created),
            },
            removed: Time(removed),
            inode: file(0, created),
            owned: true,
            collecting: false,
        }
    }

    fn plan(policy: SnapshotPolicy, snapshots: &[Snapshot]) -> (Vec<DueSnapshot>, Option<Time>) {
        let mut plan = SnapshotPlan::new(DIR, policy, NOW);
        snapshots
            .iter()
            .cloned()
            .for_each(|snapshot| plan.push(snapshot));
        plan.end();
        (plan.take_due(), plan.next_due())
    }

    fn due(policy: SnapshotPolicy, snapshots: &[Snapshot]) -> Vec<u64> {
        let (due, _) = plan(policy, snapshots);
        due.iter().map(|due| due.snapshot.key.created.0).collect()
    }

    fn policy(keep_ms: Option<u64>, keep_versions: Option<u32>) -> SnapshotPolicy {
        SnapshotPolicy {
            keep_ms,
            keep_versions,
        }
    }

    #[test]
    fn age_counts_from_removal() {
        let snapshots = [
            snapshot("a", 1, 8_999),
            snapshot("a", 2, 9_000),
            snapshot("b", 3, 9_001),
        ];
        assert_eq!(due(policy(Some(1000), None), &snapshots), [1, 2]);
        assert_eq!(due(policy(Some(0), None), &snapshots), [1, 2, 3]);
        assert_eq!(due(policy(None, None), &snapshots), Vec::<u64>::new());
        let (_, next) = plan(policy(Some(1000), None), &snapshots);
        assert_eq!(next, Some(Time(10_001)));
        let for_ever = plan(policy(Some(u64::MAX), None), &snapshots);
        assert_eq!(for_ever, (vec![], Some(Time(u64::MAX))));
    }

    #[test]
    fn the_newest_versions_of_each_name_are_kept() {
        let snapshots = [
            snapshot("a", 1, 5),
            snapshot("a", 2, 6),
            snapshot("a", 3, 7),
            snapshot("b", 4, 5),
        ];
        assert_eq!(due(policy(None, Some(2)), &snapshots), [1]);
        assert_eq!(due(policy(None, Some(1)), &snapshots), [1, 2]);
        assert_eq!(due(policy(None, Some(0)), &snapshots), [1, 2, 3, 4]);
        assert_eq!(due(policy(None, Some(9)), &snapshots), Vec::<u64>::new());
    }

    #[test]
    fn either_bound_lets_go() {
        let snapshots = [
            snapshot("a", 1, 100),
            snapshot("a", 2, 9_990),
            snapshot("a", 3, 9_995),
        ];
        assert_eq!(due(policy(Some(1000), Some(2)), &snapshots), [1]);
        assert_eq!(due(policy(Some(1000), Some(1)), &snapshots), [1, 2]);
    }

    #[test]
    fn marks_of_renames_are_no_versions_and_begun_work_is_finished() {
        let mark = Snapshot {
            owned: false,
            ..snapshot("a", 2, 9_999)
        };
        let begun = Snapshot {
            collecting: true,
            inode: file(9, 1),
            ..snapshot("b", 3, 9_999)
        };
        let snapshots = [snapshot("a", 1, 9_999), mark, begun];
        assert_eq!(due(policy(None, Some(1)), &snapshots), [3]);
    }

    #[test]
    fn how_follows_from_what_it_is() {
        let cases = [
            (file(0, 1), true, How::Drop),
            (file(1, 1), true, How::Foreign),
            (file(1, 1), false, How::Drop),
            (
                InodeId::new(InodeKind::Symlink, ShardId(1), 1),
                true,
                How::Foreign,
            ),
            (
                InodeId::new(InodeKind::Directory, ShardId(0), 1),
                true,
                How::Directory,
            ),
            (
                InodeId::new(InodeKind::Directory, ShardId(1), 1),
                true,
                How::Directory,
            ),
            (
                InodeId::new(InodeKind::Directory, ShardId(1), 1),
                false,
                How::Drop,
            ),
        ];
        for (inode, owned, expected) in cases {
            let snapshot = Snapshot {
                inode,
                owned,
                ..snapshot("a", 1, 1)
            };
            let (due, _) = plan(policy(Some(0), None), &[snapshot]);
            assert_eq!(due[0].how, expected, "{inode} {owned}");
        }
    }

    proptest! {
        /// However a listing is cut into pages, and whatever it holds: nothing is lost, nothing
        /// protected is due, and what is due stays due.
        #[test]
        fn due_is_exactly_what_is_not_protected(
            names in proptest::collection::btree_set((0usize..4, 0u64..30), 0..30),
            removed in proptest::collection::vec((0u64..20_000, any::<bool>()), 30),
            keep_ms in proptest::option::of(0u64..20_000),
            keep_versions in proptest::option::of(0u32..5),
            step in (1usize..5).prop_map(|n| n),
        ) {
            let all: Vec<Snapshot> = names.iter().zip(&removed).map(|((name, created), (removed, owned))| Snapshot {
                owned: *owned,
                ..snapshot(&"x".repeat(name + 1), *created, *removed)
            }).collect();
            let policy = policy(keep_ms, keep_versions);
            let mut plan = SnapshotPlan::new(DIR, policy, NOW);
            let mut found = Vec::new();
            for page in all.chunks(step) {
                page.iter().cloned().for_each(|snapshot| plan.push(snapshot));
                found.extend(plan.take_due());
            }
            plan.end();
            found.extend(plan.take_due());
            let expected: Vec<&Snapshot> = all.iter().filter(|snapshot| {
                let newer = all.iter().filter(|other| {
                    other.owned && other.key.name == snapshot.key.name && other.key.created > snapshot.key.created
                });
                let crowded = keep_versions.is_some_and(|keep| newer.count() >= keep as usize);
                crowded || keep_ms.is_some_and(|keep| snapshot.removed.0 + keep <= NOW.0)
            }).collect();
            prop_assert_eq!(found.iter().map(|due| &due.snapshot).collect::<Vec<_>>(), expected);
            prop_assert!(plan.next_due().is_none_or(|next| next > NOW));
        }
    }
}
