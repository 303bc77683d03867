//! Pages that have arrived and passed their checksums.
//!
//! **Invariant:** a page is in the store only if its checksum matched.

use std::collections::BTreeMap;

use bytes::BytesMut;
use eggs_proto::{BlockId, Checksum, PAGE_BYTES};

use super::buffers::room_for;
use super::page_range::PageRange;

/// One answer of a block service.
#[derive(Debug)]
struct Run {
    range: PageRange,
    /// Its pages, in parts of whole pages.
    pages: Pieces,
    /// Pages whose checksum did not match.
    bad: Vec<u32>,
}

/// Memory with the pages of a block, in order.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Pages that are wanted only to decode others, in front of and behind the slots.
    pub(super) head: Option<BytesMut>,
    /// Pages that are where the reader wants them.
    pub(super) slots: Vec<BytesMut>,
    pub(super) tail: Option<BytesMut>,
}

/// Verified pages by block.
#[derive(Debug, Default)]
pub(super) struct PageStore(BTreeMap<u8, Vec<Run>>);

/// Whether an answer was what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every page is good.
    Whole,
    /// Some pages, or the form of the answer, are not.
    Corrupt,
}

impl Pieces {
    /// Memory that is nobody's slot, with room for so many pages.
    pub(super) fn apart(pages: u32) -> Self {
        Self {
            head: some_room(pages),
            ..Self::default()
        }
    }

    /// Slots, with room for further pages in front of and behind them.
    pub(super) fn around(slots: Vec<BytesMut>, before: u32, after: u32) -> Self {
        Self {
            head: some_room(before),
            slots,
            tail: some_room(after),
        }
    }

    /// Takes them apart, for whoever fills them.
    pub(super) fn into_parts(self) -> (Vec<BytesMut>, Outline) {
        let outline = Outline {
            head: self.head.is_some(),
            tail: self.tail.is_some(),
        };
        let parts = self.head.into_iter().chain(self.slots).chain(self.tail);
        (parts.collect(), outline)
    }

    fn iter(&self) -> impl Iterator<Item = &BytesMut> {
        self.head.iter().chain(&self.slots).chain(&self.tail)
    }

    fn len(&self) -> usize {
        self.iter().map(|part| part.len()).sum()
    }

    /// What lies in one piece from a page on, counted from the first.
    fn from(&self, page: usize) -> &[u8] {
        let mut at = page * PAGE_BYTES;
        for part in self.iter() {
            if at < part.len() {
                return &part[at..];
            }
            at -= part.len();
        }
        &[]
    }
}

/// Which parts are no slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    head: bool,
    tail: bool,
}

impl Outline {
    /// Puts the parts together again.
    pub(super) fn restore(self, mut parts: Vec<BytesMut>) -> Pieces {
        let tail = if self.tail { parts.pop() } else { None };
        let head = self.head && !parts.is_empty();
        Pieces {
            head: head.then(|| parts.remove(0)),
            slots: parts,
            tail,
        }
    }
}

fn some_room(pages: u32) -> Option<BytesMut> {
    (pages > 0).then(|| room_for(pages as usize * PAGE_BYTES))
}

impl PageStore {
    /// Verifies an answer and keeps what is good. All that is read from blocks comes in here.
    pub(super) fn add(
        &mut self,
        index: u8,
        block: BlockId,
        range: PageRange,
        pages: Pieces,
        checksums: &[Checksum],
    ) -> Verdict {
        let count = range.len() as usize;
        // A part that ends within a page would leave pages that nobody verifies.
        let whole = |part: &BytesMut| part.len().is_multiple_of(PAGE_BYTES);
        if pages.len() != count * PAGE_BYTES || checksums.len() != count || !pages.iter().all(whole)
        {
            return Verdict::Corrupt;
        }
        let mut first = range.first;
        let found = pages.iter().flat_map(|part| {
            let sums = Checksum::of_pages(block, first, part);
            first += (part.len() / PAGE_BYTES) as u32;
            sums
        });
        let bad: Vec<u32> = range
            .pages()
            .zip(found)
            .zip(checksums)
            .filter(|((_, found), sum)| found != *sum)
            .map(|((page, _), _)| page)
            .collect();
        #[cfg(feature = "bugs")]
        let bad = match crate::bugs::believes_every_page() {
            true => Vec::new(),
            false => bad,
        };
        let verdict = if bad.is_empty() {
            Verdict::Whole
        } else {
            Verdict::Corrupt
        };
        self.0
            .entry(index)
            .or_default()
            .push(Run { range, pages, bad });
        verdict
    }

    pub(super) fn page(&self, index: u8, page: u32) -> Option<&[u8]> {
        let run = self.0.get(&index)?.iter().find(|run| run.has(page))?;
        let bytes = run.pages.from((page - run.range.first) as usize);
        bytes.get(..PAGE_BYTES)
    }

