//! Opening and creating files.

use std::sync::Arc;

use eggs_proto::shard::Replace;
use eggs_proto::{Attributes, InodeId, InodeKind, NewAttributes};

use crate::attr::now;
use crate::content::{Content, NewContent};
use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::handles::Handle;
use crate::lock::lock;
use crate::place::Place;
use crate::write_file::{Beginning, WriteFile, XattrsAt};
use crate::writes::{GRANT_MAX, Grant};
use crate::xattrs::Xattrs;

/// An open file.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Number of the handle.
    pub handle: u64,
    /// What kind of handle.
    pub kind: OpenedAs,
}

/// How the kernel should treat an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedAs {
    /// Content that never changes: the page cache may keep it.
    Immutable,
    /// The same, but pages of it from before it was published must go.
    Uncached,
    /// Being written: nothing goes through the page cache.
    Direct,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Read,
    Replace,
    Change,
}

fn intent(flags: i32) -> Intent {
    if flags & libc::O_TRUNC != 0 {
        Intent::Replace
    } else if flags & libc::O_ACCMODE == libc::O_RDONLY {
        Intent::Read
    } else {
        Intent::Change
    }
}

impl FileSystem {
    /// Opens an inode.
    pub async fn open(
        self: &Arc<Self>,
        who: Caller,
        inode: InodeId,
        flags: i32,
    ) -> Outcome<Opened> {
        if let Some(file) = self.writes.get(inode) {
            match file.published() {
                None => return self.open_pending(who, file, flags).await,
                Some(published) => return self.open_published(who, published, flags).await,
            }
        }
        self.open_published(who, inode, flags).await
    }

    async fn open_published(
        self: &Arc<Self>,
        who: Caller,
        inode: InodeId,
        flags: i32,
    ) -> Outcome<Opened> {
        match intent(flags) {
            Intent::Read => {
                let reader = self.backend.open(inode).await?;
                let kind = if self.take_unclean(inode) {
                    OpenedAs::Uncached
                } else {
                    OpenedAs::Immutable
                };
                let handle = self.handles.add(Handle::Read(reader));
                Ok(Opened { handle, kind })
            }
            Intent::Change if self.backend.stat(inode).await?.size > 0 => Err(Errno::ROFS),
            Intent::Change | Intent::Replace => self.begin_replacement(who, inode).await,
        }
    }

    /// The second half of a granted open, or another open by somebody who has the file open already, such as
    /// `/dev/stdout`. For all others a file being written cannot be read or changed, but replaced.
    async fn open_pending(
        self: &Arc<Self>,
        who: Caller,
        file: Arc<WriteFile>,
        flags: i32,
    ) -> Outcome<Opened> {
        let granted = self.writes.granted(who.pid);
        if granted.is_some_and(|grant| Arc::ptr_eq(&grant.file, &file)) {
            file.opened();
            self.writes.end_grant(who.pid, &file);
            return Ok(self.opened(file));
        }
        let what = intent(flags);
        if crate::process::holds(who.pid, file.node) {
            file.opened();
            if what == Intent::Replace {
                file.truncate(who.pid, 0).await?;
            }
            return Ok(self.opened(file));
        }
        match what {
            Intent::Replace => self.begin_replacement(who, file.node).await,
            Intent::Change if file.attributes().size == 0 => {
                self.begin_replacement(who, file.node).await
            }
            Intent::Change | Intent::Read => Err(Errno::BUSY),
        }
    }

    fn opened(&self, file: Arc<WriteFile>) -> Opened {
        Opened {
            handle: self.handles.add(Handle::Write(file)),
            kind: OpenedAs::Direct,
        }
    }

