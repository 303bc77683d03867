//! One page of an answer: bounded in entries and in bytes.

use std::ops::ControlFlow;

use eggs_proto::LIST_ENTRIES_MAX;

/// About how many bytes a page may have; it always holds one entry.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Entries gathered so far.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) more: bool,
    bytes: usize,
    limit: usize,
}

impl<T> Page<T> {
    /// An empty page. A limit of 0 counts as 1, one that is too large as the largest.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            entries: Vec::new(),
            more: false,
            bytes: 0,
            limit: limit.clamp(1, LIST_ENTRIES_MAX) as usize,
        }
    }

    /// Adds an entry, or notes that there is more.
    pub(crate) fn add(&mut self, entry: T, bytes: usize) -> ControlFlow<()> {
        let total = self.bytes.saturating_add(bytes);
        let full = self.entries.len() >= self.limit || total > PAGE_BYTES_MAX;
        if full && !self.entries.is_empty() {
            return self.stop();
        }
        self.entries.push(entry);
        self.bytes = total;
        ControlFlow::Continue(())
    }

    /// Ends the page before the last entry.
    pub(crate) fn stop(&mut self) -> ControlFlow<()> {
        self.more = true;
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_but_never_empty() {
        let mut page = Page::new(0);
        assert!(page.add(1, usize::MAX).is_continue());
        assert!(page.add(2, 1).is_break());
        assert!(page.more);
        assert_eq!(page.entries, [1]);

        let mut page = Page::new(u32::MAX);
        let added = (0..).find(|n| page.add(*n, 1000).is_break());
        assert_eq!(added, Some(PAGE_BYTES_MAX / 1000));
    }
}
