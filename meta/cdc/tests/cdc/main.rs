//! The coordinator next to real shard machines.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod world;

mod chaos;
mod golden;
mod operations;
mod trees;
