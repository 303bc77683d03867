//! What to collect and when. Pure: no clock, no network.

mod healing;
mod pace;
mod reported;
mod snapshots;
mod visit;

pub use healing::{abandoned, blocks_of, found_under, lost_blocks, next_batch};
pub use pace::{Pace, PassFacts};
pub use reported::{ReportedExtent, Tried};
pub use snapshots::{DueSnapshot, How, SnapshotPlan, own_snapshot_policy};
pub use visit::{ShardMemory, Wanted};
