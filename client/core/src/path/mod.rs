//! Paths: `/`-separated names from the root, as programs write them.

mod resolve;
mod resolve_old;
mod walk;

pub use resolve::{FollowLast, NewEntry, Resolved};
pub use resolve_old::{OldEntry, Versions};
