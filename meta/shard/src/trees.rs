//! What a shard owes to keep the totals of directory trees right: a function of its state, for whoever leads it.
//!
//! Work is carried out in rounds: [`pending`], then each report is sent to the shard of its parent, then what was taken
//! is settled here (`SettleTrees`). A report that is lost is sent again, because the directory stays dirty; one that
//! comes twice or late has an old version. A report that its parent does not take (a move is under way) stays.

use std::ops::ControlFlow;

use eggs_machine::{Fault, StoreRead, from_bytes};
use eggs_proto::tree::TreeReport;
use eggs_proto::{InodeId, ShardId, Time};

use crate::keys;
use crate::records::InodeRecord;
use crate::state::{Range, Reader, TreeDirty, visit};

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeWork {
    /// Totals to be reported.
    pub reports: Vec<TreeReport>,
    /// Directories that have gone: to be settled without a report.
    pub gone: Vec<(InodeId, Time)>,
    /// Directories of this shard, and files of other shards in them whose attributes are to be asked for; the
    /// answer is a report to this shard.
    pub wanted: Vec<(InodeId, InodeId)>,
    /// Whether there is more.
    pub more: bool,
}

impl TreeWork {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.gone.is_empty() && self.wanted.is_empty()
    }
}

/// What is to be done, at most `limit` of each kind.
pub fn pending(shard: ShardId, store: &dyn StoreRead, limit: usize) -> Result<TreeWork, Fault> {
    let read = Reader::new(shard, store);
    let mut work = TreeWork::default();
    let mut dirty = Vec::new();
    visit(
        store,
        &Range::from(keys::TREE_DIRTY, Vec::new()),
        |key, value| {
            if dirty.len() == limit {
                work.more = true;
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            let TreeDirty(since) = from_bytes(value)?;
            dirty.push((keys::parse_inode(key)?, since));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    for (dir, version) in dirty {
        match read.inode(dir)? {
            Some(InodeRecord::Directory(directory)) => work.reports.push(TreeReport {
                parent: directory.parent,
                child: dir,
                version,
                totals: read.tree(dir)?.total(),
            }),
            Some(InodeRecord::File(_)) | None => work.gone.push((dir, version)),
        }
    }
    visit(
        store,
        &Range::from(keys::TREE_WANTED, Vec::new()),
        |key, _| {
            if work.wanted.len() == limit {
                work.more = true;
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            work.wanted.push(keys::parse_tree_child(key)?);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(work)
}
