//! A deliberate bug, to see that `chaos/harness` sees it. Never in a program that is shipped.

use std::sync::atomic::{AtomicBool, Ordering};

static UNVERIFIED: AtomicBool = AtomicBool::new(false);

/// From now on the readers of this process take every page for good.
pub fn believe_every_page() {
    UNVERIFIED.store(true, Ordering::SeqCst);
}

pub(crate) fn believes_every_page() -> bool {
    UNVERIFIED.load(Ordering::SeqCst)
}
