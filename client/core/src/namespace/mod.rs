//! Names: one operation per file.

mod attributes;
mod directory;
mod extents;
mod listing;
mod lookup;
mod policy;
mod rename;
mod snapshots;
mod statistics;
mod symlink;
mod unlink;

pub use listing::Page;
pub(crate) use policy::PolicyCache;
pub use rename::RenameEntry;
pub use snapshots::SnapshotPage;
pub(crate) use statistics::StatisticsCache;
pub use statistics::{ClassStatistics, Statistics};
