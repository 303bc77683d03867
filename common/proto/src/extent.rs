//! Extents: how a byte range of a file is stored, and where each byte of it is.
//!
//! Bytes of an extent go row by row over its stripes: cell 0 of stripe 0 to block 0, cell 1 to block
//! 1, …; after `D` cells the next stripe begins. All cells of an extent have the same size, a multiple of
//! [`PAGE_BYTES`]; the tail is zero padding. Parity cells of a stripe go to blocks `D..D+P`.
//!
//! **Invariant:** the extents of a linked file cover `0..size` without gap or overlap.

use serde::{Deserialize, Serialize};

use crate::{
    BLOCK_BYTES_MAX, BlockId, BlockServiceId, Checksum, EXTENT_BYTES_MAX, PAGE_BYTES, STRIPES_MAX,
    Scheme,
};

/// Classes of disks. A policy chooses one by size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StorageClass {
    /// Rotating disks.
    Hdd,
    /// Solid-state disks.
    Flash,
}

impl std::fmt::Display for StorageClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hdd => "HDD",
            Self::Flash => "FLASH",
        })
    }
}

/// The shape of an extent kept in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtentLayout {
    /// The erasure scheme.
    pub scheme: Scheme,
    /// Number of stripes, at least 1.
    pub stripes: u32,
    /// Bytes of one cell, a multiple of [`PAGE_BYTES`].
    pub cell_bytes: u32,
}

/// Where a byte of an extent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellPosition {
    /// The stripe.
    pub stripe: u32,
    /// The data block, `0..D`.
    pub block: u8,
    /// Offset in the block.
    pub block_offset: u64,
    /// Bytes from here to the end of the cell.
    pub cell_remaining: u32,
}

impl ExtentLayout {
    /// The layout for `size` bytes with stripes of about `stripe_bytes`: as many stripes as fit,
    /// cells just large enough. `size` must be at least 1.
    pub fn for_size(size: u64, scheme: Scheme, stripe_bytes: u32) -> Self {
        let stripes = (size / u64::from(stripe_bytes.max(1))).clamp(1, u64::from(STRIPES_MAX));
        let per_cell = size
            .max(1)
            .div_ceil(stripes * u64::from(scheme.data.max(1)));
        let pages = per_cell.div_ceil(PAGE_BYTES as u64);
        let cell_bytes = u32::try_from(pages * PAGE_BYTES as u64).unwrap_or(u32::MAX);
        Self {
            scheme,
            stripes: stripes as u32,
            cell_bytes,
        }
    }

    /// Bytes of each block.
    pub const fn block_bytes(&self) -> u64 {
        self.stripes as u64 * self.cell_bytes as u64
    }

    /// Bytes of data the layout has room for.
    pub const fn capacity(&self) -> u64 {
        self.block_bytes() * self.scheme.data as u64
    }

    /// Bytes on disk, parity included.
    pub const fn physical_bytes(&self) -> u64 {
        self.block_bytes() * self.scheme.blocks() as u64
    }

    /// Whether `size` bytes can be stored like this without waste of whole rows of pages, within all limits.
    pub fn fits(&self, size: u64) -> bool {
        self.scheme.is_valid()
            && (1..=STRIPES_MAX).contains(&self.stripes)
            && self.cell_bytes > 0
            && (self.cell_bytes as usize).is_multiple_of(PAGE_BYTES)
            && self.block_bytes() <= BLOCK_BYTES_MAX
            && (1..=EXTENT_BYTES_MAX).contains(&size)
            && size <= self.capacity()
            && self.capacity() - size
                < u64::from(self.stripes) * u64::from(self.scheme.data) * PAGE_BYTES as u64
    }

    /// Where byte `offset` of the extent is.
    pub fn locate(&self, offset: u64) -> CellPosition {
        let cell = u64::from(self.cell_bytes);
        let row = cell * u64::from(self.scheme.data);
        let (stripe, in_row) = (offset / row, offset % row);
        let in_cell = in_row % cell;
        CellPosition {
            stripe: stripe as u32,
            block: (in_row / cell) as u8,
            block_offset: stripe * cell + in_cell,
            cell_remaining: (cell - in_cell) as u32,
        }
    }
}

/// Whether a block is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockState {
    /// Named and certified to be written; no proof yet.
    Pending,
    /// Proved to be stored.
    Stored,
    /// Never written because too few failure domains were healthy; to be healed.
    Missing,
}

impl ExtentBlock {
    /// The service that keeps, or may keep, the block; [`BlockServiceId::NOWHERE`] for a missing one.
    pub fn whereabouts(&self) -> BlockServiceId {
        match self.state {
            BlockState::Pending | BlockState::Stored => self.service,
            BlockState::Missing => BlockServiceId::NOWHERE,
        }
    }
}

/// One block of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentBlock {
    /// Its name.
    pub block: BlockId,
    /// Where it is.
    pub service: BlockServiceId,
    /// Checksum over all of it.
    pub checksum: Checksum,
    /// Whether it is there.
    pub state: BlockState,
}

/// How the bytes of an extent are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtentBody {
    /// In the metadata.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// All zero, nowhere.
    Hole,
    /// In blocks: `D` data blocks, then `P` parity blocks.
    Blocks {
        /// Class of the disks.
        class: StorageClass,
        /// Shape.
        layout: ExtentLayout,
        /// The blocks in order.
        blocks: Vec<ExtentBlock>,
    },
}

/// A byte range of a file stored in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes of the file.
    pub size: u64,
    /// How they are kept.
    pub body: ExtentBody,
}

impl Extent {
    /// First byte after the extent.
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }

    /// Whether all blocks are accounted for, so that the file may be linked.
    pub fn is_certified(&self) -> bool {
        match &self.body {
            ExtentBody::Inline(_) | ExtentBody::Hole => true,
            ExtentBody::Blocks { blocks, .. } => blocks
                .iter()
                .all(|block| block.state != BlockState::Pending),
        }
    }

    /// Bytes on disks, once blocks that are missing are healed: healing changes no sums.
    pub fn physical_bytes(&self) -> u64 {
        match &self.body {
            ExtentBody::Inline(_) | ExtentBody::Hole => 0,
            ExtentBody::Blocks { layout, .. } => layout.physical_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_place() {
        let scheme = Scheme { data: 3, parity: 2 };
        let layout = ExtentLayout {
            scheme,
            stripes: 2,
            cell_bytes: 8192,
        };
        let mut seen = std::collections::BTreeSet::new();
        for offset in (0..layout.capacity()).step_by(1024) {
            let at = layout.locate(offset);
            assert!(at.block < 3 && at.block_offset < layout.block_bytes());
            assert_eq!(at.block_offset / 8192, u64::from(at.stripe));
            assert!(seen.insert((at.block, at.block_offset)), "offset {offset}");
        }
    }

    #[test]
    fn a_layout_fits_what_it_was_made_for() {
        for (data, parity) in [(1, 4), (4, 4), (10, 4), (16, 16)] {
            let scheme = Scheme { data, parity };
            for size in [
                1,
                4095,
                4096,
                4097,
                65_537,
                1 << 20,
                (1 << 20) + 1,
                20 << 20,
            ] {
                let layout = ExtentLayout::for_size(size, scheme, 1 << 20);
                assert!(layout.fits(size), "{size} in {layout:?}");
                assert!(!layout.fits(layout.capacity() + 1));
            }
        }
    }
}
