//! A file that is open for writing.
//!
//! **Invariant:** the content lock is taken before a name is changed or a file is published, so a rename or unlink
//! comes entirely before or entirely after a publication. The state lock is never held across an await.

use std::sync::Mutex;

use bytes::Bytes;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, Attributes, InodeId, NewTime, Xattr, XattrMode, XattrName};

use crate::attr::now;
use crate::backend::{Backend, Link};
use crate::content::Content;
use crate::errno::{Errno, Outcome};
use crate::lock::lock;
use crate::place::Place;
use crate::process::Suspects;
use crate::publication::{OnFlush, OnRelease, Publication, Verdict};
use crate::xattrs::{self, Xattrs};

/// Writers remembered per file; more would be a file shared by very many processes.
const WRITERS_MAX: usize = 64;

/// A file that is open for writing.
pub struct WriteFile {
    /// The number by which the kernel knows it.
    pub node: InodeId,
    opener: u32,
    state: Mutex<State>,
    content: tokio::sync::Mutex<Content>,
}

struct State {
    place: Place,
    replace: Replace,
    publication: Publication,
    /// Where the content was last published.
    published: Option<InodeId>,
    /// As shown while unpublished.
    attributes: Attributes,
    /// To be set when published.
    change: AttributeChange,
    /// To be set before it is published, also once more.
    xattrs: Xattrs,
    writers: Vec<u32>,
    /// Whether the kernel may hold pages of what was not final yet.
    read_back: bool,
}

/// How a write file begins.
pub struct Beginning {
    /// Where it is going to appear.
    pub place: Place,
    /// What it may replace.
    pub replace: Replace,
    /// Its attributes; the inode is the one that the kernel is told.
    pub attributes: Attributes,
    /// Who opened it.
    pub opener: u32,
    /// Extended attributes of what it replaces.
    pub xattrs: Xattrs,
}

/// Where extended attributes are.
pub enum XattrsAt {
    /// Here, until the file is published.
    Held(Xattrs),
    /// On the servers.
    Inode(InodeId),
}

/// What a change of attributes applies to.
pub enum ChangeTarget {
    /// It was noted, to be applied with the publication.
    Noted(Attributes),
    /// The content is published under this inode.
    Published(InodeId),
}

impl WriteFile {
    /// Nobody has opened it yet.
    pub fn new(beginning: Beginning, content: Content) -> Self {
        let Beginning {
            place,
            replace,
            attributes,
            opener,
            xattrs,
        } = beginning;
        Self {
            node: attributes.inode,
            opener,
            state: Mutex::new(State {
                place,
                replace,
                publication: Publication::new(),
                published: None,
                attributes,
                change: AttributeChange::default(),
                xattrs,
                writers: Vec::new(),
                read_back: false,
            }),
            content: tokio::sync::Mutex::new(content),
        }
    }

    /// Opened once more.
    pub fn opened(&self) {
        lock(&self.state).publication.opened();
    }

    /// Whether any handle is open.
    pub fn is_open(&self) -> bool {
        lock(&self.state).publication.is_open()
    }

    /// Whether there is something to be published.
    pub fn is_pending(&self) -> bool {
        lock(&self.state).publication.is_pending()
    }

    /// Where its content is visible, if all of it is.
    pub fn published(&self) -> Option<InodeId> {
        let state = lock(&self.state);
        let visible = state.publication.is_published();
        state.published.filter(|_| visible)
    }

    /// Where it is or is going to be.
    pub fn place(&self) -> Place {
        lock(&self.state).place.clone()
    }

    /// Attributes as far as they are known here.
    pub fn attributes(&self) -> Attributes {
        lock(&self.state).attributes
    }

    /// Writes; at the end if `offset` is `None`.
    pub async fn write(&self, writer: u32, offset: Option<u64>, data: Bytes) -> Outcome<()> {
        let mut content = self.content.lock().await;
        self.note_writer(writer);
        let offset = offset.unwrap_or(content.size());
        let result = content.write(offset, data).await;
        self.changed(content.size());
        result
    }

    /// Cuts or extends.
    pub async fn truncate(&self, writer: u32, size: u64) -> Outcome<()> {
        let mut content = self.content.lock().await;
        if content.size() == size {
            return Ok(());
        }
        self.note_writer(writer);
        let result = content.truncate(size).await;
        self.changed(content.size());
        result
    }

    /// Extends to at least `size`.
    pub async fn extend(&self, writer: u32, size: u64) -> Outcome<()> {
        let current = self.content.lock().await.size();
        self.truncate(writer, size.max(current)).await
    }

    /// Reads what was written so far.
    pub async fn read(&self, offset: u64, len: usize) -> Outcome<Bytes> {
        let mut content = self.content.lock().await;
        lock(&self.state).read_back = true;
        content.read(offset, len).await
    }

    /// Waits for what is on its way to the disks, without publishing it.
    pub async fn sync(&self) -> Outcome<()> {
        self.content.lock().await.sync().await
    }

    /// Changes attributes other than the size.
    pub fn change(&self, change: AttributeChange) -> ChangeTarget {
        let mut state = lock(&self.state);
        state.note(change);
        if let Some(published) = state.published
            && state.publication.is_published()
        {
            state.change = AttributeChange::default();
            return ChangeTarget::Published(published);
        }
        ChangeTarget::Noted(state.attributes)
    }

    /// Where its extended attributes are.
    pub fn xattrs(&self) -> XattrsAt {
        match self.published() {
            Some(inode) => XattrsAt::Inode(inode),
            None => XattrsAt::Held(lock(&self.state).xattrs.clone()),
        }
    }

