//! The bytes of a file that is being written, wherever they are.
//!
//! Small files stay in memory, where any access is easy. A large file that is written front to back streams into
//! its transient file. Any other access moves the content to a local [`Spool`], from which it is written front to
//! back when the file is published.
//!
//! **Invariant:** after an error that may have lost bytes the content is broken: it cannot be published until it
//! was truncated to nothing.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::{FILE_BYTES_MAX, InodeId, Name, NewAttributes};

use crate::backend::{Backend, Link, Reader, Writer};
use crate::errno::{Errno, Outcome};
use crate::spool::Spool;

/// Largest content kept in memory, in bytes.
const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Unit of copying, in bytes.
const COPY_BYTES: usize = 1 << 20;
/// Shortest run of zeros, aligned to its length, that becomes a hole, in bytes.
const HOLE_BYTES: usize = 256 << 10;

/// The content of one file being written.
pub struct Content {
    backend: Arc<dyn Backend>,
    spool_dir: Arc<Path>,
    dir: InodeId,
    new: NewAttributes,
    note: Name,
    /// The transient file whose inode the kernel knows, as long as nothing was written to it.
    reserved: Option<Box<dyn Writer>>,
    body: Body,
    size: u64,
}

enum Body {
    /// All of it. `sequential` as long as nothing was written out of order.
    Memory { bytes: Vec<u8>, sequential: bool },
    /// In the transient file.
    Stream(Box<dyn Writer>),
    /// In a local file.
    Spool(Spool),
    /// Published, nothing was written since.
    Published(InodeId, Option<Arc<dyn Reader>>),
    /// Bytes were lost.
    Broken(Errno),
}

/// What is needed to make [`Content`].
pub struct NewContent {
    /// The cluster.
    pub backend: Arc<dyn Backend>,
    /// Where spools are.
    pub spool_dir: Arc<Path>,
    /// Where the file is going to be linked.
    pub dir: InodeId,
    /// Attributes of the transient file.
    pub new: NewAttributes,
    /// The name, for people.
    pub note: Name,
}

impl Content {
    /// Reserves a transient file; also tells its inode.
    pub async fn reserve(from: NewContent) -> Outcome<(Self, InodeId)> {
        let NewContent {
            backend,
            spool_dir,
            dir,
            new,
            note,
        } = from;
        let mut writer = backend.create(dir, new, &note).await?;
        let inode = writer.reserve().await?;
        let content = Self {
            backend,
            spool_dir,
            dir,
            new,
            note,
            reserved: Some(writer),
            body: Body::empty(),
            size: 0,
        };
        Ok((content, inode))
    }

    /// Bytes so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Writes anywhere; a gap reads as zeros.
    pub async fn write(&mut self, offset: u64, data: Bytes) -> Outcome<()> {
        let end = offset.saturating_add(data.len() as u64);
        if end > FILE_BYTES_MAX {
            return Err(Errno::FBIG);
        }
        let prepared = self.prepare(offset, end).await;
        self.settle(prepared)?;
        let size = self.size;
        let result = match &mut self.body {
            Body::Memory { bytes, sequential } => {
                *sequential &= offset >= size;
                // Both fit: `prepare` keeps only small contents in memory.
                let (start, end) = (offset as usize, end as usize);
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(&data);
                Ok(())
            }
            Body::Stream(writer) => append(writer.as_mut(), offset - size, data).await,
            Body::Spool(spool) => spool.write(offset, data).await,
            Body::Published(..) => Err(Errno::IO), // `prepare` made it local
            Body::Broken(errno) => Err(*errno),
        };
        self.settle(result)?;
        self.size = self.size.max(end);
        Ok(())
    }

    /// Cuts or extends with zeros.
    pub async fn truncate(&mut self, size: u64) -> Outcome<()> {
        if size > FILE_BYTES_MAX {
            return Err(Errno::FBIG);
        }
        if size == 0 {
            if let Body::Stream(mut writer) = std::mem::replace(&mut self.body, Body::empty()) {
                writer.scrap().await;
            }
            self.size = 0;
            return Ok(());
        }
        if size == self.size {
            return Ok(());
        }
        let prepared = self.prepare_to_truncate(size).await;
        self.settle(prepared)?;
        let old = self.size;
        let result = match &mut self.body {
            Body::Memory { bytes, .. } => {
                bytes.resize(size as usize, 0);
                Ok(())
            }
            Body::Spool(spool) => spool.truncate(size).await,
            Body::Stream(writer) => writer.hole(size - old).await,
            Body::Published(..) => Err(Errno::IO), // `prepare_to_truncate` made it local
            Body::Broken(errno) => Err(*errno),
        };
        self.settle(result)?;
        self.size = size;
        Ok(())
    }

