//! Making missing pages from verified pages of other blocks.
//!
//! Pure. Parity is computed byte by byte across blocks, so page `p` of a block follows from page `p` of `D` others.

use eggs_erasure::{Codec, CodingError};
use eggs_proto::{ExtentLayout, PAGE_BYTES};

use super::page_range::PageRange;
use super::page_store::PageStore;
use super::plan::Pages;

/// Pages of each block that are made at a time, for all blocks that are missing: they stay in a near cache until they are
/// put where they belong.
const TILE_PAGES: u32 = 8;

/// Pages that are missing of the same blocks, and that the same others have.
struct Run {
    range: PageRange,
    missing: Vec<u8>,
    sources: Vec<u8>,
}

/// Decodes every wanted page that is not in the store. `put` takes the bytes of some pages of a block from the page given on;
/// those of each block in order.
pub(super) fn decode_missing(
    layout: &ExtentLayout,
    wants: &Pages,
    store: &PageStore,
    mut put: impl FnMut(u8, u32, &[u8]),
) -> Result<(), CodingError> {
    let runs = runs(wants, store, usize::from(layout.scheme.data));
    let Some(most) = runs.iter().map(|run| run.missing.len()).max() else {
        return Ok(());
    };
    let codec = Codec::shared(layout.scheme)?;
    let mut tiles = vec![vec![0; TILE_PAGES as usize * PAGE_BYTES]; most];
    for run in &runs {
        let mut page = run.range.first;
        while page < run.range.end {
            let present = present(run, page, store);
            let len = present.first().map_or(0, |(_, bytes)| bytes.len());
            if len == 0 {
                // Sources of a run have all its pages; without progress this would not end.
                let (given, needed) = (0, codec.scheme().data.into());
                return Err(CodingError::TooFew { given, needed });
            }
            let mut wanted: Vec<(usize, &mut [u8])> = run
                .missing
                .iter()
                .zip(&mut tiles)
                .map(|(index, tile)| (usize::from(*index), &mut tile[..len]))
                .collect();
            codec.reconstruct_into(&present, &mut wanted)?;
            for (index, (_, bytes)) in run.missing.iter().zip(wanted) {
                put(*index, page, bytes);
            }
            page += (len / PAGE_BYTES) as u32;
        }
    }
    Ok(())
}

/// Joins consecutive pages that are missing of the same blocks and have the same sources.
fn runs(wants: &Pages, store: &PageStore, data: usize) -> Vec<Run> {
    let absent = |(index, range): (&u8, &PageRange)| Some((*index, store.missing(*index, *range)?));
    let absent: Pages = wants.iter().filter_map(absent).collect();
    let Some(all) = absent.values().copied().reduce(PageRange::hull) else {
        return Vec::new();
    };
    let mut runs: Vec<Run> = Vec::new();
    for page in all.pages() {
        let is_missing = |(index, range): &(&u8, &PageRange)| {
            (range.first..range.end).contains(&page) && store.page(**index, page).is_none()
        };
        let missing: Vec<u8> = absent.iter().filter(is_missing).map(|(i, _)| *i).collect();
        if missing.is_empty() {
            continue;
        }
        let sources: Vec<u8> = store.sources(page).take(data).collect();
        match runs.last_mut() {
            Some(run)
                if run.range.end == page && run.missing == missing && run.sources == sources =>
            {
                run.range.end += 1;
            }
            Some(_) | None => runs.push(Run {
                range: PageRange {
                    first: page,
                    end: page + 1,
                },
                missing,
                sources,
            }),
        }
    }
    runs
}

