//! One read of an extent: what is wanted, on its way, late, there, or lost.
//!
//! Pure: it says what to ask for next, and when there is enough.

use std::collections::BTreeSet;

use eggs_proto::{BlockId, Checksum, ExtentLayout};

use super::page_range::PageRange;
use super::page_store::{PageStore, Pieces, Verdict};
use super::plan::{Pages, Standing, TooFew, plan};

/// A request to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) index: u8,
    pub(super) range: PageRange,
}

pub(super) struct Race {
    pub(super) layout: ExtentLayout,
    pub(super) wants: Pages,
    pub(super) store: PageStore,
    standing: Vec<Standing>,
    in_flight: Vec<Fetch>,
    late: BTreeSet<u8>,
}

/// How a read stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every wanted page is there or can be decoded.
    Enough,
    /// Answers are outstanding.
    Waiting,
    /// Nothing is outstanding and too little is there.
    Lost {
        /// Blocks that can still be read.
        usable: usize,
    },
}

impl Race {
    /// Begins; `standing` has one entry for each block of the extent.
    pub(super) fn new(layout: ExtentLayout, wants: Pages, standing: Vec<Standing>) -> Self {
        Self {
            layout,
            wants,
            store: PageStore::default(),
            standing,
            in_flight: Vec::new(),
            late: BTreeSet::new(),
        }
    }

    /// Requests to be made now; they count as in flight from here on.
    pub(super) fn next_fetches(&mut self) -> Vec<Fetch> {
        let Ok(pages) = self.plan() else {
            return Vec::new();
        };
        let mut new = Vec::new();
        for (index, range) in pages {
            let Some(range) = self.store.missing(index, range) else {
                continue;
            };
            let on_its_way = |known: &Fetch| known.index == index && known.range.covers(range);
            if !self.in_flight.iter().any(on_its_way) {
                new.push(Fetch { index, range });
            }
        }
        self.in_flight.extend(&new);
        new
    }

    /// An answer came.
    pub(super) fn arrived(
        &mut self,
        fetch: Fetch,
        block: BlockId,
        pages: Pieces,
        checksums: &[Checksum],
    ) -> Verdict {
        self.landed(fetch);
        let Fetch { index, range } = fetch;
        let verdict = self.store.add(index, block, range, pages, checksums);
        if verdict == Verdict::Corrupt {
            self.set(index, Standing::Gone);
        }
        verdict
    }

    /// A request failed.
    pub(super) fn failed(&mut self, fetch: Fetch) {
        self.landed(fetch);
        self.set(fetch.index, Standing::Gone);
    }

    /// What is in flight has taken too long: others are asked as well, as far as there are any.
    pub(super) fn overdue(&mut self) {
        self.late
            .extend(self.in_flight.iter().map(|fetch| fetch.index));
    }

    /// Blocks that were late and still are.
    pub(super) fn laggards(&self) -> impl Iterator<Item = u8> {
        let late = |fetch: &&Fetch| self.late.contains(&fetch.index);
        self.in_flight.iter().filter(late).map(|fetch| fetch.index)
    }

    /// Whether a block with wanted pages was none to be read from, at the beginning or by now.
    pub(super) fn is_elsewhere(&self) -> bool {
        let standing = |index: &u8| self.standing.get(usize::from(*index));
        let mut wanted = self.wants.keys().map(standing);
        wanted.any(|standing| standing != Some(&Standing::Good))
    }

    pub(super) fn progress(&self) -> Progress {
        if self.is_enough() {
            return Progress::Enough;
        }
        if !self.in_flight.is_empty() {
            return Progress::Waiting;
        }
        let usable = match self.plan() {
            Err(TooFew { usable }) => usable,
            Ok(_) => self
                .standing
                .iter()
                .filter(|s| **s != Standing::Gone)
                .count(),
        };
        Progress::Lost { usable }
    }

    fn is_enough(&self) -> bool {
        let data = usize::from(self.layout.scheme.data);
        self.wants.iter().all(|(index, range)| {
            let Some(missing) = self.store.missing(*index, *range) else {
                return true;
            };
            missing.pages().all(|page| {
                self.store.page(*index, page).is_some() || self.store.sources(page).count() >= data
            })
        })
    }

