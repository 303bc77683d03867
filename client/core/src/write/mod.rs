//! Writing files.

mod writer;

pub use writer::{FileWriter, Linked};

/// Unit in which the memory of writers is counted, in bytes.
pub(crate) const UNIT_BYTES: usize = 1 << 20;
