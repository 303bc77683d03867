//! Small files and directories that survive a power cut.
//!
//! An fsync of a file is one of its content, not of its name: that is in its directory, whose name is in another one. Journals
//! mostly keep all of them together; nobody promises that they do.
//!
//! Synchronous: who calls from async code does it where blocking is allowed.

mod directory;
mod whole_file;

pub use directory::{make_directory, sync_directory};
pub use whole_file::WholeFile;