    /// The longest piece of good pages from a page on; empty if that one is not there.
    pub(super) fn stretch(&self, index: u8, page: u32) -> &[u8] {
        let mut runs = self.0.get(&index).into_iter().flatten();
        let Some(run) = runs.find(|run| run.has(page)) else {
            return &[];
        };
        let bytes = run.pages.from((page - run.range.first) as usize);
        let bad = run.bad.iter().find(|bad| **bad > page);
        let good = bad.map_or(bytes.len(), |bad| (bad - page) as usize * PAGE_BYTES);
        &bytes[..good.min(bytes.len())]
    }

    /// Whether an answer for a block came into its slots.
    pub(super) fn has_slots(&self, index: u8) -> bool {
        let mut runs = self.0.get(&index).into_iter().flatten();
        runs.any(|run| !run.pages.slots.is_empty())
    }

    /// The slots of a block, filled, and which of its pages are not good in them.
    pub(super) fn take_slots(&mut self, index: u8) -> Option<(Vec<BytesMut>, Vec<u32>)> {
        let runs = self.0.get_mut(&index)?;
        let at = runs.iter().position(|run| !run.pages.slots.is_empty())?;
        let run = runs.remove(at);
        Some((run.pages.slots, run.bad))
    }

    /// The smallest range with all pages of `range` that are not there.
    pub(super) fn missing(&self, index: u8, range: PageRange) -> Option<PageRange> {
        let runs = self.0.get(&index);
        if runs.is_some_and(|runs| runs.iter().any(|run| run.has_all(range))) {
            return None;
        }
        let absent = |page: &u32| self.page(index, *page).is_none();
        let first = range.pages().find(absent)?;
        let last = (range.first..range.end).rev().find(absent)?;
        Some(PageRange {
            first,
            end: last + 1,
        })
    }

    /// Blocks of which a page is there.
    pub(super) fn sources(&self, page: u32) -> impl Iterator<Item = u8> {
        self.0
            .iter()
            .filter(move |(_, runs)| runs.iter().any(|run| run.has(page)))
            .map(|(index, _)| *index)
    }
}

impl Run {
    fn has(&self, page: u32) -> bool {
        (self.range.first..self.range.end).contains(&page) && !self.bad.contains(&page)
    }

    fn has_all(&self, range: PageRange) -> bool {
        self.range.covers(range)
            && self
                .bad
                .iter()
                .all(|bad| !(range.first..range.end).contains(bad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page in front of the slots, the rest in one slot.
    fn pieces(bytes: &[u8]) -> Pieces {
        let (head, rest) = bytes.split_at(PAGE_BYTES);
        let slots = vec![BytesMut::from(rest)];
        let mut pieces = Pieces::around(slots, 1, 0);
        pieces.head.as_mut().unwrap().extend_from_slice(head);
        let (parts, outline) = pieces.into_parts();
        outline.restore(parts)
    }

    #[test]
    fn a_bad_page_is_not_there_and_its_neighbours_are() {
        let block = BlockId(77);
        let range = PageRange { first: 2, end: 5 };
        let mut bytes = vec![1u8; 3 * PAGE_BYTES];
        let sums: Vec<Checksum> = range
            .pages()
            .map(|page| Checksum::of_page(block, page, &bytes[..PAGE_BYTES]))
            .collect();
        bytes[PAGE_BYTES + 5] ^= 1;
        let mut store = PageStore::default();
        let verdict = store.add(0, block, range, pieces(&bytes), &sums);
        assert_eq!(verdict, Verdict::Corrupt);
        assert!(store.page(0, 2).is_some() && store.page(0, 4).is_some());
        assert!(store.page(0, 3).is_none() && store.page(0, 5).is_none());
        let missing = store.missing(0, range).unwrap();
        assert_eq!(missing, PageRange { first: 3, end: 4 });
        let lengths = [2, 3, 4].map(|page| store.stretch(0, page).len());
        assert_eq!(lengths, [PAGE_BYTES, 0, PAGE_BYTES]);
    }

    #[test]
    fn no_page_goes_unverified_because_a_part_ends_within_one() {
        let range = PageRange { first: 0, end: 2 };
        let parts = [PAGE_BYTES / 2, PAGE_BYTES + PAGE_BYTES / 2];
        let slots = parts.map(BytesMut::zeroed).to_vec();
        let pages = Pieces {
            slots,
            ..Pieces::default()
        };
        let mut store = PageStore::default();
        let verdict = store.add(0, BlockId(1), range, pages, &[Checksum(7); 2]);
        assert_eq!(verdict, Verdict::Corrupt);
        assert!(store.page(0, 0).is_none() && store.page(0, 1).is_none());
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_not_kept() {
        let mut store = PageStore::default();
        let range = PageRange { first: 0, end: 2 };
        let short = pieces(&[0; PAGE_BYTES]);
        let verdict = store.add(0, BlockId(1), range, short, &[Checksum(0); 2]);
        assert_eq!(verdict, Verdict::Corrupt);
        assert_eq!(store.missing(0, range), Some(range));
    }
}
