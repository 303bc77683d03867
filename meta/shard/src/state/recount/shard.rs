//! A whole shard: its inodes, then its garbage.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, from_bytes};
use eggs_proto::{BlockId, InodeId};
use serde::{Deserialize, Serialize};

use super::{Recount, Weight};
use crate::keys;
use crate::records::{Counters, InodeRecord};
use crate::state::inodes::{add, subtract};
use crate::state::{Range, State, visit};

/// A count under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecount {
    pub(crate) place: Place,
    pub(crate) sums: Counters,
}

/// The last thing that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// An inode, by number; 0 for none.
    Inode(u64),
    /// All inodes, and a block in the garbage; `None` for none.
    Garbage(Option<BlockId>),
}

impl ShardRecount {
    pub(super) fn inode_changed(
        &mut self,
        id: InodeId,
        old: Option<&InodeRecord>,
        new: Option<&InodeRecord>,
    ) {
        let counted = match self.place {
            Place::Inode(last) => id.get() <= last,
            Place::Garbage(_) => true,
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

    pub(super) fn garbage_changed(&mut self, block: BlockId, weight: Weight) {
        let counted = match self.place {
            Place::Inode(_) => false,
            Place::Garbage(last) => last.is_some_and(|last| block <= last),
        };
        if counted {
            let blocks = &mut self.sums.garbage_blocks;
            *blocks = blocks.wrapping_add_signed(weight.sign());
        }
    }
}

impl State<'_> {
    /// Begins at the beginning. Root counts although it may not have been written yet.
    pub(crate) fn begin_recount(&mut self) -> Result<(), Fault> {
        let mut recount = ShardRecount {
            place: Place::Inode(0),
            sums: Counters::default(),
        };
        if let Some(root) = self.read().inode(InodeId::ROOT)?
            && self.shard == InodeId::ROOT.shard()
        {
            recount.place = Place::Inode(InodeId::ROOT.get());
            add(&mut recount.sums, &root);
        }
        self.recount = Some(Recount::Shard(recount));
        Ok(())
    }

    pub(super) fn go_on_with_shard(
        &mut self,
        recount: &mut ShardRecount,
        records: usize,
    ) -> Result<bool, Fault> {
        let finished = match recount.place {
            Place::Inode(last) => {
                self.count_inodes(recount, last, records)?;
                false
            }
            Place::Garbage(last) => self.count_garbage(recount, last, records)?,
        };
        if finished {
            self.counters = Counters {
                next_inode: self.counters.next_inode,
                next_block: self.counters.next_block,
                now: self.counters.now,
                ..recount.sums
            };
        }
        Ok(finished)
    }

    fn count_inodes(
        &self,
        recount: &mut ShardRecount,
        last: u64,
        records: usize,
    ) -> Result<(), Fault> {
        let from = keys::after(&last.to_be_bytes());
        let (mut left, mut place) = (records, Place::Garbage(None));
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
                place = Place::Inode(id.get());
                Ok(ControlFlow::Break(()))
            },
        )?;
        recount.place = place;
        Ok(())
    }

    fn count_garbage(
        &self,
        recount: &mut ShardRecount,
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
        recount.place = Place::Garbage(end?);
        Ok(counted < records)
    }
}
