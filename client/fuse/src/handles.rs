//! Open files and directories by the number that the kernel carries for us.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::backend::Reader;
use crate::directory::OpenDirectory;
use crate::lock::lock;
use crate::write_file::WriteFile;

/// What is open.
#[derive(Clone)]
pub enum Handle {
    /// A published file.
    Read(Arc<dyn Reader>),
    /// A file being written.
    Write(Arc<WriteFile>),
    /// A directory.
    Directory(Arc<OpenDirectory>),
}

/// All handles.
#[derive(Default)]
pub struct Handles {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Handle>>,
}

impl Handles {
    /// Adds a handle and numbers it.
    pub fn add(&self, handle: Handle) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.open).insert(number, handle);
        number
    }

    /// The handle of a number.
    pub fn get(&self, number: u64) -> Option<Handle> {
        lock(&self.open).get(&number).cloned()
    }

    /// Ends a handle.
    pub fn remove(&self, number: u64) -> Option<Handle> {
        lock(&self.open).remove(&number)
    }
}