    /// Reads what is there; fewer than `len` bytes only at the end.
    pub async fn read(&mut self, offset: u64, len: usize) -> Outcome<Bytes> {
        let rest = self.size.saturating_sub(offset);
        let len = len.min(usize::try_from(rest).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(Bytes::new());
        }
        match &mut self.body {
            Body::Memory { bytes, .. } => {
                let start = offset as usize;
                Ok(Bytes::copy_from_slice(&bytes[start..start + len]))
            }
            Body::Stream(writer) => writer.read_at(offset, len).await,
            Body::Spool(spool) => spool.read(offset, len).await,
            Body::Published(inode, reader) => {
                let reader = opened(&self.backend, *inode, reader).await?;
                reader.read_at(offset, len).await
            }
            Body::Broken(errno) => Err(*errno),
        }
    }

    /// Waits for what is on its way to the disks.
    pub async fn sync(&mut self) -> Outcome<()> {
        match &mut self.body {
            Body::Stream(writer) => writer.sync().await,
            Body::Memory { .. } | Body::Spool(_) | Body::Published(..) => Ok(()),
            Body::Broken(errno) => Err(*errno),
        }
    }

    /// Makes the content visible as one file.
    pub async fn publish(&mut self, link: Link) -> Outcome<InodeId> {
        let result = match &mut self.body {
            Body::Stream(writer) => writer.link(link).await,
            Body::Memory { .. } | Body::Spool(_) => self.publish_local(link).await,
            Body::Published(inode, _) => Ok(*inode),
            Body::Broken(errno) => Err(*errno),
        };
        match result {
            Ok(inode) => self.body = Body::Published(inode, None),
            Err(errno) => self.body = Body::Broken(errno),
        }
        result
    }

    /// The file will be linked in another directory, perhaps of another shard.
    pub async fn relocate(&mut self, dir: InodeId, note: Name) -> Outcome<()> {
        self.note = note;
        if dir == self.dir {
            return Ok(());
        }
        if matches!(self.body, Body::Stream(_)) {
            self.move_to_spool().await?;
        }
        self.dir = dir;
        if let Some(mut writer) = self.reserved.take() {
            writer.scrap().await;
        }
        Ok(())
    }

    /// Gives everything up that is not published.
    pub async fn discard(&mut self) {
        let body = std::mem::replace(&mut self.body, Body::Broken(Errno::IO));
        let stream = match body {
            Body::Stream(writer) => Some(writer),
            Body::Memory { .. } | Body::Spool(_) | Body::Published(..) | Body::Broken(_) => None,
        };
        for mut writer in stream.into_iter().chain(self.reserved.take()) {
            writer.scrap().await;
        }
    }

    /// Chooses where bytes from `offset` to `end` can be written.
    async fn prepare(&mut self, offset: u64, end: u64) -> Outcome<()> {
        self.make_local().await?;
        let appending = offset >= self.size;
        match &self.body {
            Body::Memory { .. } if end <= MEMORY_BYTES_MAX as u64 => Ok(()),
            Body::Memory { sequential, .. } if *sequential && appending => {
                self.move_to_stream().await
            }
            Body::Memory { .. } => self.move_to_spool().await,
            Body::Stream(_) if !appending => self.move_to_spool().await,
            Body::Stream(_) | Body::Spool(_) | Body::Published(..) | Body::Broken(_) => Ok(()),
        }
    }

    /// A stream can be extended but not cut. A large extension in memory is probably going to be written into.
    async fn prepare_to_truncate(&mut self, size: u64) -> Outcome<()> {
        self.make_local().await?;
        match &self.body {
            Body::Memory { .. } if size > MEMORY_BYTES_MAX as u64 => self.move_to_spool().await,
            Body::Stream(_) if size < self.size => self.move_to_spool().await,
            Body::Memory { .. }
            | Body::Stream(_)
            | Body::Spool(_)
            | Body::Published(..)
            | Body::Broken(_) => Ok(()),
        }
    }

    /// Brings published content back to where it can be changed.
    async fn make_local(&mut self) -> Outcome<()> {
        let Body::Published(inode, reader) = &mut self.body else {
            return Ok(());
        };
        let reader = opened(&self.backend, *inode, reader).await?;
        if reader.size() <= MEMORY_BYTES_MAX as u64 {
            let bytes = reader.read_at(0, reader.size() as usize).await?;
            let sequential = true;
            let bytes = bytes.to_vec();
            self.body = Body::Memory { bytes, sequential };
            return Ok(());
        }
        self.move_to_spool().await
    }

