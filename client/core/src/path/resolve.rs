//! From a path to an inode.

use eggs_proto::{Attributes, InodeId, InodeKind, Name, Refusal};

use super::walk::{SYMLINKS_MAX, Step, Walk};
use crate::client::Client;
use crate::deadline::Deadline;
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
        let mut at = At::root();
        loop {
            let names = walk.names();
            if names.is_empty() {
                match walk.next() {
                    Some(_up) => {
                        at = At::of(self.inner.directory(at.inode, deadline).await?.parent)
                    }
                    None => break,
                }
                continue;
            }
            if !at.inode.is_directory() {
                return Err(Refusal::NotDirectory.into());
            }
            for dentry in self.inner.walk(at.inode, names, deadline).await? {
                let Some(Step::Down(name)) = walk.next() else {
                    break; // not met: no more dentries than names
                };
                let last = walk.is_last() && follow == FollowLast::No && !walk.directory;
                if dentry.inode.kind() == InodeKind::Symlink && !last {
                    symlinks += 1;
                    if symlinks > SYMLINKS_MAX {
                        return Err(ClientError::TooManyLinks);
                    }
                    let target = self.read_link(dentry.inode).await?;
                    if target.first() == Some(&b'/') {
                        at = At::root();
                    }
                    walk.insert(Walk::new(&target)?);
                    break; // the walk ended with it
                }
                at = At {
                    inode: dentry.inode,
                    found: Some((at.inode, name, dentry.attributes)),
                };
            }
        }
        if walk.directory && !at.inode.is_directory() {
            return Err(Refusal::NotDirectory.into());
        }
        self.describe(at, deadline).await
    }

    /// Adds what the walk did not tell.
    async fn describe(&self, at: At, deadline: Deadline) -> Result<Resolved, ClientError> {
        let Some((parent, name, attributes)) = at.found else {
            let info = self.inner.directory(at.inode, deadline).await?;
            return Ok(Resolved {
                inode: at.inode,
                attributes: info.attributes,
                parent: info.parent,
                name: None,
            });
        };
        let (inode, attributes) = match attributes {
            Some(attributes) => (at.inode, attributes),
            None => match self.inner.stat(at.inode, deadline).await {
                Ok(attributes) => (at.inode, attributes),
                // Removed since the walk passed it: the name may stand for something else now.
                Err(error) if error.is_not_found() => {
                    let dentry = self.inner.lookup(parent, &name, deadline).await?;
                    if dentry.inode.kind() != at.inode.kind() {
                        return Err(Refusal::Changed.into()); // perhaps a symlink, to be followed
                    }
                    (dentry.inode, dentry.attributes.ok_or(Refusal::NotFound)?)
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Resolved {
            inode,
            attributes,
            parent,
            name: Some(name),
        })
    }
}

/// Where a walk is.
struct At {
    inode: InodeId,
    /// The directory and the name it was found by, with what is known of its attributes; `None` for root and for
    /// what was reached by `..`.
    found: Option<(InodeId, Name, Option<Attributes>)>,
}

impl At {
    const fn root() -> Self {
        Self::of(InodeId::ROOT)
    }

    const fn of(inode: InodeId) -> Self {
        Self { inode, found: None }
    }
}
