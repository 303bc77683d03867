//! The reference file system: what EggsFS promises, written down as plainly as can be.
//!
//! No shards, no log, no blocks, no failures: ordered maps. A machine under test runs the same operations; its answers and
//! what can be seen of it must be those of the model. The model does not choose numbers: it is told the inodes
//! that the machine has chosen.
//!
//! **Invariant:** a linked file never changes, and is owned by exactly one name or old version.

mod directory;
mod file;
mod mode;
mod model;
mod totals;

pub use directory::{Directory, OldVersion};
pub use file::{File, Piece};
pub use mode::Mode;
pub use model::{Entry, Model};