    /// From memory to the transient file.
    async fn move_to_stream(&mut self) -> Outcome<()> {
        let mut writer = self.transient().await?;
        let Body::Memory { bytes, .. } = &mut self.body else {
            return Ok(());
        };
        let bytes = Bytes::from(std::mem::take(bytes));
        let result = if bytes.is_empty() {
            Ok(())
        } else {
            writer.write(bytes).await
        };
        self.body = Body::Stream(writer);
        self.settle(result)
    }

    /// From anywhere to a local file.
    async fn move_to_spool(&mut self) -> Outcome<()> {
        if matches!(self.body, Body::Spool(_) | Body::Broken(_)) {
            return Ok(());
        }
        let spool = Spool::create(self.spool_dir.clone()).await?;
        let mut offset = 0;
        while offset < self.size {
            let data = self.read(offset, COPY_BYTES).await?;
            if data.is_empty() {
                return Err(Errno::IO); // shorter than it was
            }
            let len = data.len() as u64;
            if data.iter().any(|byte| *byte != 0) {
                spool.write(offset, data).await?;
            }
            offset += len;
        }
        spool.truncate(self.size).await?;
        if let Body::Stream(mut writer) = std::mem::replace(&mut self.body, Body::Spool(spool)) {
            writer.scrap().await;
        }
        Ok(())
    }

    async fn publish_local(&mut self, link: Link) -> Outcome<InodeId> {
        if let Some(mut writer) = self.reserved.take() {
            match self.fill(writer.as_mut(), link.clone()).await {
                // It expired while nothing was written for a long time: a new one will do.
                Err(Errno::STALE | Errno::ROFS | Errno::NOENT) => {}
                result => return self.scrap_unless_linked(writer, result).await,
            }
        }
        let mut writer = self.transient().await?;
        let result = self.fill(writer.as_mut(), link).await;
        self.scrap_unless_linked(writer, result).await
    }

    async fn scrap_unless_linked(
        &self,
        mut writer: Box<dyn Writer>,
        result: Outcome<InodeId>,
    ) -> Outcome<InodeId> {
        if result.is_err() {
            writer.scrap().await;
        }
        result
    }

    /// Writes the local content front to back and links it.
    async fn fill(&mut self, writer: &mut dyn Writer, link: Link) -> Outcome<InodeId> {
        let unit = match self.body {
            Body::Spool(_) => HOLE_BYTES,
            Body::Memory { .. } | Body::Stream(_) | Body::Published(..) | Body::Broken(_) => {
                MEMORY_BYTES_MAX
            }
        };
        let (mut offset, mut zeros) = (0, 0);
        while offset < self.size {
            let data = self.read(offset, unit).await?;
            let len = data.len() as u64;
            if len == HOLE_BYTES as u64 && data.iter().all(|byte| *byte == 0) {
                zeros += len;
            } else {
                append(writer, std::mem::take(&mut zeros), data).await?;
            }
            offset += len;
        }
        if zeros > 0 {
            writer.hole(zeros).await?;
        }
        writer.link(link).await
    }

    /// The reserved transient file, or a new one.
    async fn transient(&mut self) -> Outcome<Box<dyn Writer>> {
        match self.reserved.take() {
            Some(writer) => Ok(writer),
            None => self.backend.create(self.dir, self.new, &self.note).await,
        }
    }

    fn settle(&mut self, result: Outcome<()>) -> Outcome<()> {
        if let Err(errno) = result {
            self.body = Body::Broken(errno);
        }
        result
    }
}

impl Body {
    const fn empty() -> Self {
        Self::Memory {
            bytes: Vec::new(),
            sequential: true,
        }
    }
}

async fn append(writer: &mut dyn Writer, gap: u64, data: Bytes) -> Outcome<()> {
    if gap > 0 {
        writer.hole(gap).await?;
    }
    writer.write(data).await
}

async fn opened(
    backend: &Arc<dyn Backend>,
    inode: InodeId,
    reader: &mut Option<Arc<dyn Reader>>,
) -> Outcome<Arc<dyn Reader>> {
    match reader {
        Some(reader) => Ok(reader.clone()),
        None => Ok(reader.insert(backend.open(inode).await?).clone()),
    }
}
