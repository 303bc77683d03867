//! Reading and writing open files.

use std::sync::Arc;

use bytes::Bytes;

use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::handles::Handle;
use crate::write_file::WriteFile;

impl FileSystem {
    /// Reads from an open file.
    pub async fn read(&self, handle: u64, offset: u64, len: u32) -> Outcome<Bytes> {
        match self.handles.get(handle) {
            Some(Handle::Read(reader)) => reader.read_at(offset, len as usize).await,
            Some(Handle::Write(file)) => file.read(offset, len as usize).await,
            Some(Handle::Directory(_)) => Err(Errno::ISDIR),
            None => Err(Errno::BADF),
        }
    }

    /// Writes to an open file; at its end if that is how it was opened.
    pub async fn write(
        &self,
        who: Caller,
        handle: u64,
        offset: u64,
        flags: i32,
        data: Bytes,
    ) -> Outcome<u32> {
        let file = self.written(handle)?;
        let len = u32::try_from(data.len()).map_err(|_| Errno::INVAL)?;
        let offset = (flags & libc::O_APPEND == 0).then_some(offset);
        file.write(who.pid, offset, data).await?;
        Ok(len)
    }

    /// Extends an open file. There is nothing to be reserved or punched out.
    pub async fn allocate(
        &self,
        who: Caller,
        handle: u64,
        range: std::ops::Range<u64>,
        mode: i32,
    ) -> Outcome<()> {
        let file = self.written(handle)?;
        if mode != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        file.extend(who.pid, range.end).await
    }

    /// Waits for what is on its way to the disks. It is not published: that is what closing is for.
    pub async fn sync(&self, handle: u64) -> Outcome<()> {
        match self.handles.get(handle) {
            Some(Handle::Write(file)) => file.sync().await,
            Some(Handle::Read(_) | Handle::Directory(_)) => Ok(()),
            None => Err(Errno::BADF),
        }
    }

    fn written(&self, handle: u64) -> Outcome<Arc<WriteFile>> {
        match self.handles.get(handle) {
            Some(Handle::Write(file)) => Ok(file),
            Some(Handle::Read(_) | Handle::Directory(_)) | None => Err(Errno::BADF),
        }
    }
}
