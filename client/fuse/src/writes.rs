//! All files that are open for writing, and replacements that are about to be opened.
//!
//! A *grant* belongs to a thread that opens an existing file in order to replace it. The kernel knows the new file
//! by its own inode number only after a lookup, so the open is answered with `ESTALE`: the kernel repeats the
//! whole path walk within the same system call, the granted thread finds the new file at the place, everybody
//! else still the old one.
//!
//! **Invariant:** a grant ends with the open it was made for, with the next request of that thread that does not fit, or
//! after [`GRANT_MAX`]; then its transient file is given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eggs_proto::InodeId;

use crate::lock::lock;
use crate::place::Place;
use crate::write_file::WriteFile;

/// How long the kernel may take between the two halves of an open.
pub const GRANT_MAX: Duration = Duration::from_secs(10);

/// The files being written.
#[derive(Default)]
pub struct Writes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    files: HashMap<InodeId, Arc<WriteFile>>,
    grants: HashMap<u32, Grant>,
}

/// A thread may open a replacement.
#[derive(Clone)]
pub struct Grant {
    /// What it tried to open.
    pub replaced: InodeId,
    /// What it will find instead.
    pub file: Arc<WriteFile>,
}

impl Writes {
    /// A file begins.
    pub fn add(&self, file: &Arc<WriteFile>) {
        lock(&self.0).files.insert(file.node, file.clone());
    }

    /// A file ends.
    pub fn remove(&self, file: &Arc<WriteFile>) {
        lock(&self.0).files.remove(&file.node);
    }

    /// The file that the kernel knows by this number.
    pub fn get(&self, node: InodeId) -> Option<Arc<WriteFile>> {
        lock(&self.0).files.get(&node).cloned()
    }

    /// Number of files open for writing.
    pub fn len(&self) -> usize {
        lock(&self.0).files.len()
    }

    /// Whether nothing is being written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Files open for writing whose name this is.
    pub fn at(&self, place: &Place) -> Vec<Arc<WriteFile>> {
        self.matching(|file| file.place() == *place)
    }

    /// Unpublished files of a directory.
    pub fn pending_in(&self, dir: InodeId) -> Vec<Arc<WriteFile>> {
        self.matching(|file| file.is_open() && file.is_pending() && file.place().dir == dir)
    }

    /// The unpublished file that was opened under this name.
    pub fn pending_at(&self, place: &Place) -> Option<Arc<WriteFile>> {
        let mut pending =
            self.matching(|file| file.is_open() && file.is_pending() && file.place() == *place);
        pending.pop()
    }

    fn matching(&self, wanted: impl Fn(&WriteFile) -> bool) -> Vec<Arc<WriteFile>> {
        let inner = lock(&self.0);
        inner
            .files
            .values()
            .filter(|file| wanted(file))
            .cloned()
            .collect()
    }

    /// Gives a thread a grant; returns the one it had.
    pub fn grant(&self, thread: u32, grant: Grant) -> Option<Grant> {
        lock(&self.0).grants.insert(thread, grant)
    }

    /// The grant of a thread.
    pub fn granted(&self, thread: u32) -> Option<Grant> {
        lock(&self.0).grants.get(&thread).cloned()
    }

    /// Ends the grant of a thread, if it is for this file.
    pub fn end_grant(&self, thread: u32, file: &Arc<WriteFile>) {
        let mut inner = lock(&self.0);
        if let Some(grant) = inner.grants.get(&thread)
            && Arc::ptr_eq(&grant.file, file)
        {
            inner.grants.remove(&thread);
        }
    }
}
