//! Totals of directory trees: whatever was lost and delayed on the way, in the end they are those of the trees.

use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::tree::{TreeSums, TreeTotals};
use eggs_proto::{GroupId, InodeId, ShardId};
use eggs_shard::trees::pending;

use super::Part;
use crate::world::World;

/// How much of the totals can be known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Certain {
    /// What can be seen. Old versions go at any time.
    Current,
    /// Everything: there are no old versions.
    All,
}

impl World {
    /// Whether no shard has anything to report.
    pub(crate) fn is_reported(&mut self) -> bool {
        self.owing().is_empty()
    }

    /// Shards that have something to report.
    fn owing(&mut self) -> Vec<ShardId> {
        let shards: Vec<ShardId> = self.shards().map(|(shard, _)| shard).collect();
        let mut owing = Vec::new();
        for shard in shards {
            match pending(shard, &self.group(GroupId::of_shard(shard)).state, 1) {
                Ok(work) if work.is_empty() => {}
                Ok(_) => owing.push(shard),
                Err(fault) => self.violate(|| format!("shard {shard}: {fault}")),
            }
        }
        owing
    }

    /// Compares the totals of all directories; nothing may be owed any more.
    pub(super) fn check_totals(&mut self, certain: Certain) {
        let owing = self.owing();
        if !owing.is_empty() {
            return self.violate(|| format!("totals are reported for ever by {owing:?}"));
        }
        let live = self.oracle.names.directories.iter();
        let live: Vec<InodeId> = live
            .filter(|(_, known)| !known.removed)
            .map(|(dir, _)| *dir)
            .collect();
        for dir in live {
            let expected = self.below(dir);
            let found = match self.look(dir.shard(), &ShardQuery::Tree { dir }) {
                Ok(ShardReply::Tree(found)) => match certain {
                    Certain::Current => TreeTotals {
                        old: TreeSums::default(),
                        ..found
                    },
                    Certain::All => found,
                },
                other => return self.violate(|| format!("below {dir} is {other:?}")),
            };
            let expected = TreeTotals {
                current: expected,
                old: TreeSums::default(),
            };
            if found != expected {
                return self.violate(|| format!("below {dir} is {found:?} and not {expected:?}"));
            }
        }
    }

    /// What names below a directory stand for.
    fn below(&mut self, dir: InodeId) -> TreeSums {
        let entries = self.oracle.names.attached(dir).map(|known| &known.entries);
        let inodes: Vec<InodeId> = entries
            .into_iter()
            .flat_map(|all| all.values())
            .copied()
            .collect();
        let mut sums = TreeSums::default();
        for inode in inodes {
            if inode.is_directory() {
                sums.directories += 1;
                sums = sums.plus(self.below(inode));
                continue;
            }
            sums.files += 1;
            let parts = self.oracle.contents.get(&inode).into_iter().flatten();
            sums.bytes += parts.map(|part| u128::from(part.size())).sum::<u128>();
            let query = ShardQuery::Stat { inode };
            if let Ok(ShardReply::Attributes(found)) = self.look(inode.shard(), &query) {
                sums.physical_bytes += u128::from(found.physical_bytes);
            }
        }
        sums
    }
}

impl Part {
    /// Bytes of the file.
    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Hole(size) | Self::Blocks { size, .. } => *size,
        }
    }
}
