//! The client library: a file system of names, immutable files and policies, as a program sees it.
//!
//! [`Client`] finds the servers through the registry, asks the right group and repeats what got no answer.
//! [`FileReader`] reads any range of a file and verifies every byte; [`FileWriter`] streams a new file that
//! becomes visible whole when it is linked.
//!
//! # Beginning
//!
//! ```no_run
//! # async fn begin() -> Result<(), Box<dyn std::error::Error>> {
//! use eggs_client::{Client, ClientConfig, FollowLast, credentials};
//! use eggs_rpc::{Credentials, PeerRole};
//!
//! let registry = "127.0.0.1:10001".parse()?;
//! let secret = credentials::default_secret_path(registry).ok_or("no home directory")?;
//! let credentials = Credentials::from_file(&secret, PeerRole::Client)?;
//! let client = Client::connect(ClientConfig::new(vec![registry], credentials, "example")).await?;
//! let found = client.resolve("/some/file", FollowLast::Yes).await?;
//! let reader = client.open(found.inode).await?;
//! let head = reader.read_at(0, 4096).await?;
//! # drop(head);
//! # Ok(())
//! # }
//! ```
//!
//! # Writing
//!
//! A file is appended to and becomes visible whole, under its name, when it is linked. Dropped before that, it never was.
//!
//! ```no_run
//! # async fn write(client: eggs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use eggs_proto::shard::Replace;
//! use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
//!
//! let attributes = NewAttributes { mode: 0o644, uid: 1000, gid: 1000, mtime: None, atime: None };
//! let mut writer = client.create(InodeId::ROOT, attributes, "greeting");
//! writer.write(b"hello").await?;
//! writer.link(&Name::new(b"greeting")?, Replace::Files, AttributeChange::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/tour.rs` is a whole program: directories, streams, listing, walking, renaming. It runs in the tests of this crate.
//!
//! # Time, and giving up
//!
//! Every operation ends within the time-out of its [`Client`], whatever dies; [`Client::with_timeout`] makes a client with another
//! one that shares all else. It is the time for one call, retries included: for one `read_at`, one `write`, one page of a listing, one piece of a stream. An operation
//! that does many of these, such as [`Client::fsck`] or [`Client::undelete_tree`], says so.
//!
//! Dropping the future of a call gives it up. A query is gone; a change may happen or not, at most once, and what it left half
//! done is collected by the servers. A [`FileReader`] and a [`TreeWalk`] may be used again. A [`FileWriter`] has appended the
//! first part of the bytes then, `len` of them.
//!
//! # What is remembered
//!
//! `docs/semantics.md` has the rules of all caches: names and attributes are never remembered here, policies for a second, the cluster map for two;
//! content only ahead of a sequential reader, and on a local disk if there is a [`ReadCache`].
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
    ClassStatistics, Intent, Page, RenameEntry, SnapshotPage, Statistics, TreeEntry, TreeOptions,
    TreeWalk, Undeleted,
};
pub use path::{FollowLast, NewEntry, OldEntry, Resolved, Versions};
pub use raw::Health;
pub use read::{FileReader, RebuiltBlock};
pub use read_from::{NotAReplica, ReadFrom};
pub use size::parse_size;
pub use write::{FileWriter, Linked};
