//! Pages that have arrived and passed their checksums.
//!
//! **Invariant:** a page is in the store only if its checksum matched.

use std::collections::BTreeMap;

use bytes::Bytes;
use eggs_proto::{BlockId, Checksum, PAGE_BYTES};

use super::page_range::PageRange;

/// One answer of a block service.
#[derive(Clone, Debug)]
struct Run {
    range: PageRange,
    bytes: Bytes,
    /// Pages whose checksum did not match.
    bad: Vec<u32>,
}

/// Verified pages by block.
#[derive(Clone, Debug, Default)]
pub(super) struct PageStore(BTreeMap<u8, Vec<Run>>);

/// Whether an answer was what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every page is good.
    Whole,
    /// Some pages, or the form of the answer, are not.
    Corrupt,
}

impl PageStore {
    /// Verifies an answer and keeps what is good.
    pub(super) fn add(
        &mut self,
        index: u8,
        block: BlockId,
        range: PageRange,
        bytes: Bytes,
        checksums: &[Checksum],
    ) -> Verdict {
        let pages = range.len() as usize;
        if bytes.len() != pages * PAGE_BYTES || checksums.len() != pages {
            return Verdict::Corrupt;
        }
        let parts = range
            .pages()
            .zip(bytes.chunks_exact(PAGE_BYTES))
            .zip(checksums);
        let bad: Vec<u32> = parts
            .filter(|((page, part), sum)| Checksum::of_page(block, *page, part) != **sum)
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
            .push(Run { range, bytes, bad });
        verdict
    }

    pub(super) fn page(&self, index: u8, page: u32) -> Option<&[u8]> {
        let run = self.0.get(&index)?.iter().find(|run| run.has(page))?;
        let at = (page - run.range.first) as usize * PAGE_BYTES;
        run.bytes.get(at..at + PAGE_BYTES)
    }

    /// The bytes of a range if they came in one piece.
    pub(super) fn whole(&self, index: u8, range: PageRange) -> Option<Bytes> {
        let run = self.0.get(&index)?.iter().find(|run| run.has_all(range))?;
        let at = (range.first - run.range.first) as usize * PAGE_BYTES;
        Some(run.bytes.slice(at..at + range.len() as usize * PAGE_BYTES))
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
        let verdict = store.add(0, block, range, Bytes::from(bytes), &sums);
        assert_eq!(verdict, Verdict::Corrupt);
        assert!(store.page(0, 2).is_some() && store.page(0, 4).is_some());
        assert!(store.page(0, 3).is_none() && store.page(0, 5).is_none());
        let missing = store.missing(0, range).unwrap();
        assert_eq!(missing, PageRange { first: 3, end: 4 });
        assert!(store.whole(0, range).is_none());
        assert!(store.whole(0, PageRange { first: 4, end: 5 }).is_some());
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_not_kept() {
        let mut store = PageStore::default();
        let range = PageRange { first: 0, end: 2 };
        let short = Bytes::from(vec![0; PAGE_BYTES]);
        let verdict = store.add(0, BlockId(1), range, short, &[Checksum(0); 2]);
        assert_eq!(verdict, Verdict::Corrupt);
        assert_eq!(store.missing(0, range), Some(range));
    }
}
