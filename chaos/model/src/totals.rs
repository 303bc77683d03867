//! What is below a directory.

use eggs_proto::InodeId;
use eggs_proto::tree::{TreeSums, TreeTotals};

use crate::{File, Model};

impl Model {
    /// Counts what is below a directory: what names stand for, and apart from it what only old versions own. How
    /// much of a file is on disks is for others to know.
    pub fn totals(&self, dir: InodeId, on_disks: &dyn Fn(InodeId) -> u128) -> TreeTotals {
        let Some(directory) = self.directories.get(&dir) else {
            return TreeTotals::default();
        };
        let mut totals = TreeTotals::default();
        let current = directory.entries.values().map(|inode| (*inode, true));
        let old = directory.old.iter().filter(|version| version.owned);
        for (inode, is_current) in current.chain(old.map(|version| (version.inode, false))) {
            let each = self.sums(inode, on_disks);
            let sums = match is_current {
                true => &mut totals.current,
                false => &mut totals.old,
            };
            *sums = sums.plus(each);
            if inode.is_directory() {
                totals = totals.plus(self.totals(inode, on_disks));
            }
        }
        totals
    }

    fn sums(&self, inode: InodeId, on_disks: &dyn Fn(InodeId) -> u128) -> TreeSums {
        let directories = u64::from(inode.is_directory());
        let bytes = match self.files.get(&inode) {
            Some(file @ (File::Linked(_) | File::Transient { .. })) => file.size(),
            Some(File::Symlink(_)) | None => 0, // targets are metadata
        };
        TreeSums {
            files: 1 - directories,
            directories,
            bytes: u128::from(bytes),
            physical_bytes: on_disks(inode),
        }
    }
}
