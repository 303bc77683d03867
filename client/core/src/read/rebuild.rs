//! Making whole blocks of an extent again, for repair. A block on a disk that was taken out of use is copied from there as long as
//! the disk can be read: that is one block to be read instead of `D`. Others are made from others, and from what can be read
//! of themselves as a last resort.
//!
//! **Invariant:** every page that is used was verified, and what comes out has the checksum that the metadata say.
//!
//! Memory: the blocks asked for, and [`STEP_PAGES`] pages of each source.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use eggs_proto::{
    BlockState, Checksum, Extent, ExtentBlock, ExtentBody, ExtentLayout, InodeId, PAGE_BYTES,
    ServiceState,
};

use super::decode::decode_missing;
use super::fetch::{Lost, run, standing, trust};
use super::filling::Filling;
use super::page_range::PageRange;
use super::plan::{Pages, Standing};
use super::race::Race;
use super::slots::Slots;
use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::reports::Place;

/// Pages of each block that are worked on at a time.
const STEP_PAGES: u32 = 256;

/// A block that was made again.
#[derive(Clone, Debug)]
pub struct RebuiltBlock {
    /// Position in the extent.
    pub index: u8,
    /// All of it.
    pub bytes: Bytes,
}

impl Client {
    /// Makes some blocks of an extent of a file again, at the positions given, and gives each once, in the order of positions. The
    /// client's time-out is for each step of 1 MiB of each block.
    ///
    /// Refuses with [`ClientError::Damaged`] when too little is left to make them from, and with
    /// [`ClientError::TooFewBlocks`] when that may change.
    pub async fn rebuild_blocks(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> Result<Vec<RebuiltBlock>, ClientError> {
        let copied = self.rebuild(file, extent, indexes, Source::Copy).await;
        match copied {
            // The pages were fine and the whole was not: then it is not this block.
            Err(ClientError::Damaged { .. }) => {
                self.rebuild(file, extent, indexes, Source::Others).await
            }
            done => done,
        }
    }

    async fn rebuild(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
        source: Source,
    ) -> Result<Vec<RebuiltBlock>, ClientError> {
        let damaged = || ClientError::Damaged {
            file,
            offset: extent.offset,
        };
        let ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
            return Err(damaged());
        };
        // In the order in which a step gives them.
        let mut outputs: BTreeMap<u8, (&ExtentBlock, BytesMut)> = BTreeMap::new();
        for index in indexes {
            let block = blocks.get(usize::from(*index)).ok_or_else(damaged)?;
            let space = BytesMut::with_capacity(layout.block_bytes() as usize);
            outputs.insert(*index, (block, space));
        }
        let end = PageRange::of_bytes(0, layout.block_bytes()).end;
        for first in (0..end).step_by(STEP_PAGES as usize) {
            let range = PageRange {
                first,
                end: first.saturating_add(STEP_PAGES).min(end),
            };
            let step = Step {
                place: Place {
                    file,
                    offset: extent.offset,
                },
                layout: *layout,
                blocks,
                source,
                wants: outputs.keys().map(|index| (*index, range)).collect(),
            };
            let made = step.make(&self.inner, self.deadline()).await;
            let made = made.map_err(|lost| lost.into_error(file, extent.offset, layout))?;
            for ((_, output), bytes) in outputs.values_mut().zip(made) {
                output.extend_from_slice(&bytes);
            }
        }
        let finished = outputs.into_iter().map(|(index, (block, bytes))| {
            let bytes = bytes.freeze();
            let right = Checksum::of_block(&bytes) == block.checksum;
            right
                .then_some(RebuiltBlock { index, bytes })
                .ok_or_else(damaged)
        });
        finished.collect()
    }
}

/// Where a block comes from that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// From a disk that was taken out of use.
    Copy,
    /// From other blocks.
    Others,
}

/// The same pages of some blocks.
struct Step<'a> {
    place: Place,
    layout: ExtentLayout,
    blocks: &'a [ExtentBlock],
    source: Source,
    wants: Pages,
}

impl Step<'_> {
    fn standing(&self, inner: &Inner, index: u8, block: &ExtentBlock) -> Standing {
        if !self.wants.contains_key(&index) {
            return standing(inner, block);
        }
        if self.source == Source::Copy && is_on_drained_disk(inner, block) {
            return trust(inner, block);
        }
        match standing(inner, block) {
            // It is to be made again for some reason.
            Standing::Good | Standing::LastResort => Standing::LastResort,
            Standing::Gone => Standing::Gone,
        }
    }

    /// The bytes for each block wanted, in the order of their positions.
    async fn make(&self, inner: &Inner, deadline: Deadline) -> Result<Vec<BytesMut>, Lost> {
        let numbered = (0u8..).zip(self.blocks);
        let standing = numbered.map(|(index, block)| self.standing(inner, index, block));
        let race = Race::new(self.layout, self.wants.clone(), standing.collect());
        let mut slots = Slots::none(self.layout);
        let asked = (self.place, self.blocks);
        let race = run(inner, asked, (race, &mut slots), deadline).await?;
        let undecodable = |_| Lost {
            usable: 0,
            may_recover: false,
        };
        let store = &race.store;
        let mut fillings: BTreeMap<u8, Filling> = race
            .wants
            .iter()
            .map(|(index, range)| {
                let memory = BytesMut::with_capacity(range.len() as usize * PAGE_BYTES);
                (*index, Filling::new(*index, *range, vec![memory]))
            })
            .collect();
        let put = |index, first, bytes: &[u8]| {
            if let Some(filling) = fillings.get_mut(&index) {
                filling.put(store, first, bytes);
            }
        };
        decode_missing(&self.layout, &race.wants, store, put).map_err(undecodable)?;
        let finished = fillings.into_values();
        Ok(finished.flat_map(|one| one.finish(store)).collect())
    }
}

fn is_on_drained_disk(inner: &Inner, block: &ExtentBlock) -> bool {
    let map = inner.map.current();
    let state = map.service(block.service).map(|info| info.state);
    block.state == BlockState::Stored && state == Some(ServiceState::Decommissioned)
}
