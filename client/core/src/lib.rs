//! The client library: a file system of names, immutable files and policies, as a program sees it.
//!
//! [`Client`] finds the servers through the registry, asks the right group and repeats what got no answer.
//! [`FileReader`] reads any range of a file and verifies every byte; [`FileWriter`] streams a new file that
//! becomes visible whole when it is linked.
//!
//! **Invariant:** no byte is returned that was not verified against its page checksum, or decoded from pages
//! that were.
//!
//! **Invariant:** no operation waits longer than the client's time-out.
//!
//! **Invariant:** a change is sent with one request id until its answer is known, so it happens at most once.

#[cfg(feature = "bugs")]
pub mod bugs;
mod cache;
mod client;
mod config;
pub mod credentials;
mod deadline;
mod error;
mod fsck;
mod group_call;
mod heal;
mod lately;
mod map_cache;
mod namespace;
mod path;
mod raw;
mod read;
mod read_from;
mod reports;
mod routing;
mod shunned;
mod size;
mod suspects;
mod write;

/// Whether deliberate bugs can be planted in this build: the programs that are shipped refuse to be built so.
pub const BUGS: bool = cfg!(feature = "bugs");

pub use cache::{CacheError, CacheStatistics, ReadCache};
pub use client::Client;
pub use config::ClientConfig;
pub use error::{ClientError, ClosedReason};
pub use fsck::{Checked, FsckReport, FsckScope};
pub use heal::Healed;
pub use namespace::{
    ClassStatistics, Intent, Page, RenameEntry, SnapshotPage, Statistics, TreeOptions, Undeleted,
};
pub use path::{FollowLast, NewEntry, OldEntry, Resolved, Versions};
pub use raw::Health;
pub use read::{FileReader, RebuiltBlock};
pub use read_from::{NotAReplica, ReadFrom};
pub use size::parse_size;
pub use write::{FileWriter, Linked};
