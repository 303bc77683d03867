//! Which of the blocks that readers reported are looked at now.
//!
//! A block service tells of a block until it is erased; what was tried is left alone for a while, whatever came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use eggs_proto::InodeId;
use eggs_proto::block::DamagedBlock;

/// What was tried is tried again after this.
const RETRY: Duration = Duration::from_secs(60);
/// Extents that are looked at in one round.
const EXTENTS_MAX: usize = 256;
/// Reports that are remembered as tried; more than these wait.
const TRIED_MAX: usize = 1 << 16;

/// Reported blocks of one extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedExtent {
    /// The file, by the word of a reader.
    pub file: InodeId,
    /// First byte of the extent, likewise.
    pub offset: u64,
    /// The blocks.
    pub blocks: Vec<DamagedBlock>,
}

/// What was tried, and when; times are since any beginning.
#[derive(Clone, Debug, Default)]
pub struct Tried(BTreeMap<DamagedBlock, Duration>);

impl Tried {
    /// What to look at now: blocks of one extent together, because they are healed together. It counts as tried.
    pub fn due(&mut self, reported: &[DamagedBlock], now: Duration) -> Vec<ReportedExtent> {
        self.0.retain(|_, tried| now.saturating_sub(*tried) < RETRY);
        let mut extents: BTreeMap<(InodeId, u64), Vec<DamagedBlock>> = BTreeMap::new();
        for block in reported {
            let place = (block.file, block.offset);
            let full = extents.len() >= EXTENTS_MAX && !extents.contains_key(&place);
            if full || self.0.len() >= TRIED_MAX || self.0.contains_key(block) {
                continue;
            }
            self.0.insert(*block, now);
            extents.entry(place).or_default().push(*block);
        }
        let in_order = extents.into_iter();
        in_order
            .map(|((file, offset), blocks)| ReportedExtent {
                file,
                offset,
                blocks,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{BlockId, BlockServiceId};

    use super::*;

    fn block(block: u64, offset: u64) -> DamagedBlock {
        DamagedBlock {
            service: BlockServiceId(1),
            block: BlockId(block),
            file: InodeId::ROOT,
            offset,
        }
    }

    #[test]
    fn blocks_of_an_extent_come_together_and_not_again_for_a_while() {
        let mut tried = Tried::default();
        let reported = [block(1, 0), block(2, 4096), block(3, 0)];
        let first = tried.due(&reported, Duration::ZERO);
        let of: Vec<_> = first.iter().map(|e| (e.offset, e.blocks.len())).collect();
        assert_eq!(of, [(0, 2), (4096, 1)]);
        let more = [&reported[..], &[block(4, 0)]].concat();
        let second = tried.due(&more, RETRY / 2);
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].blocks, [block(4, 0)]);
        assert_eq!(tried.due(&more, RETRY).len(), 2);
    }

    #[test]
    fn a_round_is_bounded_and_the_next_one_goes_on() {
        let mut tried = Tried::default();
        let many: Vec<_> = (0..1000).map(|at| block(at, at)).collect();
        let mut seen = 0;
        for round in 1..5 {
            let due = tried.due(&many, Duration::from_secs(round));
            assert!(due.len() <= EXTENTS_MAX);
            seen += due.len();
        }
        assert_eq!(seen, 1000);
    }
}
