//! Names to attributes.

use eggs_proto::{Attributes, InodeId};

use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::lock::lock;
use crate::place::Place;

/// Attributes, and whether the kernel may use them for a while.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The attributes.
    pub attributes: Attributes,
    /// Whether they are of a file that is not published yet, which changes with every write.
    pub pending: bool,
}

impl Seen {
    /// Of something published.
    pub const fn published(attributes: Attributes) -> Self {
        Self {
            attributes,
            pending: false,
        }
    }

    /// Of something being written.
    pub const fn pending(attributes: Attributes) -> Self {
        Self {
            attributes,
            pending: true,
        }
    }
}

impl FileSystem {
    /// What has a name. A published file wins over one that is being written under the same name.
    pub async fn lookup(&self, caller: Caller, place: Place) -> Outcome<Seen> {
        let seen = self.find(caller, &place).await?;
        lock(&self.names).looked_up(place, seen.attributes.inode);
        if self.settings.cache.is_zero() && !seen.pending {
            self.recent.put(caller.pid, seen.attributes);
        }
        Ok(seen)
    }

    async fn find(&self, caller: Caller, place: &Place) -> Outcome<Seen> {
        if let Some(grant) = self.writes.granted(caller.pid)
            && grant.file.place() == *place
        {
            return Ok(Seen::pending(grant.file.attributes()));
        }
        let written_here = !self.writes.at(place).is_empty();
        match self.backend.lookup(place).await {
            Ok(attributes) => Ok(Seen::published(attributes)),
            Err(Errno::NOENT) => match self.writes.pending_at(place) {
                Some(file) => Ok(Seen::pending(file.attributes())),
                // It may have been published in between.
                None if written_here => self.backend.lookup(place).await.map(Seen::published),
                None => Err(Errno::NOENT),
            },
            Err(errno) => Err(errno),
        }
    }

    /// Attributes of an inode, perhaps those that the same thread has just been told.
    pub async fn getattr_by(&self, caller: Caller, inode: InodeId) -> Outcome<Seen> {
        match self.recent.take(caller.pid, inode) {
            Some(attributes) if self.writes.get(inode).is_none() => Ok(Seen::published(attributes)),
            Some(_) | None => self.getattr(inode).await,
        }
    }

    /// Attributes of an inode.
    pub async fn getattr(&self, inode: InodeId) -> Outcome<Seen> {
        let Some(file) = self.writes.get(inode) else {
            return self.backend.stat(inode).await.map(Seen::published);
        };
        match file.published() {
            None => Ok(Seen::pending(file.attributes())),
            Some(published) => {
                let mut attributes = self.backend.stat(published).await?;
                attributes.inode = inode;
                Ok(Seen::pending(attributes))
            }
        }
    }

    /// The kernel dropped references to an inode.
    pub fn forget(&self, inode: InodeId, lookups: u64) {
        lock(&self.names).forget(inode, lookups);
    }

    /// Target of a symlink.
    pub async fn read_link(&self, inode: InodeId) -> Outcome<Vec<u8>> {
        self.backend.read_link(inode).await
    }
}
