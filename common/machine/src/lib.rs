//! What a replicated state machine is, and what it keeps its state in.
//!
//! The same machine code runs in tests over [`MemoryStore`] and in production over RocksDB, both behind
//! [`StoreRead`]; both are driven by [`apply_entry`], which adds what every group needs: log time that
//! never runs backwards, replies that a retry gets again, and refusals that leave no trace.

mod changes;
mod entry;
mod log_clock;
mod memo;
mod memory;
mod overlay;
mod replies;
mod row;
mod span;
mod store;
mod stored;
mod traits;

pub mod bugs;
pub mod conformance;
pub mod golden;

pub use changes::Changes;
pub use entry::{AppliedEntry, Command, CommandHeader, Entry, apply_entry};
pub use memory::MemoryStore;
pub use overlay::{Over, Overlay};
pub use replies::{REPLIES, REPLY_TABLES};
pub use row::Row;
pub use store::{Scan, ScanDirection, Store, StoreRead, Table, TableSpec, Visit};
pub use stored::{Stored, StoredCursor, StoredNumber, from_bytes, to_bytes};
pub use traits::{ApplyContext, Fault, Outcome, PutRow, RestoredRow, StateMachine};