    /// Sets an extended attribute. What is published changes first; here it is kept for the next time.
    pub async fn set_xattr(
        &self,
        backend: &dyn Backend,
        xattr: Xattr,
        mode: XattrMode,
    ) -> Outcome<()> {
        let _content = self.content.lock().await;
        if let Some(inode) = self.published() {
            backend.set_xattr(inode, xattr.clone(), mode).await?;
            lock(&self.state).xattrs.insert(xattr.name, xattr.value);
            return Ok(());
        }
        xattrs::set(&mut lock(&self.state).xattrs, xattr, mode)
    }

    /// Removes an extended attribute.
    pub async fn remove_xattr(&self, backend: &dyn Backend, name: &XattrName) -> Outcome<()> {
        let _content = self.content.lock().await;
        if let Some(inode) = self.published() {
            backend.remove_xattr(inode, name).await?;
            lock(&self.state).xattrs.remove(name);
            return Ok(());
        }
        let removed = lock(&self.state).xattrs.remove(name);
        removed.map(drop).ok_or(Errno::NODATA)
    }

    /// Whose descriptors tell whether a close by `closer` is the last one; `None` if it does not matter.
    pub fn suspects(&self, closer: u32) -> Option<Suspects> {
        let state = lock(&self.state);
        state.publication.is_pending().then(|| Suspects {
            closer,
            opener: self.opener,
            writers: state.writers.clone(),
        })
    }

    /// A FLUSH came; tells what to do.
    pub fn flushed(&self, verdict: Verdict) -> OnFlush {
        lock(&self.state).publication.flushed(verdict)
    }

    /// A RELEASE came; tells what to do.
    pub fn released(&self) -> OnRelease {
        lock(&self.state).publication.released()
    }

    /// Makes the content visible if that has still to be done; tells where.
    pub async fn publish(&self) -> Outcome<Option<Published>> {
        let mut content = self.content.lock().await;
        let Some((place, link)) = lock(&self.state).link() else {
            return Ok(None);
        };
        let result = content.publish(link).await;
        let mut state = lock(&self.state);
        match result {
            Ok(inode) => {
                state.publication.published();
                state.published = Some(inode);
                state.replace = Replace::Files;
                state.change = AttributeChange::default();
                let may_be_cached = state.read_back && inode == self.node;
                Ok(Some(Published {
                    place,
                    inode,
                    may_be_cached,
                }))
            }
            Err(errno) => {
                state.publication.failed(errno);
                Err(errno)
            }
        }
    }

    /// Gives up what is not published.
    pub async fn discard(&self) {
        self.content.lock().await.discard().await;
    }

    /// Its name was removed or given to something else. `false` if it is somewhere else by now.
    pub async fn orphan(&self, place: &Place) -> bool {
        let _content = self.content.lock().await;
        let mut state = lock(&self.state);
        let here = state.place == *place && state.publication.is_pending();
        if state.place == *place {
            state.publication.orphaned();
        }
        here
    }

    /// Its name was changed. `false` if there was nothing unpublished of that name.
    pub async fn rename(&self, source: &Place, target: &Place) -> Outcome<bool> {
        let mut content = self.content.lock().await;
        if self.place() != *source {
            return Ok(false);
        }
        let pending = self.is_pending();
        content.relocate(target.dir, target.name.clone()).await?;
        let mut state = lock(&self.state);
        state.place = target.clone();
        state.replace = Replace::Files;
        Ok(pending)
    }

    fn note_writer(&self, writer: u32) {
        let writers = &mut lock(&self.state).writers;
        if !writers.contains(&writer) {
            if writers.len() == WRITERS_MAX {
                writers.remove(0);
            }
            writers.push(writer);
        }
    }

    fn changed(&self, size: u64) {
        let mut state = lock(&self.state);
        state.publication.changed();
        state.attributes.size = size;
        state.attributes.mtime = now();
        state.attributes.ctime = state.attributes.mtime;
        state.change.mtime = None; // a write after utimens counts
    }
}

/// A file became visible.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where.
    pub place: Place,
    /// Its inode.
    pub inode: InodeId,
    /// Whether the kernel may hold pages of it from before.
    pub may_be_cached: bool,
}

impl State {
    fn link(&self) -> Option<(Place, Link)> {
        if !self.publication.is_pending() {
            return None;
        }
        let mut change = self.change;
        change
            .mtime
            .get_or_insert(NewTime::At(self.attributes.mtime));
        if self.published.is_some() {
            // A new transient file was made with the attributes of the beginning.
            change.mode.get_or_insert(self.attributes.mode);
            change.uid.get_or_insert(self.attributes.uid);
            change.gid.get_or_insert(self.attributes.gid);
        }
        let link = Link {
            name: self.place.name.clone(),
            replace: self.replace,
            change,
            xattrs: self.xattrs.clone(),
        };
        Some((self.place.clone(), link))
    }

    fn note(&mut self, change: AttributeChange) {
        let fixed = |time: NewTime| match time {
            NewTime::Now => now(),
            NewTime::At(time) => time,
        };
        let attributes = &mut self.attributes;
        if let Some(mode) = change.mode {
            (attributes.mode, self.change.mode) = (mode, Some(mode));
        }
        if let Some(uid) = change.uid {
            (attributes.uid, self.change.uid) = (uid, Some(uid));
        }
        if let Some(gid) = change.gid {
            (attributes.gid, self.change.gid) = (gid, Some(gid));
        }
        if let Some(time) = change.mtime.map(fixed) {
            (attributes.mtime, self.change.mtime) = (time, Some(NewTime::At(time)));
        }
        if let Some(time) = change.atime.map(fixed) {
            (attributes.atime, self.change.atime) = (time, Some(NewTime::At(time)));
        }
        attributes.ctime = now();
    }
}
