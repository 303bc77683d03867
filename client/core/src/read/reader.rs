//! An open file.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{Cookie, Extent, ExtentBody, InodeId, InodeKind, Refusal};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::sleep;

use super::fetch::{Part, read_part};
use super::layout::Layout;
use super::segments::Segments;
use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::ClientError;

/// Pieces of one read that are read at the same time.
const PIECES_IN_FLIGHT: usize = 3;
/// Bytes of such a piece.
const PIECE_BYTES: u64 = 8 << 20;
/// Pause before a read is tried again because too few services were in reach.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often damage is believed to be a matter of an old layout.
const RELOADS_MAX: u32 = 1;

/// An open file. May be read from many tasks at once; its bytes never change.
pub struct FileReader {
    source: Arc<Source>,
    segments: Segments,
}

/// What the tasks of a reader share.
struct Source {
    client: Client,
    file: InodeId,
    size: u64,
    layout: Layout,
}

impl Client {
    /// Opens a linked file for reading.
    pub async fn open(&self, file: InodeId) -> Result<Arc<FileReader>, ClientError> {
        match file.kind() {
            InodeKind::File => {}
            InodeKind::Directory => return Err(Refusal::IsDirectory.into()),
            InodeKind::Symlink => {
                return Err(Refusal::Invalid(eggs_proto::InvalidArgument::Kind).into());
            }
        }
        let deadline = self.deadline();
        let page = self.inner.extents(file, None, 0, deadline).await?;
        let size = if page.more {
            self.inner.stat(file, deadline).await?.size
        } else {
            page.extents.last().map_or(0, Extent::end)
        };
        let layout = Layout::new(file, None);
        layout.remember(page.extents);
        Ok(Arc::new(FileReader::new(self, file, size, layout)))
    }
}

impl FileReader {
    fn new(client: &Client, file: InodeId, size: u64, layout: Layout) -> Self {
        let source = Source {
            client: client.clone(),
            file,
            size,
            layout,
        };
        Self {
            source: Arc::new(source),
            segments: Segments::default(),
        }
    }

    /// Reads the first `size` bytes of a transient file, all of which are certified.
    pub(crate) fn of_transient(file: InodeId, cookie: Cookie, size: u64, client: &Client) -> Self {
        Self::new(client, file, size, Layout::new(file, Some(cookie)))
    }

    /// The file.
    pub fn inode(&self) -> InodeId {
        self.source.file
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.source.size
    }

    /// Reads `len` bytes at `offset`; fewer only at the end of the file. Reads that follow one another are read
    /// ahead.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, ClientError> {
        let source = &self.source;
        let end = offset.saturating_add(len as u64).min(source.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let inner = &source.client.inner;
        let begin = |range: Range<u64>| {
            let source = source.clone();
            async move { source.read(range, source.client.deadline()).await }
        };
        let place = (&inner.runtime, &inner.readers);
        let coming = self.segments.note(offset..end, source.size, place, begin);
        if let Some(coming) = coming {
            match coming.bytes().await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => {
                    self.segments.clear();
                    tracing::debug!(file = %source.file, %error, "reading ahead failed");
                    if !error.is_retryable() {
                        return Err(error);
                    }
                }
            }
        }
        source.read(offset..end, source.client.deadline()).await
    }
}

impl Source {
    /// Reads a range that lies within the file.
    async fn read(&self, range: Range<u64>, deadline: Deadline) -> Result<Bytes, ClientError> {
        let starts = (range.start..range.end).step_by(PIECE_BYTES as usize);
        let pieces = starts.map(|start| start..(start + PIECE_BYTES).min(range.end));
        let mut parts: Vec<Vec<Bytes>> =
            stream::iter(pieces.map(|piece| self.read_piece(piece, deadline)))
                .buffered(PIECES_IN_FLIGHT)
                .try_collect()
                .await?;
        if let [only] = &mut parts[..]
            && only.len() == 1
            && let Some(bytes) = only.pop()
        {
            return Ok(bytes);
        }
        let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
        for part in parts.into_iter().flatten() {
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// Reads a range extent by extent.
    async fn read_piece(
        &self,
        range: Range<u64>,
        deadline: Deadline,
    ) -> Result<Vec<Bytes>, ClientError> {
        let inner = &self.client.inner;
        let mut at = range.start;
        let mut wanted = Vec::new();
        while at < range.end {
            let extent = self.layout.extent(inner, at, deadline).await?;
            let end = extent.end().min(range.end);
            wanted.push((at..end, extent));
            at = end;
        }
        let reads = wanted
            .into_iter()
            .map(|(range, extent)| self.read_extent(range, extent, deadline));
        stream::iter(reads)
            .buffered(PIECES_IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Reads a range of one extent; tries again, with a new layout, while services are out of reach.
    async fn read_extent(
        &self,
        range: Range<u64>,
        mut extent: Arc<Extent>,
        deadline: Deadline,
    ) -> Result<Bytes, ClientError> {
        let inner = &self.client.inner;
        let mut reloads = 0;
        loop {
            let (from, to) = (range.start - extent.offset, range.end - extent.offset);
            let (layout, blocks) = match &extent.body {
                ExtentBody::Inline(bytes) => {
                    let part = bytes.get(from as usize..to as usize);
                    let damaged = self.damaged(range.start);
                    return part.map(Bytes::copy_from_slice).ok_or(damaged);
                }
                ExtentBody::Hole => return Ok(BytesMut::zeroed((to - from) as usize).freeze()),
                ExtentBody::Blocks { layout, blocks, .. } => (*layout, blocks),
            };
            let part = Part {
                layout,
                blocks,
                from,
                to,
            };
            let lost = match read_part(inner, part, deadline).await {
                Ok(bytes) => return Ok(bytes),
                Err(lost) => lost,
            };
            if lost.may_recover {
                if deadline.remaining().is_none_or(|left| left < RETRY_PAUSE) {
                    return Err(lost.into_error(self.file, range.start, &layout));
                }
                inner.refresh_soon();
                sleep(RETRY_PAUSE).await;
            } else {
                reloads += 1;
                if reloads > RELOADS_MAX {
                    return Err(self.damaged(range.start));
                }
            }
            self.layout.forget(extent.offset);
            let again = self.layout.extent(inner, range.start, deadline).await?;
            if range.end > again.end() {
                return Err(self.damaged(range.start));
            }
            extent = again;
        }
    }

    const fn damaged(&self, offset: u64) -> ClientError {
        ClientError::Damaged {
            file: self.file,
            offset,
        }
    }
}
