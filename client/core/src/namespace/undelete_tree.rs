//! Bringing whole trees back.
//!
//! A removed directory has no entries, only old versions: what was in it comes back after it did. Of each name that is
//! free the newest version that can come back does. Directories are taken from a stack, the names of one of them many at
//! a time; what fails is reported and the rest goes on.
//!
//! **Invariant:** nothing that has a name now is replaced.

use std::collections::BTreeMap;

use eggs_proto::shard::{DirectoryCursor, Replace, Snapshot, SnapshotKey};
use eggs_proto::{InodeId, LIST_ENTRIES_MAX, Name, Time};
use futures::stream::{self, StreamExt as _};

use super::history::is_kept;
use crate::client::Client;
use crate::error::ClientError;

/// Names brought back at the same time.
const IN_FLIGHT: usize = 32;

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Bring it back.
    Do,
    /// Only tell what would be.
    Plan,
}

/// One thing that comes back, or was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeleted {
    /// Below the directory in which the walk began, without a leading `/`.
    pub path: Vec<u8>,
    /// Which version.
    pub version: Snapshot,
    /// What came of it.
    pub outcome: Result<(), ClientError>,
}

/// What of a tree comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// Only what was deleted at this time or later.
    pub deleted_after: Option<Time>,
    /// Whether anything is changed.
    pub intent: Intent,
}

/// A directory to be looked into.
struct Todo {
    dir: InodeId,
    path: Vec<u8>,
}

/// What a directory holds.
#[derive(Default)]
struct Inside {
    /// The newest version of each name that is free, in order of (hash, name).
    versions: Vec<Snapshot>,
    /// Directories that are there.
    directories: Vec<(Name, InodeId)>,
}

impl Client {
    /// Brings back what was in a directory, and in the directories in it, removed or not. Each thing is told to
    /// `tell`; the error is that of a directory that could not be looked into.
    pub async fn undelete_tree(
        &self,
        dir: InodeId,
        options: TreeOptions,
        mut tell: impl FnMut(Undeleted),
    ) -> Result<(), ClientError> {
        let path = Vec::new();
        let mut todo = vec![Todo { dir, path }];
        let mut failed = Ok(());
        while let Some(Todo { dir, path }) = todo.pop() {
            let inside = match self.inside(dir, options.deleted_after).await {
                Ok(inside) => inside,
                Err(error) => {
                    failed = Err(error);
                    continue;
                }
            };
            todo.extend(inside.directories.into_iter().map(|(name, dir)| Todo {
                dir,
                path: join(&path, &name),
            }));
            let each = inside.versions.into_iter().map(|version| async {
                let outcome = match options.intent {
                    Intent::Plan => Ok(()),
                    Intent::Do => {
                        let name = version.key.name.clone();
                        self.undelete(dir, &version, &name, Replace::Never).await
                    }
                };
                (version, outcome)
            });
            let mut done = stream::iter(each).buffer_unordered(IN_FLIGHT);
            while let Some((version, outcome)) = done.next().await {
                let path = join(&path, &version.key.name);
                if outcome.is_ok() && version.inode.is_directory() {
                    let (dir, path) = (version.inode, path.clone());
                    todo.push(Todo { dir, path });
                }
                tell(Undeleted {
                    path,
                    version,
                    outcome,
                });
            }
        }
        failed
    }

    async fn inside(&self, dir: InodeId, since: Option<Time>) -> Result<Inside, ClientError> {
        let mut inside = Inside::default();
        let mut names: BTreeMap<Name, InodeId> = BTreeMap::new();
        let mut after: Option<DirectoryCursor> = None;
        loop {
            let page = self.list(dir, after, LIST_ENTRIES_MAX).await?;
            after = page.cursor();
            let entries = page.entries.into_iter();
            names.extend(entries.map(|entry| (entry.name, entry.dentry.inode)));
            if !page.more || after.is_none() {
                break;
            }
        }
        let mut after: Option<SnapshotKey> = None;
        loop {
            let page = self.snapshots(dir, after, LIST_ENTRIES_MAX).await?;
            after = page.snapshots.last().map(|last| last.key.clone());
            for version in page.snapshots {
                let wanted = since.is_none_or(|since| version.removed >= since);
                if !wanted || !is_kept(&version) || names.contains_key(&version.key.name) {
                    continue;
                }
                match inside.versions.last_mut() {
                    // Versions of one name come together, the newest last.
                    Some(older) if older.key.name == version.key.name => *older = version,
                    Some(_) | None => inside.versions.push(version),
                }
            }
            if !page.more || after.is_none() {
                break;
            }
        }
        let directories = names.into_iter().filter(|(_, inode)| inode.is_directory());
        inside.directories = directories.collect();
        Ok(inside)
    }
}

fn join(path: &[u8], name: &Name) -> Vec<u8> {
    let mut joined = path.to_vec();
    if !joined.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name.as_bytes());
    joined
}
