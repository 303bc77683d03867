//! Changing names: symlink, unlink, rename. A file that is being written here has its name as far as this mount is
//! concerned, so its name can be removed, changed and be in the way.

use eggs_proto::Attributes;
use eggs_proto::shard::Replace;

use crate::backend::Rename;
use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::lock::lock;
use crate::place::Place;

impl FileSystem {
    /// Makes a symlink.
    pub async fn symlink(&self, who: Caller, place: Place, target: Vec<u8>) -> Outcome<Attributes> {
        self.must_be_free(&place)?;
        let new = who.owning(0o777);
        let attributes = self.backend.symlink(&place, &target, new).await?;
        lock(&self.names).looked_up(place, attributes.inode);
        Ok(attributes)
    }

    /// Removes a file or symlink.
    pub async fn unlink(&self, place: Place) -> Outcome<()> {
        let unpublished = self.orphan_all(&place).await;
        match self.backend.unlink(&place).await {
            Ok(()) => {}
            Err(Errno::NOENT) if unpublished => {}
            Err(errno) => return Err(errno),
        }
        lock(&self.names).removed(&place);
        Ok(())
    }

    /// Renames.
    pub async fn rename(&self, rename: Rename) -> Outcome<()> {
        if rename.source == rename.target {
            return Ok(());
        }
        if rename.replace == Replace::Exchange {
            return self.exchange(rename).await;
        }
        if rename.replace == Replace::Never {
            self.must_be_free(&rename.target)?;
        }
        let published = match self.backend.rename(&rename).await {
            Ok(()) => true,
            Err(Errno::NOENT) if self.writes.pending_at(&rename.source).is_some() => {
                self.check_target(&rename).await?;
                false
            }
            Err(errno) => return Err(errno),
        };
        self.orphan_all(&rename.target).await;
        let mut unpublished = false;
        for file in self.writes.at(&rename.source) {
            unpublished |= file.rename(&rename.source, &rename.target).await?;
        }
        if !published && !unpublished {
            // It was published between the two looks.
            self.backend.rename(&rename).await?;
        }
        lock(&self.names).renamed(&rename.source, rename.target);
        Ok(())
    }

    async fn exchange(&self, rename: Rename) -> Outcome<()> {
        let pending = |place| self.writes.pending_at(place).is_some();
        if pending(&rename.source) || pending(&rename.target) {
            return Err(Errno::BUSY);
        }
        self.backend.rename(&rename).await?;
        lock(&self.names).exchanged(&rename.source, &rename.target);
        Ok(())
    }

    /// What the cluster would check if the source were published.
    async fn check_target(&self, rename: &Rename) -> Outcome<()> {
        match self.backend.lookup(&rename.target).await {
            Ok(_) if rename.replace == Replace::Never => Err(Errno::EXIST),
            Ok(attributes) if attributes.inode.is_directory() => Err(Errno::ISDIR),
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Refuses names of files that are being written here; the cluster refuses all others.
    pub(crate) fn must_be_free(&self, place: &Place) -> Outcome<()> {
        match self.writes.pending_at(place) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    async fn orphan_all(&self, place: &Place) -> bool {
        let mut any = false;
        for file in self.writes.at(place) {
            any |= file.orphan(place).await;
        }
        any
    }
}
