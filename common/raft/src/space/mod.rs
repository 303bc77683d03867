//! Space for metadata: watched, kept in reserve, and refused to what would use the last of it.
//!
//! A process looks at the disk of its directory ([`disk`]) and judges it ([`judge`], pure). A file of the size of the
//! reserve is given back when only it is left, so that deletes, collection and Raft's own log go on. Processes ask each
//! other how they are ([`watch`]); a group is as its majority is, so that one full disk of three stops nobody: its
//! process hands its groups over to others.
//!
//! **Invariant:** a group whose majority is short takes nothing that grows; one whose majority is not does.

mod board;
mod disk;
mod judge;
mod watch;

pub(crate) use board::Board;
pub(crate) use disk::make_room;
pub(crate) use watch::run;
