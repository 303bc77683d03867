//! Logs and HTTP as others see them.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod http;
mod log;