    fn plan(&self) -> Result<Pages, TooFew> {
        let standing: Vec<Standing> = (0..=u8::MAX)
            .zip(&self.standing)
            .map(|(index, standing)| match standing {
                Standing::Good if self.late.contains(&index) => Standing::LastResort,
                Standing::Good | Standing::LastResort | Standing::Gone => *standing,
            })
            .collect();
        plan(&self.layout, &self.wants, &standing)
    }

    fn landed(&mut self, fetch: Fetch) {
        if let Some(at) = self.in_flight.iter().position(|known| *known == fetch) {
            self.in_flight.swap_remove(at);
        }
    }

    fn set(&mut self, index: u8, standing: Standing) {
        if let Some(known) = self.standing.get_mut(usize::from(index)) {
            *known = standing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::wants;
    use super::*;
    use eggs_proto::{PAGE_BYTES, Scheme};

    const LAYOUT: ExtentLayout = ExtentLayout {
        scheme: Scheme { data: 3, parity: 2 },
        stripes: 1,
        cell_bytes: PAGE_BYTES as u32,
    };

    fn race(standing: [Standing; 5]) -> Race {
        let all = wants(&LAYOUT, 0, LAYOUT.capacity());
        Race::new(LAYOUT, all, standing.to_vec())
    }

    fn good(race: &mut Race, fetch: Fetch) {
        let block = BlockId(u64::from(fetch.index));
        let bytes = [fetch.index; PAGE_BYTES];
        let sum = Checksum::of_page(block, 0, &bytes);
        let verdict = race.arrived(fetch, block, pages(&bytes), &[sum]);
        assert_eq!(verdict, Verdict::Whole);
    }

    fn pages(bytes: &[u8]) -> Pieces {
        let mut pages = Pieces::apart(1);
        pages.head.as_mut().unwrap().extend_from_slice(bytes);
        pages
    }

    fn indexes(fetches: &[Fetch]) -> Vec<u8> {
        fetches.iter().map(|fetch| fetch.index).collect()
    }

    #[test]
    fn a_failure_is_replaced_by_parity() {
        let mut race = race([Standing::Good; 5]);
        let first = race.next_fetches();
        assert_eq!(indexes(&first), [0, 1, 2]);
        good(&mut race, first[0]);
        race.failed(first[1]);
        let more = race.next_fetches();
        assert_eq!(indexes(&more), [3]);
        good(&mut race, first[2]);
        assert_eq!(race.progress(), Progress::Waiting);
        good(&mut race, more[0]);
        assert_eq!(race.progress(), Progress::Enough);
    }

    #[test]
    fn a_late_block_races_parity_and_may_still_win() {
        let mut race = race([Standing::Good; 5]);
        let first = race.next_fetches();
        good(&mut race, first[0]);
        good(&mut race, first[1]);
        race.overdue();
        assert_eq!(indexes(&race.next_fetches()), [3]);
        assert_eq!(race.next_fetches(), []);
        assert_eq!(race.laggards().collect::<Vec<_>>(), [2, 3][..1]);
        good(&mut race, first[2]);
        assert_eq!(race.progress(), Progress::Enough);
    }

    #[test]
    fn a_corrupt_page_counts_as_missing_and_too_many_losses_end_it() {
        let mut race = race([
            Standing::Good,
            Standing::Good,
            Standing::Good,
            Standing::Gone,
            Standing::LastResort,
        ]);
        let first = race.next_fetches();
        good(&mut race, first[0]);
        good(&mut race, first[1]);
        let pages = pages(&[9; PAGE_BYTES]);
        let verdict = race.arrived(first[2], BlockId(2), pages, &[Checksum(0)]);
        assert_eq!(verdict, Verdict::Corrupt);
        let more = race.next_fetches();
        assert_eq!(indexes(&more), [4], "the last resort");
        race.failed(more[0]);
        assert_eq!(race.next_fetches(), []);
        assert_eq!(race.progress(), Progress::Lost { usable: 2 });
    }
}
