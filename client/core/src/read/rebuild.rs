//! Making whole blocks of an extent again, for repair: from the block itself where it can be read, from others where not.
//!
//! **Invariant:** every page that is used was verified, and what comes out has the checksum that the metadata say.
//!
//! Memory: the blocks asked for, and [`STEP_PAGES`] pages of each source.

use bytes::{Bytes, BytesMut};
use eggs_proto::{Checksum, Extent, ExtentBlock, ExtentBody, ExtentLayout, InodeId, PAGE_BYTES};

use super::decode::decode_missing;
use super::fetch::{Lost, run, standing};
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
    /// Makes some blocks of an extent of a file again, at the positions given. The client's time-out is for each step of
    /// 1 MiB of each block.
    ///
    /// Refuses with [`ClientError::Damaged`] when too little is left to make them from, and with
    /// [`ClientError::TooFewBlocks`] when that may change.
    pub async fn rebuild_blocks(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> Result<Vec<RebuiltBlock>, ClientError> {
        let damaged = || ClientError::Damaged {
            file,
            offset: extent.offset,
        };
        let ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
            return Err(damaged());
        };
        let mut outputs: Vec<(u8, &ExtentBlock, BytesMut)> = Vec::new();
        for index in indexes {
            let block = blocks.get(usize::from(*index)).ok_or_else(damaged)?;
            let space = BytesMut::with_capacity(layout.block_bytes() as usize);
            outputs.push((*index, block, space));
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
                wants: indexes.iter().map(|index| (*index, range)).collect(),
            };
            let made = step.make(&self.inner, self.deadline()).await;
            let made = made.map_err(|lost| lost.into_error(file, extent.offset, layout))?;
            for ((_, _, output), bytes) in outputs.iter_mut().zip(made) {
                output.extend_from_slice(&bytes);
            }
        }
        let finished = outputs.into_iter().map(|(index, block, bytes)| {
            let bytes = bytes.freeze();
            let right = Checksum::of_block(&bytes) == block.checksum;
            right
                .then_some(RebuiltBlock { index, bytes })
                .ok_or_else(damaged)
        });
        finished.collect()
    }
}

/// The same pages of some blocks.
struct Step<'a> {
    place: Place,
    layout: ExtentLayout,
    blocks: &'a [ExtentBlock],
    wants: Pages,
}

impl Step<'_> {
    /// The bytes for each block wanted, in the order of their positions.
    async fn make(&self, inner: &Inner, deadline: Deadline) -> Result<Vec<Bytes>, Lost> {
        let standing =
            (0u8..)
                .zip(self.blocks)
                .map(|(index, block)| match standing(inner, block) {
                    // It is to be made again for some reason.
                    Standing::Good if self.wants.contains_key(&index) => Standing::LastResort,
                    known => known,
                });
        let race = Race::new(self.layout, self.wants.clone(), standing.collect());
        let mut slots = Slots::none(self.layout);
        let asked = (self.place, self.blocks);
        let race = run(inner, asked, (race, &mut slots), deadline).await?;
        let undecodable = |_| Lost {
            usable: 0,
            may_recover: false,
        };
        let decoded =
            decode_missing(&self.layout, &race.wants, &race.store).map_err(undecodable)?;
        let bytes_of = |(index, range): (&u8, &PageRange)| {
            let mut bytes = BytesMut::with_capacity(range.len() as usize * PAGE_BYTES);
            for page in range.pages() {
                let read = race.store.page(*index, page);
                let made = || decoded.get(&(*index, page)).map(|bytes| &bytes[..]);
                let page = read.or_else(made);
                bytes.extend_from_slice(page.expect("a race ends when every page is decodable"));
            }
            bytes.freeze()
        };
        Ok(race.wants.iter().map(bytes_of).collect())
    }
}
