//! Memory: pages being sent hold their share of what there is, and what was freed goes back to the system.

use bytes::Bytes;

use crate::shares::Share;

/// Pages with their share of the memory, which is given back when the last reference goes.
struct Shared {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Pages that hold their share until they were sent.
pub(crate) fn with_share(bytes: Bytes, share: Share) -> Bytes {
    Bytes::from_owner(Shared {
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
