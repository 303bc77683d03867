//! Deliberate bugs in real processes, to see that `chaos/harness` sees them. Never in a program that is shipped.

use std::sync::OnceLock;

pub use crate::kv::Bug;

static PLANTED: OnceLock<Bug> = OnceLock::new();

/// Plants a bug in this process, for good. The first one counts.
pub fn plant(bug: Bug) {
    let _ = PLANTED.set(bug); // one is enough
}

#[cfg(not(feature = "sim"))]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}
