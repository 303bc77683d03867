//! Reading files: only the pages needed, from all services involved at once, every page verified.
//!
//! A page that is missing, corrupt or late is decoded from the same page of `D` other blocks. What to fetch next
//! is decided by pure modules: [`plan`] (which pages of which blocks), [`race`] (what has arrived, what is late,
//! what is lost), [`readahead`] (how far ahead). `fetch` and `reader` only carry it out.
//!
//! Bytes are received where the reader wants them ([`slots`]), in memory that is used again ([`buffers`]). All that comes
//! from a block passes through [`page_store`], which verifies it.

mod assemble;
mod buffers;
mod cached;
mod decode;
mod fetch;
mod filling;
mod latencies;
mod layout;
mod page_range;
mod page_store;
mod plan;
mod race;
mod readahead;
mod reader;
mod rebuild;
mod segments;
mod slots;
mod stream;

pub(crate) use buffers::Buffers;
pub(crate) use fetch::may_pass;
pub(crate) use latencies::Latencies;
pub use reader::FileReader;
pub use rebuild::RebuiltBlock;
pub(crate) use segments::SHARE_BYTES;
