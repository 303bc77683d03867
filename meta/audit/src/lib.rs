//! What must be true across pages, shards and the coordinator.
//!
//! Shards and the CDC check page by page what each can see (`meta/shard/src/invariants/`, `meta/cdc/src/invariants.rs`)
//! and list names, inodes, locks and parents. Here these are joined: within one shard ([`ShardJoin`]), and then between
//! all of them ([`Join`]).
//!
//! In a cluster in use the parts are of different moments, so that a join finds *suspects*. What belongs to a
//! transaction under way is left out; the rest counts only if several looks at the whole cluster find exactly the same,
//! with the same names given at the same times and the same traces of names that were moved away ([`Suspects`]):
//! whatever moves leaves other evidence each time.
//!
//! **Invariant:** in a cluster without violations, whatever it is doing, no suspect is ever confirmed, except if a
//! file is renamed between all the looks and the collector removes every trace of it at once.
//!
//! Pure: who fetches the parts, and when, is decided elsewhere.

mod join;
mod shard_join;
mod suspects;

pub use join::Join;
pub use shard_join::{Remainder, ShardJoin};
pub use suspects::{LOOKS, Suspects};

#[cfg(test)]
mod tests;
