//! Names: one operation per file.

mod attributes;
mod directory;
mod extents;
mod history;
mod listing;
mod lookup;
mod policy;
mod rename;
mod snapshots;
mod statistics;
mod symlink;
mod tree;
mod undelete;
mod undelete_tree;
mod unlink;
mod walk_tree;
mod xattr;

pub(crate) use history::{held_at, is_kept};
pub use listing::Page;
pub(crate) use policy::PolicyCache;
pub use rename::RenameEntry;
pub use snapshots::SnapshotPage;
pub(crate) use statistics::StatisticsCache;
pub use statistics::{ClassStatistics, Statistics};
pub use undelete_tree::{Intent, TreeOptions, Undeleted};
pub use walk_tree::{TreeEntry, TreeWalk};
