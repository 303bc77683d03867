//! A file system in memory that forgets what was not synced when its power is cut, for tests.
//!
//! It is mounted by FUSE, so that what is tested makes its ordinary system calls. Power is cut before any change one likes: a
//! write, a new name, an fsync. From then on every request that reaches it fails (what the kernel has cached can still be read), and what survives is drawn at random: of data that was not synced
//! any sectors, of names that were not synced any.
//!
//! **Invariant:** what an fsync promised survives, and nothing else is promised: an fsync of a file is one of its content, not of
//! its name, an fsync of a directory one of the names in it, not of what they name. Real file systems promise more (a
//! journal keeps the order of names, for one); whoever is right here is right on each of them. What a file system may do
//! about order after a crash: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
//!
//! Deliberately absent: links of several names, symlinks, permissions, times, and a limit of space.

mod content;
mod fate;
mod mounted;
mod names;
mod power;
mod skin;
mod tree;

pub use fate::{Fate, Survival};
pub use mounted::Mounted;
pub use power::Power;
pub use tree::Tree;
