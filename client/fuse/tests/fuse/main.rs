//! Real mounts over a fake backend.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

mod closing;
mod posix;
mod programs;
mod xattrs;
