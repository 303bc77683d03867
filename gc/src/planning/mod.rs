//! What to collect and when. Pure: no clock, no network.

mod pace;
mod snapshots;
mod visit;

pub use pace::{Pace, PassFacts};
pub use snapshots::{DueSnapshot, How, SnapshotPlan, own_snapshot_policy};
pub use visit::{ShardMemory, Wanted};
