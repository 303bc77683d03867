//! Both ends of connections.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

mod begun;
mod breakage;
mod calls;
mod hostile;
