//! `chmod`, `chown`, `utimensat`, `truncate`, `statfs`.

use eggs_proto::{AttributeChange, Attributes, InodeId};

use super::lookup::Seen;
use crate::backend::Space;
use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::write_file::ChangeTarget;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// New size.
    pub size: Option<u64>,
    /// Everything else.
    pub attributes: AttributeChange,
}

impl FileSystem {
    /// Changes attributes, of a file being written also its size.
    pub async fn setattr(&self, who: Caller, inode: InodeId, change: Change) -> Outcome<Seen> {
        if let Some(file) = self.writes.get(inode) {
            if let Some(size) = change.size {
                file.truncate(who.pid, size).await?;
            }
            if change.attributes == AttributeChange::default() {
                return self.getattr(inode).await;
            }
            return match file.change(change.attributes) {
                ChangeTarget::Noted(attributes) => Ok(Seen::pending(attributes)),
                ChangeTarget::Published(published) => {
                    let mut attributes = self.set(published, change.attributes).await?;
                    attributes.inode = inode;
                    Ok(Seen::pending(attributes))
                }
            };
        }
        if let Some(size) = change.size {
            let current = self.backend.stat(inode).await?.size;
            match size {
                size if size == current => {}
                0 => self.replace_by_nothing(who, inode).await?,
                _ => return Err(Errno::ROFS),
            }
        }
        self.set(inode, change.attributes)
            .await
            .map(Seen::published)
    }

    async fn set(&self, inode: InodeId, change: AttributeChange) -> Outcome<Attributes> {
        if change == AttributeChange::default() {
            return self.backend.stat(inode).await;
        }
        self.backend.set_attributes(inode, change).await
    }

    /// How much fits.
    pub async fn space(&self) -> Outcome<Space> {
        self.backend.space().await
    }
}
