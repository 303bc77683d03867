//! Where things are below the directory of a disk.
//!
//! ```text
//! label                 who the disk is
//! blocks/HH/BLOCK       block files, spread by a hash
//! tmp/                  files being written; emptied at open
//! gone/BLOCK-TIME       tombstones: the block may not be written again until the time
//! ```
//!
//! `HH`, `BLOCK` and `TIME` are hexadecimal with leading zeros.

use std::path::{Path, PathBuf};

use eggs_proto::{BlockId, Time};

/// Subdirectories that block files are spread over.
pub(crate) const SLOTS: usize = 256;

/// Where things are below the directory of a disk.
#[derive(Debug)]
pub(crate) struct Paths {
    pub root: PathBuf,
    pub label: PathBuf,
    pub blocks: PathBuf,
    pub tmp: PathBuf,
    pub gone: PathBuf,
}

impl Paths {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            label: root.join("label"),
            blocks: root.join("blocks"),
            tmp: root.join("tmp"),
            gone: root.join("gone"),
        }
    }

    pub fn slot(&self, slot: usize) -> PathBuf {
        self.blocks.join(format!("{slot:02x}"))
    }

    pub fn block(&self, block: BlockId) -> PathBuf {
        self.slot(slot_of(block)).join(block.to_string())
    }

    pub fn tombstone(&self, block: BlockId, until: Time) -> PathBuf {
        self.gone.join(format!("{block}-{:016x}", until.0))
    }
}

/// The subdirectory of a block. Part of the format: the low byte of a block id is its shard and the
/// rest a counter, so the top bits of a product with an odd constant spread well.
pub(crate) const fn slot_of(block: BlockId) -> usize {
    (block.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// Reads the name of a block file.
pub(crate) fn parse_block(name: &str) -> Option<BlockId> {
    parse_hex(name).map(BlockId)
}

/// Reads the name of a tombstone.
pub(crate) fn parse_tombstone(name: &str) -> Option<(BlockId, Time)> {
    let (block, until) = name.split_once('-')?;
    Some((parse_block(block)?, Time(parse_hex(until)?)))
}

/// Exactly 16 lower-case digits: only names that we would have written.
fn parse_hex(text: &str) -> Option<u64> {
    let value = u64::from_str_radix(text, 16).ok()?;
    (format!("{value:016x}") == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_ignored() {
        let paths = Paths::new(Path::new("/d"));
        let block = BlockId(0x1234_5678_9abc_def0);
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(parse_block(&name(paths.block(block))), Some(block));
        let tombstone = name(paths.tombstone(block, Time(77)));
        assert_eq!(parse_tombstone(&tombstone), Some((block, Time(77))));
        for bad in ["", "1", "+000000000000001", "000000000000000A", "x"] {
            assert_eq!(parse_block(bad), None, "{bad}");
        }
    }

    #[test]
    fn slots_are_pinned_and_spread() {
        assert_eq!(slot_of(BlockId(1)), 0x9e);
        assert_eq!(slot_of(BlockId(0x0100)), 0x37);
        let mut counts = [0u32; SLOTS];
        for counter in 0..2560 {
            counts[slot_of(BlockId((counter << 8) + 7))] += 1;
        }
        assert!(counts.iter().all(|n| (2..=30).contains(n)), "{counts:?}");
    }
}
