//! What every store and every entry must do.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod entry;
mod store;
