//! The metadata shard as a pure state machine (skeleton; operations follow).

mod command;
mod finish;
mod machine;
mod prepare;
mod query;

pub use command::{Prepared, ShardCommand};
pub use finish::finish;
pub use machine::{ShardMachine, TABLES};
pub use prepare::{PrepareContext, prepare};
pub use query::{QueryContext, query};
