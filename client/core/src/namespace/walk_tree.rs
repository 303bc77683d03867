//! Going over everything below a directory.

use std::collections::VecDeque;

use eggs_proto::shard::{DirectoryCursor, ListEntry};
use eggs_proto::{DEPTH_MAX, InodeId};

use crate::client::Client;
use crate::error::ClientError;

/// Entries per request, and in memory for each directory on the way down.
const PAGE: u32 = 256;

/// Something below the directory of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path from there, names joined by `/`.
    pub path: Vec<u8>,
    /// Its name and what it stands for; attributes are there where they cost no request.
    pub entry: ListEntry,
}

/// A walk over everything below a directory: each directory before what is in it.
///
/// Memory: a page of entries for each directory on the way down. Symlinks are not followed. What is made, moved or removed meanwhile
/// may be met or not, and what is moved, twice.
pub struct TreeWalk {
    client: Client,
    /// The directories on the way down.
    levels: Vec<Level>,
}

struct Level {
    dir: InodeId,
    path: Vec<u8>,
    page: VecDeque<ListEntry>,
    /// Where to go on; `None` when all was listed.
    next: Option<Option<DirectoryCursor>>,
}

impl Level {
    const fn of(dir: InodeId, path: Vec<u8>) -> Self {
        Self {
            dir,
            path,
            page: VecDeque::new(),
            next: Some(None),
        }
    }

    fn path_of(&self, entry: &ListEntry) -> Vec<u8> {
        let name = entry.name.as_bytes();
        match self.path.is_empty() {
            true => name.to_vec(),
            false => [&self.path[..], b"/", name].concat(),
        }
    }
}

impl Client {
    /// Begins a walk over everything below a directory. No request is made before [`TreeWalk::next`].
    pub fn walk_tree(&self, dir: InodeId) -> TreeWalk {
        TreeWalk {
            client: self.clone(),
            levels: vec![Level::of(dir, Vec::new())],
        }
    }
}

impl TreeWalk {
    /// The next entry; `None` at the end. May be called again after an error, and after its future was dropped: nothing
    /// is left out.
    pub async fn next(&mut self) -> Result<Option<TreeEntry>, ClientError> {
        while let Some(level) = self.levels.last_mut() {
            if let Some(entry) = level.page.pop_front() {
                let path = level.path_of(&entry);
                let dir = entry.dentry.inode;
                if dir.is_directory() && self.levels.len() < DEPTH_MAX {
                    self.levels.push(Level::of(dir, path.clone()));
                }
                return Ok(Some(TreeEntry { path, entry }));
            }
            let Some(after) = level.next.clone() else {
                self.levels.pop();
                continue;
            };
            let is_top = level.path.is_empty();
            match self.client.list(level.dir, after, PAGE).await {
                Ok(page) => {
                    level.next = page.cursor().filter(|_| page.more).map(Some);
                    level.page = page.entries.into();
                }
                // It was removed since its name was read.
                Err(error) if error.is_not_found() && !is_top => level.next = None,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Leaves out what is in the directory that was met last.
    pub fn skip(&mut self) {
        if self.levels.len() > 1
            && let Some(level) = self.levels.last()
            && level.page.is_empty()
            && level.next == Some(None)
        {
            self.levels.pop();
        }
    }
}
