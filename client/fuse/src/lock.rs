//! Locks that are only held for a few instructions.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What our locks guard is consistent after every statement, so a panic elsewhere does not spoil it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
