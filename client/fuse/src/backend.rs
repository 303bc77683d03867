//! What the mount needs from a cluster; small, so that a test can play the cluster.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use eggs_proto::shard::{DirectoryCursor, ListEntry, Replace};
use eggs_proto::{
    AttributeChange, Attributes, InodeId, Name, NewAttributes, Xattr, XattrMode, XattrName,
};

use crate::errno::Outcome;
use crate::place::Place;
use crate::xattrs::Xattrs;

/// A file system of names and immutable files.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Attributes of what has a name.
    async fn lookup(&self, place: &Place) -> Outcome<Attributes>;
    /// Attributes of an inode.
    async fn stat(&self, inode: InodeId) -> Outcome<Attributes>;
    /// A page of a directory in order of (hash, name).
    async fn list(&self, from: ListFrom) -> Outcome<Listing>;
    /// Target of a symlink.
    async fn read_link(&self, inode: InodeId) -> Outcome<Vec<u8>>;
    /// Makes a directory under a free name.
    async fn make_directory(&self, place: &Place, new: NewAttributes) -> Outcome<Attributes>;
    /// Removes an empty directory.
    async fn remove_directory(&self, place: &Place) -> Outcome<()>;
    /// Removes a file or symlink.
    async fn unlink(&self, place: &Place) -> Outcome<()>;
    /// Renames.
    async fn rename(&self, rename: &Rename) -> Outcome<()>;
    /// Makes a symlink under a free name.
    async fn symlink(
        &self,
        place: &Place,
        target: &[u8],
        new: NewAttributes,
    ) -> Outcome<Attributes>;
    /// Changes attributes.
    async fn set_attributes(&self, inode: InodeId, change: AttributeChange) -> Outcome<Attributes>;
    /// The value of an extended attribute.
    async fn xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<Vec<u8>>;
    /// All extended attributes.
    async fn xattrs(&self, inode: InodeId) -> Outcome<Vec<Xattr>>;
    /// Sets an extended attribute.
    async fn set_xattr(&self, inode: InodeId, xattr: Xattr, mode: XattrMode) -> Outcome<()>;
    /// Removes an extended attribute.
    async fn remove_xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<()>;
    /// Opens a published file for reading.
    async fn open(&self, inode: InodeId) -> Outcome<Arc<dyn Reader>>;
    /// Prepares to write a file that will be linked in `dir`; `note` is for people.
    async fn create(
        &self,
        dir: InodeId,
        new: NewAttributes,
        note: &Name,
    ) -> Outcome<Box<dyn Writer>>;
    /// How much fits.
    async fn space(&self) -> Outcome<Space>;
}

/// A published file: its content never changes.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;
    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    async fn read_at(&self, offset: u64, len: usize) -> Outcome<Bytes>;
}

/// A transient file.
#[async_trait]
pub trait Writer: Send + Sync {
    /// Makes sure that the transient file exists and tells its inode.
    async fn reserve(&mut self) -> Outcome<InodeId>;
    /// Appends.
    async fn write(&mut self, data: Bytes) -> Outcome<()>;
    /// Appends zeros.
    async fn hole(&mut self, bytes: u64) -> Outcome<()>;
    /// Reads what was appended.
    async fn read_at(&mut self, offset: u64, len: usize) -> Outcome<Bytes>;
    /// Waits for what is on its way to the disks, and tells what went wrong with it. The rest becomes durable with the link.
    async fn sync(&mut self) -> Outcome<()>;
    /// Makes the file visible, durably, and tells its inode.
    async fn link(&mut self, link: Link) -> Outcome<InodeId>;
    /// Gives the file up.
    async fn scrap(&mut self);
}

/// How a file becomes visible.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name in the directory the writer was made for.
    pub name: Name,
    /// What to do if the name is taken.
    pub replace: Replace,
    /// Attributes to be set at the same time.
    pub change: AttributeChange,
    /// Extended attributes that it has from the beginning.
    pub xattrs: Xattrs,
}

/// A rename.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The old name.
    pub source: Place,
    /// The new name.
    pub target: Place,
    /// What to do if it is taken.
    pub replace: Replace,
}

/// What part of a directory is wanted.
#[derive(Clone, Debug)]
pub struct ListFrom {
    /// The directory.
    pub dir: InodeId,
    /// Where to begin.
    pub after: Option<DirectoryCursor>,
    /// Most entries wanted.
    pub limit: u32,
    /// How much is wanted of each entry.
    pub detail: Detail,
}

/// How much is wanted of each entry of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Names and inodes.
    Names,
    /// Attributes as well.
    Attributes,
}

/// Part of a directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// In order of (hash, name).
    pub entries: Vec<ListEntry>,
    /// Whether there may be more.
    pub more: bool,
}

/// How much fits, for `statfs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes on all disks.
    pub total_bytes: u64,
    /// Bytes not in use.
    pub free_bytes: u64,
    /// Inodes in use.
    pub files: u64,
}
