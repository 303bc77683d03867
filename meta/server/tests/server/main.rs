//! Three servers in this process.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod cluster;

mod coordinator;
mod shards;
mod trees;
