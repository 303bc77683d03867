//! Which pages of which blocks give a range of bytes.
//!
//! Pure. A block that cannot be read directly is replaced by the same pages of `D` others: their ranges are
//! widened to cover what is lost.

use std::collections::BTreeMap;

use eggs_proto::ExtentLayout;

use super::page_range::PageRange;

/// Pages by block, numbered as in the extent.
pub(super) type Pages = BTreeMap<u8, PageRange>;

/// How good a source a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Expected to answer.
    Good,
    /// Slow, suspect, or not to be read from if it can be avoided.
    LastResort,
    /// Cannot be read.
    Gone,
}

/// Fewer than `D` blocks are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooFew {
    pub(super) usable: usize,
}

/// The pages of data blocks that hold bytes `from..to` of the extent. Consecutive cells of a block lie next
/// to each other, so each block needs one range.
pub(super) fn wants(layout: &ExtentLayout, from: u64, to: u64) -> Pages {
    let mut pages = Pages::new();
    let mut at = from;
    while at < to {
        let place = layout.locate(at);
        let len = u64::from(place.cell_remaining).min(to - at);
        let range = PageRange::of_bytes(place.block_offset, place.block_offset + len);
        pages
            .entry(place.block)
            .and_modify(|known| *known = known.hull(range))
            .or_insert(range);
        at += len;
    }
    pages
}

/// What to fetch to have the wanted pages, directly or by decoding, avoiding blocks of last resort if possible.
pub(super) fn plan(
    layout: &ExtentLayout,
    wants: &Pages,
    standing: &[Standing],
) -> Result<Pages, TooFew> {
    let data = usize::from(layout.scheme.data);
    plan_with(data, wants, standing, |standing| standing == Standing::Good)
        .or_else(|_| plan_with(data, wants, standing, |standing| standing != Standing::Gone))
}

fn plan_with(
    data: usize,
    wants: &Pages,
    standing: &[Standing],
    usable: impl Fn(Standing) -> bool,
) -> Result<Pages, TooFew> {
    let is_usable = |block: u8| {
        let standing = standing.get(usize::from(block)).copied();
        usable(standing.unwrap_or(Standing::Gone))
    };
    let mut fetch = Pages::new();
    let mut lost: Option<PageRange> = None;
    for (block, range) in wants {
        if is_usable(*block) {
            fetch.insert(*block, *range);
        } else {
            lost = Some(lost.map_or(*range, |known| known.hull(*range)));
        }
    }
    let Some(lost) = lost else {
        return Ok(fetch);
    };
    // Blocks that are read anyway come first, then the others in order.
    let wanted: Vec<u8> = fetch.keys().copied().collect();
    let others = (0..=u8::MAX)
        .take(standing.len())
        .filter(|block| is_usable(*block) && !wanted.contains(block));
    let sources: Vec<u8> = wanted.iter().copied().chain(others).take(data).collect();
    if sources.len() < data {
        let usable = sources.len();
        return Err(TooFew { usable });
    }
    for block in sources {
        fetch
            .entry(block)
            .and_modify(|range| *range = range.hull(lost))
            .or_insert(lost);
    }
    Ok(fetch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::{PAGE_BYTES, Scheme};
    use proptest::prelude::*;

    fn layouts() -> impl Strategy<Value = ExtentLayout> {
        (1u8..12, 0u8..5, 1u32..6, 1u32..5).prop_map(|(data, parity, stripes, pages)| {
            ExtentLayout {
                scheme: Scheme { data, parity },
                stripes,
                cell_bytes: pages * PAGE_BYTES as u32,
            }
        })
    }

    fn standings(blocks: usize) -> impl Strategy<Value = Vec<Standing>> {
        let one = prop_oneof![
            4 => Just(Standing::Good),
            1 => Just(Standing::LastResort),
            1 => Just(Standing::Gone),
        ];
        proptest::collection::vec(one, blocks)
    }

    /// Whether the plan gives page `page` of block `block`.
    fn gives(layout: &ExtentLayout, fetch: &Pages, block: u8, page: u32) -> bool {
        let has = |range: &PageRange| (range.first..range.end).contains(&page);
        let sources = fetch.values().filter(|range| has(range)).count();
        fetch.get(&block).is_some_and(has) || sources >= usize::from(layout.scheme.data)
    }

    proptest! {
        #[test]
        fn every_byte_is_wanted_and_nothing_far_away(
            layout in layouts(), a in 0u64..1_000_000, b in 0u64..1_000_000,
        ) {
            let capacity = layout.capacity();
            let (a, b) = (a % capacity, b % capacity);
            let (from, to) = (a.min(b), a.max(b) + 1);
            let wants = wants(&layout, from, to);
            for at in (from..to).step_by(997).chain([to - 1]) {
                let place = layout.locate(at);
                let page = (place.block_offset / PAGE_BYTES as u64) as u32;
                let range = wants[&place.block];
                prop_assert!((range.first..range.end).contains(&page));
            }
            let pages: u64 = wants.values().map(|r| u64::from(r.len())).sum();
            let cells = (to - from) / u64::from(layout.cell_bytes) + 2;
            prop_assert!(pages * PAGE_BYTES as u64 <= to - from + 2 * cells * PAGE_BYTES as u64);
        }

        #[test]
        fn a_plan_gives_all_that_is_wanted_from_usable_blocks_only(
            (layout, standing) in layouts().prop_flat_map(|layout| {
                (Just(layout), standings(layout.scheme.blocks()))
            }),
            a in 0u64..1_000_000, b in 0u64..1_000_000,
        ) {
            let capacity = layout.capacity();
            let (a, b) = (a % capacity, b % capacity);
            let wants = wants(&layout, a.min(b), a.max(b) + 1);
            let data = usize::from(layout.scheme.data);
            let left = standing.iter().filter(|s| **s != Standing::Gone).count();
            let good = standing.iter().filter(|s| **s == Standing::Good).count();
            match plan(&layout, &wants, &standing) {
                Ok(fetch) => {
                    for block in fetch.keys() {
                        let standing = standing[usize::from(*block)];
                        prop_assert_ne!(standing, Standing::Gone);
                        prop_assert!(standing == Standing::Good || good < data);
                    }
                    for (block, range) in &wants {
                        for page in range.pages() {
                            prop_assert!(gives(&layout, &fetch, *block, page));
                        }
                    }
                }
                Err(TooFew { usable }) => {
                    prop_assert!(left < data);
                    prop_assert_eq!(usable, left);
                }
            }
        }
    }

    #[test]
    fn a_healthy_read_touches_only_the_pages_asked_for() {
        let layout = ExtentLayout {
            scheme: Scheme { data: 4, parity: 2 },
            stripes: 3,
            cell_bytes: 8192,
        };
        let wants = wants(&layout, 8192 + 100, 8192 + 200);
        let only = PageRange { first: 0, end: 1 };
        assert_eq!(wants, Pages::from([(1, only)]));
        let fetch = plan(&layout, &wants, &[Standing::Good; 6]).unwrap();
        assert_eq!(fetch, wants);
    }
}
