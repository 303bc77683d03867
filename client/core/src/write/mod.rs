//! Writing files: a stream of bytes becomes extents while it grows, and a file when it is linked.
//!
//! The writer gathers bytes up to the largest extent of the policy. A task of its own, the pump, turns each
//! piece into blocks, asks the shard for places in order, and lets up to two pieces be stored at once. The first
//! request for places also makes the file; each later one takes proofs of an extent before it along, and the link
//! those of the last ones: a file costs one metadata request for each extent and one more.
//!
//! **Invariant:** extents of one file are added in order, by one task.
//!
//! **Invariant:** a transient file is either linked or scrapped: dropping the writer scraps it.

mod avoid;
mod chunks;
mod encode;
mod field;
mod link;
mod piece;
mod pump;
mod reserves;
mod rope;
mod spare;
mod store_blocks;
mod sync;
mod tail;
mod transient;
mod worker;
mod write_block;
mod writer;

pub(crate) use chunks::Chunks;
pub use link::Linked;
pub(crate) use reserves::Reserves;
pub(crate) use write_block::write_block;
pub use writer::FileWriter;