/// The sources from a page on: as many pages as lie in one piece of every one of them, up to a tile.
fn present<'a>(run: &Run, page: u32, store: &'a PageStore) -> Vec<(usize, &'a [u8])> {
    let mut present: Vec<(usize, &[u8])> = run
        .sources
        .iter()
        .map(|source| (usize::from(*source), store.stretch(*source, page)))
        .collect();
    let left = (run.range.end - page).min(TILE_PAGES) as usize * PAGE_BYTES;
    let len = present
        .iter()
        .fold(left, |len, (_, bytes)| len.min(bytes.len()));
    for (_, bytes) in &mut present {
        *bytes = &bytes[..len];
    }
    present
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::page_store::Pieces;
    use super::super::plan::{Standing, plan, wants};
    use super::*;
    use eggs_proto::{BlockId, Checksum, Scheme};
    use proptest::prelude::*;

    /// All blocks of an extent of random bytes.
    fn blocks(layout: &ExtentLayout, seed: u8) -> Vec<Vec<u8>> {
        let len = layout.block_bytes() as usize;
        let data: Vec<Vec<u8>> = (0..layout.scheme.data)
            .map(|d| {
                (0..len)
                    .map(|i| (i as u8).wrapping_mul(31).wrapping_add(d ^ seed))
                    .collect()
            })
            .collect();
        let cells: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        let parity = Codec::new(layout.scheme).unwrap().encode(&cells).unwrap();
        data.into_iter().chain(parity).collect()
    }

    proptest! {
        /// Fetching what the plan says and decoding gives the bytes that were stored, whichever blocks are gone.
        #[test]
        fn a_plan_carried_out_gives_the_right_bytes(
            data in 1u8..6, parity in 1u8..4, seed: u8,
            gone in proptest::collection::btree_set(0u8..9, 0..4),
            a in 0u64..200_000, b in 0u64..200_000,
        ) {
            let layout = ExtentLayout {
                scheme: Scheme { data, parity },
                stripes: 2,
                cell_bytes: 2 * PAGE_BYTES as u32,
            };
            let lost = |i: usize| gone.contains(&(i as u8));
            let count = layout.scheme.blocks();
            prop_assume!((0..count).filter(|i| lost(*i)).count() <= usize::from(parity));
            let blocks = blocks(&layout, seed);
            let standing: Vec<Standing> = (0..count)
                .map(|i| if lost(i) { Standing::Gone } else { Standing::Good })
                .collect();
            let capacity = layout.capacity();
            let (a, b) = (a % capacity, b % capacity);
            let wants = wants(&layout, a.min(b), a.max(b) + 1);
            let mut store = PageStore::default();
            for (index, range) in plan(&layout, &wants, &standing).unwrap() {
                let bytes = &blocks[usize::from(index)][range.first as usize * PAGE_BYTES..range.end as usize * PAGE_BYTES];
                let block = BlockId(u64::from(index));
                let sums: Vec<Checksum> = range.pages().zip(bytes.chunks(PAGE_BYTES))
                    .map(|(page, part)| Checksum::of_page(block, page, part)).collect();
                let mut pages = Pieces::apart(range.len());
                pages.head.as_mut().unwrap().extend_from_slice(bytes);
                store.add(index, block, range, pages, &sums);
            }
            let mut decoded = BTreeMap::new();
            decode_missing(&layout, &wants, &store, |index, first, bytes| {
                for (page, bytes) in (first..).zip(bytes.chunks(PAGE_BYTES)) {
                    let known = decoded.insert((index, page), bytes.to_vec());
                    assert!(known.is_none(), "page {page} of {index} made twice");
                }
            })
            .unwrap();
            for (index, range) in wants {
                for page in range.pages() {
                    let at = page as usize * PAGE_BYTES;
                    let got = store.page(index, page).unwrap_or_else(|| &decoded[&(index, page)]);
                    prop_assert_eq!(got, &blocks[usize::from(index)][at..at + PAGE_BYTES]);
                }
            }
        }
    }

    proptest! {
        /// Whatever pages of whatever blocks did not come, those that are wanted are made from what did.
        #[test]
        fn pages_are_made_from_those_that_came(
            data in 1u8..5, parity in 1u8..4, seed: u8,
            lost in proptest::collection::vec((0u8..8, 0u32..4), 0..12),
        ) {
            let scheme = Scheme { data, parity };
            let layout = ExtentLayout { scheme, stripes: 2, cell_bytes: 2 * PAGE_BYTES as u32 };
            let blocks = blocks(&layout, seed);
            let all = PageRange { first: 0, end: 4 };
            let mut bad: Vec<(u8, u32)> = Vec::new();
            for (block, page) in lost {
                let of_page = bad.iter().filter(|(other, at)| *at == page && *other != block).count();
                if of_page < usize::from(parity) {
                    bad.push((block, page));
                }
            }
            let mut store = PageStore::default();
            for (index, bytes) in (0u8..).zip(&blocks) {
                let block = BlockId(u64::from(index));
                let sums: Vec<Checksum> = all.pages().zip(bytes.chunks(PAGE_BYTES)).map(|(page, part)| {
                    let sum = Checksum::of_page(block, page, part);
                    Checksum(sum.0 ^ u64::from(bad.contains(&(index, page))))
                }).collect();
                let mut pages = Pieces::apart(all.len());
                pages.head.as_mut().unwrap().extend_from_slice(bytes);
                store.add(index, block, all, pages, &sums);
            }
            let wants: Pages = (0..data).map(|index| (index, all)).collect();
            let mut made: BTreeMap<(u8, u32), Vec<u8>> = BTreeMap::new();
            decode_missing(&layout, &wants, &store, |index, first, bytes| {
                let pages = (first..).zip(bytes.chunks(PAGE_BYTES));
                made.extend(pages.map(|(page, bytes)| ((index, page), bytes.to_vec())));
            })
            .unwrap();
            bad.retain(|(block, _)| *block < data);
            bad.sort_unstable();
            bad.dedup();
            prop_assert_eq!(made.keys().copied().collect::<Vec<_>>(), bad);
            for ((index, page), bytes) in made {
                let at = page as usize * PAGE_BYTES;
                prop_assert_eq!(&bytes[..], &blocks[usize::from(index)][at..at + PAGE_BYTES]);
            }
        }
    }
}
