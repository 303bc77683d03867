//! Reading a directory piece by piece, in constant memory.
//!
//! The offset of an entry is the hash of its name, so that it stays valid while entries come and go; 1 and 2 stand
//! for `.` and `..`. Names with equal hashes are told apart by what the handle remembers.

use std::collections::VecDeque;

use eggs_proto::shard::{DirectoryCursor, ListEntry};
use eggs_proto::{InodeId, NameHash};

use crate::backend::{Backend, Detail, ListFrom};
use crate::errno::Outcome;

/// Entries fetched at once.
const FETCH: u32 = 1000;
/// Offset after `.`.
const AFTER_DOT: u64 = 1;
/// Offset after `..`.
const AFTER_DOTS: u64 = 2;

/// An open directory.
pub struct OpenDirectory {
    /// Which.
    pub dir: InodeId,
    /// What `..` shows.
    pub parent: InodeId,
    cursor: tokio::sync::Mutex<Cursor>,
}

#[derive(Default)]
struct Cursor {
    /// Offset of the entry before the first buffered one.
    position: u64,
    buffered: VecDeque<ListEntry>,
    detail: Option<Detail>,
    /// Where to fetch on.
    after: Option<DirectoryCursor>,
    finished: bool,
}

/// An entry for the kernel.
pub enum Item<'a> {
    /// `.`
    Dot(InodeId),
    /// `..`
    Dots(InodeId),
    /// Any other.
    Entry(&'a ListEntry),
}

impl OpenDirectory {
    /// Opens a directory.
    pub fn new(dir: InodeId, parent: InodeId) -> Self {
        Self {
            dir,
            parent,
            cursor: tokio::sync::Mutex::default(),
        }
    }

    /// Hands out entries after `offset`, each with its own offset, until `take` refuses one.
    pub async fn read(
        &self,
        backend: &dyn Backend,
        detail: Detail,
        offset: u64,
        mut take: impl FnMut(u64, Item<'_>) -> Taken + Send,
    ) -> Outcome<()> {
        let mut cursor = self.cursor.lock().await;
        let mut offset = offset;
        if offset == 0 {
            if take(AFTER_DOT, Item::Dot(self.dir)) == Taken::No {
                return Ok(());
            }
            offset = AFTER_DOT;
        }
        if offset == AFTER_DOT {
            if take(AFTER_DOTS, Item::Dots(self.parent)) == Taken::No {
                return Ok(());
            }
            offset = AFTER_DOTS;
            cursor.seek(offset, detail); // also after rewinddir: what is buffered is old
        }
        if cursor.position != offset || cursor.detail != Some(detail) {
            cursor.seek(offset, detail);
        }
        loop {
            while let Some(entry) = cursor.buffered.front() {
                let next = offset_of(entry);
                if take(next, Item::Entry(entry)) == Taken::No {
                    return Ok(());
                }
                cursor.position = next;
                cursor.buffered.pop_front();
            }
            if cursor.finished {
                return Ok(());
            }
            cursor.fetch(backend, self.dir, detail).await?;
        }
    }
}

/// Whether an entry fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// It did not.
    No,
}

impl Cursor {
    fn seek(&mut self, offset: u64, detail: Detail) {
        let from_hash = |hash| DirectoryCursor {
            hash: NameHash(hash),
            name: None,
        };
        *self = Self {
            position: offset,
            detail: Some(detail),
            after: (offset > AFTER_DOTS).then(|| from_hash(offset + 1)),
            ..Self::default()
        };
    }

    async fn fetch(&mut self, backend: &dyn Backend, dir: InodeId, detail: Detail) -> Outcome<()> {
        let from = ListFrom {
            dir,
            after: self.after.clone(),
            limit: FETCH,
            detail,
        };
        let listing = backend.list(from).await?;
        if let Some(last) = listing.entries.last() {
            self.after = Some(DirectoryCursor {
                hash: last.hash,
                name: Some(last.name.clone()),
            });
        } else if listing.more {
            // Everything listed was gone a moment later; names alone are not looked at twice.
            return Box::pin(self.fetch(backend, dir, Detail::Names)).await;
        }
        self.finished = !listing.more;
        self.buffered = listing.entries.into();
        Ok(())
    }
}

/// Two hashes of 2^63 would collide with the reserved offsets.
fn offset_of(entry: &ListEntry) -> u64 {
    entry.hash.0.max(AFTER_DOTS + 1)
}
