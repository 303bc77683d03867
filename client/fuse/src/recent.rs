//! What a lookup found, for the question that follows it.
//!
//! With no caching allowed, the kernel asks for the attributes of what it has just looked up once more, within the same
//! system call. The answer to the lookup answers that as well: it was given after the call began. Two calls of one
//! thread within [`AGE_MAX`], a lookup alone and then a stat, cannot be told from that: the second may then miss a
//! change made by somebody else in between (`docs/semantics.md`, V6).
//!
//! **Invariant:** an answer is used at most once, by the thread that made the lookup, within [`AGE_MAX`], and not
//! after that thread has asked for anything else, in particular for a change.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use eggs_proto::{Attributes, InodeId};

use crate::lock::lock;

/// Longest time between the two questions of one system call.
const AGE_MAX: Duration = Duration::from_millis(2);
/// Threads remembered; with more, all are forgotten, which costs them one question each.
const THREADS_MAX: usize = 4096;

/// The latest lookup of each thread.
#[derive(Default)]
pub struct Recent(Mutex<HashMap<u32, (Attributes, Instant)>>);

impl Recent {
    /// A thread was told these attributes.
    pub fn put(&self, thread: u32, attributes: Attributes) {
        let mut recent = lock(&self.0);
        if recent.len() >= THREADS_MAX {
            recent.clear();
        }
        recent.insert(thread, (attributes, Instant::now()));
    }

    /// What the thread was just told about this inode.
    pub fn take(&self, thread: u32, inode: InodeId) -> Option<Attributes> {
        let (attributes, when) = lock(&self.0).remove(&thread)?;
        (attributes.inode == inode && when.elapsed() < AGE_MAX).then_some(attributes)
    }

    /// The system call of the lookup went on to something else.
    pub fn forget(&self, thread: u32) {
        lock(&self.0).remove(&thread);
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{FileTime, InodeKind, ShardId};

    use super::*;

    #[test]
    fn an_answer_is_for_one_thread_one_inode_and_one_question() {
        let inode = |n| InodeId::new(InodeKind::File, ShardId(0), n);
        let attributes = Attributes {
            inode: inode(1),
            size: 0,
            physical_bytes: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: FileTime(0),
            ctime: FileTime(0),
            atime: FileTime(0),
            created: FileTime(0),
        };
        let recent = Recent::default();
        recent.put(7, attributes);
        assert_eq!(recent.take(8, inode(1)), None);
        recent.put(7, attributes);
        assert_eq!(recent.take(7, inode(2)), None, "another inode");
        assert_eq!(
            recent.take(7, inode(1)),
            None,
            "something else came between"
        );
        recent.put(7, attributes);
        std::thread::sleep(AGE_MAX);
        assert_eq!(recent.take(7, inode(1)), None, "too old");
        recent.put(7, attributes);
        recent.forget(7);
        assert_eq!(recent.take(7, inode(1)), None, "opened");
    }
}
