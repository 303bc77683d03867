//! Counting a shard again while it changes.
//!
//! **Invariant:** the sums are those of all inodes and blocks of garbage up to the place where the counting is.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, Stored, from_bytes};
use eggs_proto::{BlockId, InodeId};
use serde::{Deserialize, Serialize};

use super::inodes::{add, subtract};
use super::{Range, State, visit};
use crate::keys;
use crate::records::{Counters, InodeRecord};

/// A count under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecountRecord {
    pub(crate) place: RecountPlace,
    pub(crate) sums: Counters,
}

/// The last thing that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RecountPlace {
    /// An inode, by number; 0 for none.
    Inode(u64),
    /// All inodes, and a block in the garbage; `None` for none.
    Garbage(Option<BlockId>),
}

impl Stored for RecountRecord {
    const WHAT: &'static str = "recount";
}

impl RecountRecord {
    pub(super) fn inode_changed(
        &mut self,
        id: InodeId,
        old: Option<&InodeRecord>,
        new: Option<&InodeRecord>,
    ) {
        let counted = match self.place {
            RecountPlace::Inode(last) => id.get() <= last,
            RecountPlace::Garbage(_) => true,
        };
        if counted {
            if let Some(old) = old {
                subtract(&mut self.sums, old);
            }
            if let Some(new) = new {
                add(&mut self.sums, new);
            }
        }
    }

    /// Whether a block of the garbage has been counted.
    pub(super) fn covers(&self, block: BlockId) -> bool {
        match self.place {
            RecountPlace::Inode(_) => false,
            RecountPlace::Garbage(last) => last.is_some_and(|last| block <= last),
        }
    }
}

impl State<'_> {
    /// Begins at the beginning. Root counts although it may not have been written yet.
    pub(crate) fn begin_recount(&mut self) -> Result<(), Fault> {
        let mut recount = RecountRecord {
            place: RecountPlace::Inode(0),
            sums: Counters::default(),
        };
        if let Some(root) = self.read().inode(InodeId::ROOT)?
            && self.shard == InodeId::ROOT.shard()
        {
            recount.place = RecountPlace::Inode(InodeId::ROOT.get());
            add(&mut recount.sums, &root);
        }
        self.recount = Some(recount);
        Ok(())
    }

    /// Counts so many records more; says whether that was the end. The counters are right from then on.
    pub(crate) fn go_on_recounting(&mut self, records: usize) -> Result<bool, Fault> {
        let Some(mut recount) = self.recount else {
            return Ok(true);
        };
        let finished = match recount.place {
            RecountPlace::Inode(last) => {
                self.count_inodes(&mut recount, last, records)?;
                false
            }
            RecountPlace::Garbage(last) => self.count_garbage(&mut recount, last, records)?,
        };
        if finished {
            self.counters = Counters {
                next_inode: self.counters.next_inode,
                next_block: self.counters.next_block,
                now: self.counters.now,
                ..recount.sums
            };
        }
        self.recount = (!finished).then_some(recount);
        Ok(finished)
    }

    fn count_inodes(
        &self,
        recount: &mut RecountRecord,
        last: u64,
        records: usize,
    ) -> Result<(), Fault> {
        let from = keys::after(&last.to_be_bytes());
        let (mut left, mut place) = (records, RecountPlace::Garbage(None));
        visit(
            self.store,
            &Range::from(keys::INODES, from),
            |key, value| {
                let id = keys::parse_inode(key)?;
                add(&mut recount.sums, &from_bytes(value)?);
                left = left.saturating_sub(1);
                if left > 0 {
                    return Ok::<_, Fault>(ControlFlow::Continue(()));
                }
                place = RecountPlace::Inode(id.get());
                Ok(ControlFlow::Break(()))
            },
        )?;
        recount.place = place;
        Ok(())
    }

    fn count_garbage(
        &self,
        recount: &mut RecountRecord,
        last: Option<BlockId>,
        records: usize,
    ) -> Result<bool, Fault> {
        let from = last.map_or_else(Vec::new, |last| keys::after(&keys::garbage(last)));
        let scan = Scan {
            table: keys::GARBAGE,
            from: &from,
            until: None,
            direction: ScanDirection::Forward,
        };
        let (mut counted, mut end) = (0, Ok(last));
        self.store.scan(scan, &mut |key, _| {
            counted += 1;
            end = keys::parse_garbage(key).map(Some);
            match &end {
                Ok(_) if counted < records => ControlFlow::Continue(()),
                Ok(_) | Err(_) => ControlFlow::Break(()),
            }
        })?;
        recount.sums.garbage_blocks = recount.sums.garbage_blocks.saturating_add(counted as u64);
        recount.place = RecountPlace::Garbage(end?);
        Ok(counted < records)
    }
}
