//! Consecutive pages of a block.

use eggs_proto::PAGE_BYTES;

/// Pages `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRange {
    pub(super) first: u32,
    pub(super) end: u32,
}

impl PageRange {
    /// The pages that hold bytes `from..to` of a block; `from < to`.
    pub(super) fn of_bytes(from: u64, to: u64) -> Self {
        let page = PAGE_BYTES as u64;
        let number = |page: u64| u32::try_from(page).unwrap_or(u32::MAX);
        Self {
            first: number(from / page),
            end: number(to.div_ceil(page)),
        }
    }

    pub(super) const fn len(self) -> u32 {
        self.end - self.first
    }

    /// The smallest range with all pages of both.
    pub(super) fn hull(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            end: self.end.max(other.end),
        }
    }

    pub(super) const fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.end <= self.end
    }

    pub(super) fn pages(self) -> impl Iterator<Item = u32> {
        self.first..self.end
    }
}
