//! `eggsfuse`: EggsFS as a directory of this machine, for write-once files.
//!
//! The file system itself is [`FileSystem`], over a small [`backend::Backend`]; [`skin`] is the thin layer that
//! FUSE calls, and [`mount`] puts it into the directory tree.
//!
//! **Invariant:** content that was published never changes, so its pages stay in the kernel's cache for ever; content
//! that is not published never enters the cache of a published inode.
//!
//! **Invariant:** requests are marked in the order in which the kernel queued them: one thread reads them, notes what
//! later ones have to wait for, and hands everything else to tasks.
//!
//! # What a program sees
//!
//! - A file appears, whole, when its last descriptor is closed, and that close tells whether it worked. Who closes it and
//!   how is found out by [`process`]; [`publication`] decides.
//! - A file being written has its name within the same mount, so that its writer and the tools around it can `stat`,
//!   `chmod`, rename or remove it; others can replace it, but opening it to read gives EBUSY, and directory
//!   listings do not show it. Elsewhere it does not exist yet.
//! - While a file is being replaced (`O_TRUNC`), everybody sees the old one until the new one is published. Inside, the
//!   open is answered with `ESTALE` once, see [`writes`]; thus the new content has an inode of its own from
//!   the beginning, and no page, size or mapping of the old one is touched.
//! - An existing file that is not empty cannot be opened for writing without `O_TRUNC`: EROFS. That goes for programs that
//!   append to what exists (`>>`, reflogs of git) and for those that open first and truncate later (`truncate -s 0`,
//!   `sort -o` onto its input); `truncate(2)` to nothing replaces the file.
//! - A descriptor that a child inherited counts as open for writing until the child is known to be somebody else's, so
//!   `{ sleep 9 & } > f` makes `f` appear after 9 seconds, not before something may still be written.
//! - A write error (say ENOSPC) makes the last close fail too, and the file does not appear.
//! - Two clients that create the same name with `O_EXCL` may both succeed; the second one to close gets EEXIST.
//! - A file whose last writer was killed by a signal does not appear.

pub mod attr;
pub mod backend;
pub mod cache_metrics;
pub mod client_backend;
pub mod content;
pub mod directory;
pub mod errno;
pub mod file_system;
pub mod gates;
pub mod handles;
mod lock;
pub mod mount;
pub mod names;
mod ops;
pub mod place;
pub mod process;
pub mod publication;
mod recent;
pub mod skin;
pub mod spool;
pub mod write_file;
pub mod writes;
pub mod xattrs;

pub use errno::{Errno, Outcome};
pub use file_system::{Caller, FileSystem, Settings};
pub use ops::{Change, Ending, Opened, OpenedAs, Seen};
pub use place::Place;
