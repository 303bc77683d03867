//! The library against a cluster in this process: real connections, real shard machines in memory, real disks in
//! a temporary directory. Groups are not replicated: a leader is whoever the test says.

#![allow(clippy::unwrap_used)] // a test: what cannot be had fails it

mod blocks;
mod cluster;
mod coordinator;
mod node;
mod shards;

mod cache;
mod content;
mod documented;
mod failures;
mod healing;
mod hedging;
mod locked;
mod names;
mod once;
mod reports;
mod requests;
mod senders;
mod undelete;
mod writers;
