//! A cache of file content on a local disk, for programs that read the same content again after it has left memory, or in
//! another life.
//!
//! Content never changes, so nothing is ever invalidated: what is kept is named by the content of its extent
//! ([`key`]), whichever file system, or restored copy of one, it comes from. [`index`] decides what is kept, [`format`] says how, [`store`]
//! reads and writes, [`directory`] sees to it that a directory has one user, [`read_cache`] puts it together.
//!
//! **Invariant:** every page that comes out has the checksum that was computed when it was put in, seeded with its name: a file that is
//! torn, rotten, cut off or somebody else's is a miss, never a wrong byte. Nothing is ever synced.
//!
//! **Invariant:** the cache fails to the side: what cannot be written is dropped, what cannot be read soon is read from the
//! cluster, and after a failure it is left alone for a while.
//!
//! **Invariant:** the file, memory, and what waits to be written are bounded.

mod directory;
mod format;
mod index;
mod key;
mod read_cache;
mod statistics;
mod store;

pub use directory::CacheError;
pub(crate) use key::ContentKey;
pub use read_cache::ReadCache;
pub use statistics::CacheStatistics;
