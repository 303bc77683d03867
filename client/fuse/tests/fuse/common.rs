//! A cluster in memory, and a mount of it.

mod fake;
mod mounted;

pub use fake::{Fake, Fault};
pub use mounted::{Mounted, Options};
