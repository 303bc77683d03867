//! What becomes of the bytes gathered: in the metadata, a hole, or blocks.
//!
//! Pure.

use eggs_proto::{PAGE_BYTES, PolicySet};

use super::rope::Rope;

/// Bytes of the file on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// To be kept in the metadata.
    Inline(Vec<u8>),
    /// So many zeros.
    Hole(u64),
    /// To be kept in blocks.
    Blocks(Rope),
}

impl Content {
    /// The best way to keep these bytes, which are at least one.
    pub(super) fn of(bytes: Rope, policies: &PolicySet) -> Self {
        if bytes.len() >= PAGE_BYTES && is_zero(&bytes) {
            Self::Hole(bytes.len() as u64)
        } else if bytes.len() <= policies.inline.inline_bytes_max as usize {
            Self::Inline(bytes.to_vec())
        } else {
            Self::Blocks(bytes)
        }
    }
}

/// Bytes gathered before they are written: the policy's, in whole pages.
pub(super) fn gather_bytes(policies: &PolicySet) -> usize {
    let page = PAGE_BYTES as u64;
    let pages = (policies.extent_bytes_max() / page).max(1);
    usize::try_from(pages * page).unwrap_or(PAGE_BYTES)
}

/// How a hole of `size` bytes is split, after `tail` bytes that are not stored yet: extents begin on whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HoleParts {
    /// Zeros to be appended to the tail to fill its last page.
    pub(super) before: u64,
    /// Bytes of the hole itself.
    pub(super) hole: u64,
    /// Zeros to begin the next tail with.
    pub(super) after: u64,
}

/// Splits a hole.
pub(super) fn split_hole(tail: u64, size: u64) -> HoleParts {
    let page = PAGE_BYTES as u64;
    let before = (tail.next_multiple_of(page) - tail).min(size);
    let rest = size - before;
    HoleParts {
        before,
        hole: rest / page * page,
        after: rest % page,
    }
}

fn is_zero(bytes: &Rope) -> bool {
    let zeros = [0u8; 1024];
    let mut parts = bytes
        .chunks()
        .iter()
        .flat_map(|chunk| chunk.chunks(zeros.len()));
    parts.all(|part| part == &zeros[..part.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_goes_where_it_is_cheapest() {
        let policies = PolicySet::default();
        let of = |bytes: Vec<u8>| Content::of(Rope::from(bytes), &policies);
        assert_eq!(of(vec![0; 8192]), Content::Hole(8192));
        assert!(matches!(of(vec![0; 100]), Content::Inline(_)));
        assert!(matches!(of(vec![1; 4096]), Content::Inline(_)));
        for len in [5000, 1_000_000] {
            let mut almost = vec![0; len];
            almost[len - 1] = 1;
            assert!(matches!(of(almost), Content::Blocks(_)));
        }
        assert_eq!(gather_bytes(&policies), 20 << 20);
    }

    proptest! {
        #[test]
        fn the_parts_of_a_hole_add_up(tail in 0u64..100_000, size in 0u64..100_000_000) {
            let parts = split_hole(tail, size);
            prop_assert_eq!(parts.before + parts.hole + parts.after, size);
            prop_assert!(parts.after < PAGE_BYTES as u64);
            if parts.hole > 0 {
                prop_assert_eq!((tail + parts.before) % PAGE_BYTES as u64, 0);
            }
        }
    }
}
