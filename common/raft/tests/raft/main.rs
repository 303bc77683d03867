//! Groups of replicas over real stores and connections, in this process. `tests/crash` is apart: it has other stores.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

mod backup;
mod certain_reads;
mod cluster;
mod follower_reads;
mod left;
mod members;
mod notices;
mod one_way;
mod power_cut;
mod rest;
