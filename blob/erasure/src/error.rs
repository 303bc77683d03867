//! What cannot be coded.

use eggs_proto::Scheme;

/// Wrong input; never a property of the bytes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// The scheme exceeds its limits.
    #[error("{0} is not an erasure scheme")]
    Scheme(Scheme),
    /// Not one buffer per cell.
    #[error("{given} buffers instead of {expected}")]
    Count {
        /// How many there were.
        given: usize,
        /// How many there should have been.
        expected: usize,
    },
    /// Buffers of one stripe have the same length.
    #[error("buffers of {one} and of {other} bytes in one stripe")]
    Length {
        /// Length of one of them.
        one: usize,
        /// Length of another one.
        other: usize,
    },
    /// A cell has a number outside of the scheme.
    #[error("there is no cell {0}")]
    Cell(usize),
    /// A cell was given twice.
    #[error("cell {0} was given twice")]
    Twice(usize),
    /// Fewer than `D` cells were given.
    #[error("{given} cells are too few to rebuild from: {needed} are needed")]
    TooFew {
        /// How many there were.
        given: usize,
        /// `D`.
        needed: usize,
    },
}
