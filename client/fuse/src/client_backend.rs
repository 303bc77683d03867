//! A cluster behind the mount.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use eggs_client::{Client, ClientError, FileReader, FileWriter, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::{
    AttributeChange, Attributes, InodeId, Name, NewAttributes, Xattr, XattrMode, XattrName,
};

use crate::attr::now;
use crate::backend::{Backend, Detail, Link, ListFrom, Listing, Reader, Rename, Space, Writer};
use crate::errno::{Errno, Outcome};
use crate::place::Place;

/// A cluster.
pub struct Cluster(Client);

impl Cluster {
    /// The cluster that a client talks to.
    pub const fn new(client: Client) -> Self {
        Self(client)
    }
}

/// The errno for the program that asked. A refusal is an answer; anything else is worth a line in the log.
fn told(error: ClientError) -> Errno {
    match error {
        ClientError::Refused(_)
        | ClientError::Name(_)
        | ClientError::TooManyLinks
        | ClientError::Closed(_) => {}
        ClientError::Block { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Deadline { .. }
        | ClientError::Unauthorized { .. }
        | ClientError::UnknownService(_)
        | ClientError::Protocol { .. }
        | ClientError::Damaged { .. }
        | ClientError::TooFewBlocks { .. } => {
            tracing::warn!(%error, "a request failed");
        }
    }
    Errno(error.errno())
}

fn entry(place: &Place) -> EntryName {
    EntryName {
        dir: place.dir,
        name: place.name.clone(),
    }
}

/// What was just made, without asking for it: the kernel does not keep it.
fn made(inode: InodeId, size: usize, new: NewAttributes) -> Attributes {
    let time = now();
    Attributes {
        inode,
        size: size as u64,
        physical_bytes: 0,
        mode: new.mode,
        uid: new.uid,
        gid: new.gid,
        mtime: new.mtime.unwrap_or(time),
        ctime: time,
        atime: new.atime.unwrap_or(time),
        created: time,
    }
}

#[async_trait]
impl Backend for Cluster {
    async fn lookup(&self, place: &Place) -> Outcome<Attributes> {
        let dentry = self.0.lookup(place.dir, &place.name).await.map_err(told)?;
        match dentry.attributes {
            Some(attributes) => Ok(attributes),
            None => self.stat(dentry.inode).await,
        }
    }

    async fn stat(&self, inode: InodeId) -> Outcome<Attributes> {
        self.0.stat(inode).await.map_err(told)
    }

    async fn list(&self, from: ListFrom) -> Outcome<Listing> {
        let ListFrom {
            dir,
            after,
            limit,
            detail,
        } = from;
        let page = match detail {
            Detail::Names => self.0.list(dir, after, limit).await,
            Detail::Attributes => self.0.list_with_attributes(dir, after, limit).await,
        };
        let page = page.map_err(told)?;
        Ok(Listing {
            entries: page.entries,
            more: page.more,
        })
    }

    async fn read_link(&self, inode: InodeId) -> Outcome<Vec<u8>> {
        self.0.read_link(inode).await.map_err(told)
    }

    async fn make_directory(&self, place: &Place, new: NewAttributes) -> Outcome<Attributes> {
        let inode = self.0.make_directory(place.dir, &place.name, new).await;
        Ok(made(inode.map_err(told)?, 0, new))
    }

    async fn remove_directory(&self, place: &Place) -> Outcome<()> {
        let removed = self.0.remove_directory(place.dir, &place.name).await;
        removed.map_err(told)
    }

    async fn unlink(&self, place: &Place) -> Outcome<()> {
        let removed = self.0.unlink(place.dir, &place.name, None).await;
        removed.map_err(told)
    }

    async fn rename(&self, rename: &Rename) -> Outcome<()> {
        let entries = RenameEntry {
            source: entry(&rename.source),
            target: entry(&rename.target),
        };
        self.0.rename(entries, rename.replace).await.map_err(told)
    }

    async fn symlink(
        &self,
        place: &Place,
        target: &[u8],
        new: NewAttributes,
    ) -> Outcome<Attributes> {
        let inode = self.0.symlink(place.dir, &place.name, target, new).await;
        Ok(made(inode.map_err(told)?, target.len(), new))
    }

    async fn set_attributes(&self, inode: InodeId, change: AttributeChange) -> Outcome<Attributes> {
        self.0.set_attributes(inode, change).await.map_err(told)
    }

    async fn xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<Vec<u8>> {
        self.0.xattr(inode, name).await.map_err(told)
    }

    async fn xattrs(&self, inode: InodeId) -> Outcome<Vec<Xattr>> {
        self.0.xattrs(inode).await.map_err(told)
    }

    async fn set_xattr(&self, inode: InodeId, xattr: Xattr, mode: XattrMode) -> Outcome<()> {
        self.0.set_xattr(inode, xattr, mode).await.map_err(told)
    }

    async fn remove_xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<()> {
        self.0.remove_xattr(inode, name).await.map_err(told)
    }

    async fn open(&self, inode: InodeId) -> Outcome<Arc<dyn Reader>> {
        let reader = self.0.open(inode).await.map_err(told)?;
        Ok(Arc::new(ClusterReader(reader)))
    }

    async fn create(
        &self,
        dir: InodeId,
        new: NewAttributes,
        note: &Name,
    ) -> Outcome<Box<dyn Writer>> {
        let writer = self.0.create(dir, new, &note.to_string());
        Ok(Box::new(ClusterWriter(Some(writer))))
    }

    async fn space(&self) -> Outcome<Space> {
        let statistics = self.0.statistics().await.map_err(told)?;
        let mut space = Space {
            files: statistics.files + statistics.directories,
            ..Space::default()
        };
        for class in &statistics.classes {
            // Not the size of the disks, which others may fill and of which a part is kept free.
            space.total_bytes += class.used_bytes + class.available_bytes;
            space.free_bytes += class.available_bytes;
        }
        Ok(space)
    }
}

struct ClusterReader(Arc<FileReader>);

#[async_trait]
impl Reader for ClusterReader {
    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn read_at(&self, offset: u64, len: usize) -> Outcome<Bytes> {
        self.0.read_at(offset, len).await.map_err(told)
    }
}

/// `None` once it was given up.
struct ClusterWriter(Option<FileWriter>);

impl ClusterWriter {
    fn open(&mut self) -> Outcome<&mut FileWriter> {
        self.0.as_mut().ok_or(Errno::ROFS)
    }
}

#[async_trait]
impl Writer for ClusterWriter {
    async fn reserve(&mut self) -> Outcome<InodeId> {
        self.open()?.reserve().await.map_err(told)
    }

    async fn write(&mut self, data: Bytes) -> Outcome<()> {
        self.open()?.write(&data).await.map_err(told)
    }

    async fn hole(&mut self, bytes: u64) -> Outcome<()> {
        self.open()?.hole(bytes).await.map_err(told)
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Outcome<Bytes> {
        self.open()?.read_at(offset, len).await.map_err(told)
    }

    async fn sync(&mut self) -> Outcome<()> {
        self.open()?.sync().await.map_err(told)
    }

    async fn link(&mut self, link: Link) -> Outcome<InodeId> {
        let Link {
            name,
            replace,
            change,
            xattrs,
        } = link;
        let writer = self.open()?;
        for (name, value) in xattrs {
            writer
                .set_xattr(Xattr { name, value })
                .await
                .map_err(told)?;
        }
        let linked = writer.link(&name, replace, change).await;
        Ok(linked.map_err(told)?.inode)
    }

    async fn scrap(&mut self) {
        if let Some(writer) = self.0.take()
            && let Err(error) = writer.scrap().await
        {
            // The servers collect it when it expires.
            tracing::debug!(%error, "a transient file was not given up");
        }
    }
}
