//! A cluster in memory, and a mount of it.

#![allow(dead_code, unused_imports)] // each test program uses a part

mod fake;
mod mounted;

pub use fake::{Fake, Fault};
pub use mounted::{Mounted, Options};
