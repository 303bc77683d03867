//! Block services in this process, and the program.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod program;
mod support;

mod hanging;
mod memory;
mod process;
mod reports;
mod service;
