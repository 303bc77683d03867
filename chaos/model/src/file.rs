//! Files as sequences of pieces.

use eggs_proto::Checksum;

/// A part of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// That many zeros.
    Zeros(u64),
    /// Bytes that are stored in blocks; the checksums stand for them.
    Blocks {
        /// How many.
        size: u64,
        /// Of all blocks in order.
        checksums: Vec<Checksum>,
    },
}

/// A file or symlink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Being written: no name, and still growing.
    Transient {
        /// So far.
        content: Vec<Piece>,
        /// Offset of a piece whose blocks are not known to be written, the first one.
        unproved: Option<u64>,
    },
    /// Visible and immutable.
    Linked(Vec<Piece>),
    /// A symlink.
    Symlink(Vec<u8>),
}

impl Piece {
    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(size) | Self::Blocks { size, .. } => *size,
        }
    }
}

impl File {
    /// Bytes of the file, or of the symlink's target.
    pub fn size(&self) -> u64 {
        match self {
            Self::Transient { content, .. } | Self::Linked(content) => {
                content.iter().map(Piece::size).sum()
            }
            Self::Symlink(target) => target.len() as u64,
        }
    }
}
