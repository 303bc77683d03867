//! `getxattr`, `setxattr`, `listxattr`, `removexattr`.

use eggs_proto::{InodeId, Xattr, XattrMode, XattrName};

use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::write_file::XattrsAt;
use crate::xattrs::list;

impl FileSystem {
    /// The value of an extended attribute.
    pub async fn get_xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<Vec<u8>> {
        match self.xattrs_at(inode) {
            XattrsAt::Held(all) => all.get(name).cloned().ok_or(Errno::NODATA),
            XattrsAt::Inode(inode) => self.backend.xattr(inode, name).await,
        }
    }

    /// The names of all extended attributes, each ended by NUL.
    pub async fn list_xattrs(&self, who: Caller, inode: InodeId) -> Outcome<Vec<u8>> {
        match self.xattrs_at(inode) {
            XattrsAt::Held(all) => Ok(list(all.keys(), who.uid)),
            XattrsAt::Inode(inode) => {
                let all = self.backend.xattrs(inode).await?;
                Ok(list(all.iter().map(|one| &one.name), who.uid))
            }
        }
    }

    /// Sets an extended attribute.
    pub async fn set_xattr(&self, inode: InodeId, xattr: Xattr, mode: XattrMode) -> Outcome<()> {
        if let Some(file) = self.writes.get(inode) {
            return file.set_xattr(self.backend.as_ref(), xattr, mode).await;
        }
        self.backend.set_xattr(inode, xattr, mode).await
    }

    /// Removes an extended attribute.
    pub async fn remove_xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<()> {
        if let Some(file) = self.writes.get(inode) {
            return file.remove_xattr(self.backend.as_ref(), name).await;
        }
        self.backend.remove_xattr(inode, name).await
    }

    fn xattrs_at(&self, inode: InodeId) -> XattrsAt {
        match self.writes.get(inode) {
            Some(file) => file.xattrs(),
            None => XattrsAt::Inode(inode),
        }
    }
}
