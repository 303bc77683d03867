//! The contract: identifiers, time, limits, errors, messages and framing.
//!
//! Pure: no I/O, no clock, no randomness. Everything that crosses a process boundary or is
//! understood by more than one crate is defined here, once.

mod certificate;
mod checksum;
mod frame;
pub mod hello;
mod ids;
mod inode;
mod limits;
mod name;
mod time;

pub use certificate::{BlockFacts, MacTag, ServiceKey, Statement};
pub use checksum::Checksum;
pub use frame::{
    BadHeader, Direction, HEADER_BYTES, Header, MAGIC, MessageKind, PROTOCOL_VERSION,
    PROTOCOL_VERSION_MIN,
};
pub use ids::*;
pub use inode::{InodeId, InodeKind, NotAnInodeId};
pub use limits::*;
pub use name::{BadName, Name, NameHash};
pub use time::{FileTime, Time};
