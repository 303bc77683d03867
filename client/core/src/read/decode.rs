//! Making missing pages from verified pages of other blocks.
//!
//! Pure. Parity is computed byte by byte across blocks, so page `p` of a block follows from page `p` of `D` others.

use std::collections::BTreeMap;

use bytes::Bytes;
use eggs_erasure::{Codec, CodingError};
use eggs_proto::{ExtentLayout, PAGE_BYTES};

use super::page_range::PageRange;
use super::page_store::PageStore;
use super::plan::Pages;

/// Decoded pages, by block and page.
pub(super) type Decoded = BTreeMap<(u8, u32), Bytes>;

/// Decodes every wanted page that is not in the store.
pub(super) fn decode_missing(
    layout: &ExtentLayout,
    wants: &Pages,
    store: &PageStore,
) -> Result<Decoded, CodingError> {
    let mut decoded = Decoded::new();
    for (index, range) in wants {
        let Some(missing) = store.missing(*index, *range) else {
            continue;
        };
        let absent = missing
            .pages()
            .filter(|page| store.page(*index, *page).is_none());
        for (run, sources) in runs(absent, store, usize::from(layout.scheme.data)) {
            decode_run(layout, *index, run, &sources, store, &mut decoded)?;
        }
    }
    Ok(decoded)
}

/// Joins consecutive pages that have the same sources. Each source has them.
fn runs(
    pages: impl Iterator<Item = u32>,
    store: &PageStore,
    data: usize,
) -> Vec<(PageRange, Vec<u8>)> {
    let mut runs: Vec<(PageRange, Vec<u8>)> = Vec::new();
    for page in pages {
        let sources: Vec<u8> = store.sources(page).take(data).collect();
        match runs.last_mut() {
            Some((range, known)) if range.end == page && *known == sources => range.end += 1,
            Some(_) | None => {
                let range = PageRange {
                    first: page,
                    end: page + 1,
                };
                runs.push((range, sources));
            }
        }
    }
    runs
}

fn decode_run(
    layout: &ExtentLayout,
    index: u8,
    range: PageRange,
    sources: &[u8],
    store: &PageStore,
    decoded: &mut Decoded,
) -> Result<(), CodingError> {
    let codec = Codec::shared(layout.scheme)?;
    let mut page = range.first;
    while page < range.end {
        // As many pages as lie in one piece of every source.
        let mut present: Vec<(usize, &[u8])> = sources
            .iter()
            .map(|source| (usize::from(*source), store.stretch(*source, page)))
            .collect();
        let left = (range.end - page) as usize * PAGE_BYTES;
        let len = present
            .iter()
            .fold(left, |len, (_, bytes)| len.min(bytes.len()));
        for (_, bytes) in &mut present {
            *bytes = &bytes[..len];
        }
        let rebuilt = codec.reconstruct(&present, &[usize::from(index)])?;
        let bytes = Bytes::from(rebuilt.into_iter().next().unwrap_or_default());
        for at in (0..len).step_by(PAGE_BYTES) {
            decoded.insert((index, page), bytes.slice(at..at + PAGE_BYTES));
            page += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
            let decoded = decode_missing(&layout, &wants, &store).unwrap();
            for (index, range) in wants {
                for page in range.pages() {
                    let at = page as usize * PAGE_BYTES;
                    let got = store.page(index, page).unwrap_or_else(|| &decoded[&(index, page)]);
                    prop_assert_eq!(got, &blocks[usize::from(index)][at..at + PAGE_BYTES]);
                }
            }
        }
    }
}
