//! Memory: pages being sent are bounded, and what was freed goes back to the system.

use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::{PAGE_BYTES, PAYLOAD_BYTES_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bound on the bytes that have been read from disks and not yet been sent.
#[derive(Clone, Debug)]
pub(crate) struct PageBudget(Arc<Semaphore>);

/// Pages with their share of the budget, which is given back when the last reference goes.
struct Budgeted {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Budgeted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PageBudget {
    /// At least one block must fit, or large reads would wait for ever.
    pub fn new(bytes: usize) -> Self {
        let pages = bytes.max(PAYLOAD_BYTES_MAX as usize) / PAGE_BYTES;
        Self(Arc::new(Semaphore::new(pages)))
    }

    /// Waits until `pages` pages may be read; `None` for more than ever fit.
    pub async fn take(&self, pages: u32) -> Option<OwnedSemaphorePermit> {
        if pages as usize > PAYLOAD_BYTES_MAX as usize / PAGE_BYTES {
            return None;
        }
        self.0.clone().acquire_many_owned(pages).await.ok()
    }
}

/// Pages that hold their share of the budget until they were sent.
pub(crate) fn budgeted(bytes: Bytes, share: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(Budgeted {
        bytes,
        _share: share,
    })
}

/// Bounds what the allocator keeps: by default every thread gets an arena of its own, and megabytes
/// go back to the system whenever they are freed, which costs a page fault each when they come again.
pub(crate) fn tune_allocator() {
    allocator::tune();
}

/// Gives what is free back to the system; for when nothing is going on.
pub(crate) fn give_back() {
    allocator::give_back();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
mod allocator {
    pub fn tune() {
        // SAFETY: mallopt takes two integers, locks for itself, and may be called at any time.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 2);
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 32 << 20);
        }
    }

    pub fn give_back() {
        // SAFETY: malloc_trim locks for itself and may be called at any time.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Other allocators are left alone.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod allocator {
    pub fn tune() {}
    pub fn give_back() {}
}
