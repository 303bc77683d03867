//! Listing blocks, for scrubbing and for finding what nobody needs.
//!
//! Names are spread over directories, so a page costs a look at every name; nothing is kept in memory for it.

use std::collections::BTreeSet;
use std::fs;

use eggs_proto::{BlockId, LIST_ENTRIES_MAX};

use crate::format::data_bytes;
use crate::paths::{SLOTS, parse_block};
use crate::{Disk, StoreError};

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList {
    /// In order: id and bytes of data; zero bytes for a file of an impossible length.
    pub blocks: Vec<(BlockId, u64)>,
    /// Whether there are more.
    pub more: bool,
}

impl Disk {
    /// Blocks after `after` in order of their ids, at most `limit` and [`LIST_ENTRIES_MAX`].
    pub fn list(&self, after: Option<BlockId>, limit: u32) -> Result<BlockList, StoreError> {
        let limit = limit.clamp(1, LIST_ENTRIES_MAX) as usize;
        let mut first = BTreeSet::new();
        let mut more = false;
        for slot in 0..SLOTS {
            let failed = |error| self.failed("list a directory of blocks", error);
            for entry in fs::read_dir(self.paths.slot(slot)).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                let Some(block) = name.to_str().and_then(parse_block) else {
                    continue;
                };
                if after.is_none_or(|after| block > after) {
                    first.insert(block);
                }
                if first.len() > limit {
                    first.pop_last();
                    more = true;
                }
            }
        }
        // A block that was erased since its name was read is left out.
        let sizes = first.into_iter().filter_map(|block| {
            let found = fs::metadata(self.paths.block(block)).ok()?;
            Some((block, data_bytes(found.len()).unwrap_or(0)))
        });
        Ok(BlockList {
            blocks: sizes.collect(),
            more,
        })
    }
}
