//! Making, removing and reading directories.

use std::sync::Arc;

use eggs_proto::{Attributes, InodeId};

use crate::directory::OpenDirectory;
use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::handles::Handle;
use crate::lock::lock;
use crate::place::Place;

impl FileSystem {
    /// Makes a directory.
    pub async fn make_directory(
        &self,
        who: Caller,
        place: Place,
        mode: u32,
    ) -> Outcome<Attributes> {
        self.must_be_free(&place)?;
        let attributes = self.backend.make_directory(&place, who.owning(mode));
        let attributes = attributes.await?;
        lock(&self.names).looked_up(place, attributes.inode);
        Ok(attributes)
    }

    /// Removes an empty directory. One in which a file is being written here is not empty.
    pub async fn remove_directory(&self, place: Place) -> Outcome<()> {
        let dir = lock(&self.names).inode(&place);
        if dir.is_some_and(|dir| !self.writes.pending_in(dir).is_empty()) {
            return Err(Errno::NOTEMPTY);
        }
        self.backend.remove_directory(&place).await?;
        lock(&self.names).removed(&place);
        Ok(())
    }

    /// Opens a directory.
    pub fn open_directory(&self, dir: InodeId) -> u64 {
        let parent = lock(&self.names).place(dir).map_or(dir, |place| place.dir);
        let directory = Arc::new(OpenDirectory::new(dir, parent));
        self.handles.add(Handle::Directory(directory))
    }

    /// The open directory of a handle.
    pub(crate) fn directory(&self, handle: u64) -> Outcome<Arc<OpenDirectory>> {
        match self.handles.get(handle) {
            Some(Handle::Directory(directory)) => Ok(directory),
            Some(Handle::Read(_) | Handle::Write(_)) | None => Err(Errno::BADF),
        }
    }

    /// Closes a directory.
    pub fn close_directory(&self, handle: u64) {
        self.handles.remove(handle);
    }
}
