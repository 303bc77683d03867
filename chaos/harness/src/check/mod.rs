//! Judges a history. Pure: the same history always gets the same verdict.
//!
//! All workloads are made so that their histories fall apart into small ones of single things (a register, a name, a
//! token, a tree), because a history is linearizable exactly if those of its single objects are (Herlihy and Wing,
//! "Linearizability", 1990). Each is searched for an order of events by [`linear`]. The last reads of a run, when
//! everything is healed, are part of the history like any other, so that an acknowledged change that was lost, or
//! something that came from nowhere, has no such order.

mod element;
mod explain;
mod judge;
pub mod linear;
mod register;
mod token;
mod tree;
mod verdict;

pub use judge::judge;
pub use verdict::{Finding, Outcome, Verdict};
