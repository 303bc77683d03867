//! Paths: `/`-separated names from the root, as programs write them.

mod resolve;
mod walk;

pub use resolve::{FollowLast, NewEntry, Resolved};
