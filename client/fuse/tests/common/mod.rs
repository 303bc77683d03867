//! A cluster in memory, and a mount of it.

#![allow(dead_code)] // each test program uses a part

mod fake;
mod mounted;

pub use fake::{Fake, Fault};
pub use mounted::{Mounted, Options};
