//! Reading files.

mod latencies;
mod reader;

pub(crate) use latencies::Latencies;
pub use reader::FileReader;

/// Unit of reading ahead, in bytes.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;
