//! What belongs to one inode, counted.

use std::collections::BTreeMap;

use eggs_proto::tree::TreeTotals;
use eggs_proto::{BlockServiceId, BlockState, Extent, ExtentBody};
use serde::{Deserialize, Serialize};

use crate::records::DentryRecord;

/// Most services of one file that are told apart. A file stays on few.
const SERVICES_MAX: usize = 4096;

/// What belongs to one inode, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    pub(crate) placeholders: u64,
    /// Placeholders that somebody holds: they come and go without a trace in the directory's record.
    pub(crate) held: u64,
    pub(crate) snapshots: u64,
    pub(crate) extents: u64,
    /// Where the next extent has to begin.
    pub(crate) end: u64,
    pub(crate) physical_bytes: u64,
    pub(crate) pending: u32,
    /// Blocks by service.
    pub(crate) services: BTreeMap<BlockServiceId, u64>,
    /// There are more services than that.
    pub(crate) crowded: bool,
    /// Sums of what names and owned snapshots stand for, as far as this shard knows.
    pub(crate) direct: TreeTotals,
    /// How many of them stand for what a directory keeps a record of.
    pub(crate) references: u64,
    /// What these records say: sums, and how many names and snapshots there are.
    pub(crate) children: TreeTotals,
    pub(crate) recorded: u64,
    pub(crate) xattrs: u64,
    /// Of their names and values.
    pub(crate) xattr_bytes: u64,
}

impl Tally {
    pub(crate) fn dentry(&mut self, record: &DentryRecord) {
        match record.inode {
            Some(_) => self.entries += 1,
            None => {
                self.placeholders += 1;
                self.held += u64::from(record.lock.is_some());
            }
        }
    }

    pub(crate) fn extent(&mut self, extent: &Extent) {
        self.extents += 1;
        self.end = extent.end();
        self.physical_bytes = self.physical_bytes.saturating_add(extent.physical_bytes());
        self.pending = self
            .pending
            .saturating_add(u32::from(!extent.is_certified()));
        for service in crate::state::services(extent) {
            if self.services.len() >= SERVICES_MAX && !self.services.contains_key(&service) {
                self.crowded = true;
            } else {
                *self.services.entry(service).or_default() += 1;
            }
        }
    }
}

/// How many blocks of an extent are, or may be, on a disk.
pub(super) fn blocks_on_disk(extent: &Extent) -> usize {
    match &extent.body {
        ExtentBody::Inline(_) | ExtentBody::Hole => 0,
        ExtentBody::Blocks { blocks, .. } => blocks
            .iter()
            .filter(|block| block.state != BlockState::Missing)
            .count(),
    }
}
