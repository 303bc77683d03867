//! How the allocator treats the memory of bulk data.
#![allow(unsafe_code)]

/// Freed memory at the end of the heap is kept up to this size, in bytes.
const TRIM_BYTES: libc::c_int = 128 << 20;
/// Smaller allocations come from the heap, in bytes; the largest value that glibc takes.
const MMAP_BYTES: libc::c_int = 32 << 20;

/// For programs that move blocks: without this, memory of megabytes goes back to the kernel whenever
/// it is freed, and comes back one page fault at a time, which costs a quarter of the CPU time of a
/// transfer. Returns whether the allocator agreed.
pub fn keep_freed_memory() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, locks for itself, and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_BYTES) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_BYTES) == 1
    }
    #[cfg(not(target_env = "gnu"))]
    {
        let _ = (TRIM_BYTES, MMAP_BYTES);
        false
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_env = "gnu")]
    fn the_allocator_agrees() {
        assert!(super::keep_freed_memory());
    }
}