    /// Starts a transient file for the place of `replaced` and sends the kernel back to look the place up again.
    async fn begin_replacement(
        self: &Arc<Self>,
        who: Caller,
        replaced: InodeId,
    ) -> Outcome<Opened> {
        if let Some(grant) = self.writes.granted(who.pid) {
            self.withdraw(who.pid, &grant.file).await;
            if grant.replaced == replaced {
                // It came back without a lookup: by a magic link, which has no name to replace.
                return Err(Errno::ROFS);
            }
        }
        let place = lock(&self.names).place(replaced).cloned();
        let place = place.ok_or(Errno::ROFS)?;
        let pending = self.writes.pending_at(&place);
        let (old, at) = match (self.backend.lookup(&place).await, pending) {
            (Ok(attributes), _) => (attributes, XattrsAt::Inode(attributes.inode)),
            (Err(Errno::NOENT), Some(file)) => (file.attributes(), file.xattrs()),
            (Err(Errno::NOENT), None) => return Err(Errno::STALE),
            (Err(errno), _) => return Err(errno),
        };
        if old.inode != replaced {
            return Err(Errno::STALE); // renamed elsewhere meanwhile
        }
        let xattrs = self.kept_xattrs(at).await?;
        let new = NewAttributes {
            mode: old.mode,
            uid: old.uid,
            gid: old.gid,
            mtime: None,
            atime: None,
        };
        let file = self
            .begin(who, place, new, (Replace::Files, xattrs))
            .await?;
        let grant = Grant {
            replaced,
            file: file.clone(),
        };
        self.writes.grant(who.pid, grant);
        let fs = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GRANT_MAX).await;
            fs.withdraw(who.pid, &file).await;
        });
        Err(Errno::STALE)
    }

    /// The extended attributes that new content of a file keeps.
    async fn kept_xattrs(&self, at: XattrsAt) -> Outcome<Xattrs> {
        match at {
            XattrsAt::Held(all) => Ok(all),
            XattrsAt::Inode(inode) => {
                let all = self.backend.xattrs(inode).await?.into_iter();
                Ok(all.map(|one| (one.name, one.value)).collect())
            }
        }
    }

    async fn withdraw(&self, thread: u32, file: &Arc<WriteFile>) {
        self.writes.end_grant(thread, file);
        if !file.is_open() {
            self.writes.remove(file);
            file.discard().await;
        }
    }

    async fn begin(
        &self,
        who: Caller,
        place: Place,
        new: NewAttributes,
        (replace, xattrs): (Replace, Xattrs),
    ) -> Outcome<Arc<WriteFile>> {
        let (content, inode) = Content::reserve(NewContent {
            backend: self.backend.clone(),
            spool_dir: self.settings.spool_dir.clone(),
            dir: place.dir,
            new,
            note: place.name.clone(),
        })
        .await?;
        let time = now();
        let attributes = Attributes {
            inode,
            size: 0,
            physical_bytes: 0,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            mtime: time,
            ctime: time,
            atime: time,
            created: time,
        };
        let beginning = Beginning {
            place,
            replace,
            attributes,
            opener: who.pid,
            xattrs,
        };
        let file = Arc::new(WriteFile::new(beginning, content));
        self.writes.add(&file);
        Ok(file)
    }

    /// Creates a file and opens it. The kernel has just looked the name up and found nothing.
    pub async fn create(
        &self,
        who: Caller,
        place: Place,
        mode: u32,
        flags: i32,
    ) -> Outcome<(Attributes, Opened)> {
        let exclusive = flags & libc::O_EXCL != 0;
        if exclusive && self.writes.pending_at(&place).is_some() {
            return Err(Errno::EXIST);
        }
        let replace = if exclusive {
            Replace::Never
        } else {
            Replace::Files
        };
        let new = who.owning(mode);
        let beginning = (replace, Xattrs::new());
        let file = self.begin(who, place.clone(), new, beginning).await?;
        file.opened();
        lock(&self.names).looked_up(place, file.node);
        Ok((file.attributes(), self.opened(file)))
    }

    /// Creates an empty file without opening it.
    pub async fn make_file(&self, who: Caller, place: Place, mode: u32) -> Outcome<Attributes> {
        self.must_be_free(&place)?;
        let beginning = (Replace::Never, Xattrs::new());
        let file = self.begin(who, place.clone(), who.owning(mode), beginning);
        let file = file.await?;
        let result = file.publish().await;
        self.writes.remove(&file);
        let published = result?.ok_or(Errno::IO)?;
        let attributes = self.backend.stat(published.inode).await?;
        lock(&self.names).looked_up(place, attributes.inode);
        Ok(attributes)
    }

    /// Replaces a published file by an empty one, for `truncate(2)`, and sends the kernel back to look it up.
    pub(crate) async fn replace_by_nothing(&self, who: Caller, inode: InodeId) -> Outcome<()> {
        if inode.kind() != InodeKind::File {
            return Err(Errno::INVAL);
        }
        let place = lock(&self.names).place(inode).cloned();
        let place = place.ok_or(Errno::ROFS)?;
        let old = self.backend.lookup(&place).await?;
        if old.inode != inode {
            return Err(Errno::STALE);
        }
        let xattrs = self.kept_xattrs(XattrsAt::Inode(inode)).await?;
        let new = NewAttributes {
            mode: old.mode,
            uid: old.uid,
            gid: old.gid,
            mtime: None,
            atime: None,
        };
        let file = self
            .begin(who, place, new, (Replace::Files, xattrs))
            .await?;
        let result = file.publish().await;
        self.writes.remove(&file);
        if let Some(published) = result? {
            self.published(&published);
        }
        Err(Errno::STALE)
    }
}

impl Caller {
    /// Attributes of what the caller makes.
    pub(crate) const fn owning(self, mode: u32) -> NewAttributes {
        NewAttributes {
            mode: mode & eggs_proto::MODE_MASK,
            uid: self.uid,
            gid: self.gid,
            mtime: None,
            atime: None,
        }
    }
}
