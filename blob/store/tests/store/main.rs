//! Blocks on real disks.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

mod certificates;
mod damage;
mod failing_disk;
mod format;
mod full_disk;
mod label;
mod power;
mod reading;
