//! How full a disk is, in words, and whether a change is worth telling clients.

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fill {
    /// Nothing to worry about.
    Roomy,
    /// Less than a twentieth is left.
    NearlyFull,
    /// Takes no more blocks.
    Full,
}

impl Fill {
    /// Of a disk with so many bytes, of which so many can still be written.
    pub const fn of(capacity_bytes: u64, available_bytes: u64) -> Self {
        if available_bytes == 0 {
            Self::Full
        } else if available_bytes < capacity_bytes / 20 {
            Self::NearlyFull
        } else {
            Self::Roomy
        }
    }
}

/// A disk's size as it was last published and as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FillChange {
    pub published_capacity_bytes: u64,
    pub published_bytes: u64,
    pub capacity_bytes: u64,
    pub available_bytes: u64,
}

impl FillChange {
    /// Whether clients should place blocks differently: another class of fill, or more than 1 % of the disk.
    pub(crate) fn matters(self) -> bool {
        let moved = self.available_bytes.abs_diff(self.published_bytes);
        let grown = self.capacity_bytes.abs_diff(self.published_capacity_bytes);
        let percent = self.capacity_bytes / 100;
        Fill::of(self.capacity_bytes, self.available_bytes)
            != Fill::of(self.published_capacity_bytes, self.published_bytes)
            || moved > percent
            || grown > percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(Fill::of(1000, 50), Fill::Roomy);
        assert_eq!(Fill::of(1000, 49), Fill::NearlyFull);
        assert_eq!(Fill::of(1000, 0), Fill::Full);
        assert_eq!(Fill::of(0, 0), Fill::Full);
    }

    #[test]
    fn small_changes_are_no_news() {
        let to = |available_bytes| {
            FillChange {
                published_capacity_bytes: 10_000,
                published_bytes: 5_000,
                capacity_bytes: 10_000,
                available_bytes,
            }
            .matters()
        };
        assert!(!to(5_000));
        assert!(!to(4_900));
        assert!(to(4_899));
        assert!(to(5_101));
        let full = FillChange {
            published_capacity_bytes: 10_000,
            published_bytes: 1,
            capacity_bytes: 10_000,
            available_bytes: 0,
        };
        assert!(full.matters(), "full is news, however little is missing");
    }
}
