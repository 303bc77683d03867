//! From a path to an inode.

use eggs_proto::{Attributes, InodeId, InodeKind, Name, Refusal};

use super::walk::{SYMLINKS_MAX, Step, Walk};
use crate::client::Client;
use crate::error::ClientError;

/// What to do if the last name of a path is a symlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowLast {
    /// The path stands for what the symlink points to.
    Yes,
    /// The path stands for the symlink itself, unless it ends with `/`.
    No,
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The inode.
    pub inode: InodeId,
    /// Its attributes.
    pub attributes: Attributes,
    /// The directory in which it was found; root is its own.
    pub parent: InodeId,
    /// Its name there; `None` for root and for what was reached by `..`.
    pub name: Option<Name>,
}

/// Where something new is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The directory, which exists.
    pub dir: InodeId,
    /// The name, which may or may not exist.
    pub name: Name,
    /// The path ends with `/`: it cannot become anything but a directory.
    pub must_be_directory: bool,
}

impl Client {
    /// What a path stands for. The leading `/` may be left out.
    pub async fn resolve(
        &self,
        path: impl AsRef<[u8]>,
        follow: FollowLast,
    ) -> Result<Resolved, ClientError> {
        let mut walk = Walk::new(path.as_ref())?;
        self.walk(&mut walk, follow).await
    }

    /// The directory and name of something to be made. Symlinks on the way are followed, one at the end is not.
    pub async fn parent_of(&self, path: impl AsRef<[u8]>) -> Result<NewEntry, ClientError> {
        let mut walk = Walk::new(path.as_ref())?;
        let must_be_directory = walk.directory;
        let name = walk.split_last().ok_or(Refusal::Exists)?;
        walk.directory = true;
        let parent = self.walk(&mut walk, FollowLast::Yes).await?;
        Ok(NewEntry {
            dir: parent.inode,
            name,
            must_be_directory,
        })
    }

    async fn walk(&self, walk: &mut Walk, follow: FollowLast) -> Result<Resolved, ClientError> {
        let deadline = self.deadline();
        let mut symlinks = 0;
        let mut at = InodeId::ROOT;
        let mut found: Option<Resolved> = None;
        while let Some(step) = walk.next() {
            if !at.is_directory() {
                return Err(Refusal::NotDirectory.into());
            }
            let name = match step {
                Step::Up => {
                    at = self.inner.directory(at, deadline).await?.parent;
                    found = None;
                    continue;
                }
                Step::Down(name) => name,
            };
            let dentry = self.inner.lookup(at, &name, deadline).await?;
            let last = walk.is_last() && follow == FollowLast::No && !walk.directory;
            if dentry.inode.kind() == InodeKind::Symlink && !last {
                symlinks += 1;
                if symlinks > SYMLINKS_MAX {
                    return Err(ClientError::TooManyLinks);
                }
                let target = self.read_link(dentry.inode).await?;
                if target.first() == Some(&b'/') {
                    at = InodeId::ROOT;
                    found = None;
                }
                walk.insert(Walk::new(&target)?);
                continue;
            }
            let parent = std::mem::replace(&mut at, dentry.inode);
            let attributes = dentry.attributes.ok_or(Refusal::NotFound)?;
            found = Some(Resolved {
                inode: at,
                attributes,
                parent,
                name: Some(name),
            });
        }
        if walk.directory && !at.is_directory() {
            return Err(Refusal::NotDirectory.into());
        }
        match found {
            Some(found) => Ok(found),
            None => {
                let info = self.inner.directory(at, deadline).await?;
                Ok(Resolved {
                    inode: at,
                    attributes: info.attributes,
                    parent: info.parent,
                    name: None,
                })
            }
        }
    }
}
