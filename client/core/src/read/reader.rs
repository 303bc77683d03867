//! An open file.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{Cookie, Extent, ExtentBody, InodeId, InodeKind, PAGE_BYTES, Refusal};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::buffers::room_for;
use super::cached::read_cached;
use super::fetch::Part;
use super::layout::Layout;
use super::segments::{Home, Segments};
use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::reports::Place;

/// Pieces of one read that are read at the same time.
const PIECES_IN_FLIGHT: usize = 3;
/// Bytes of such a piece.
const PIECE_BYTES: u64 = 10 << 20;
const PAGE: u64 = PAGE_BYTES as u64;
const _: () = assert!(PIECE_BYTES.is_multiple_of(PAGE));
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
    layout: Arc<Layout>,
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
            layout: Arc::new(layout),
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
        let begin = |range: Range<u64>, share| {
            let source = source.clone();
            async move {
                let deadline = source.client.deadline();
                source.read(range, Some(share), deadline).await
            }
        };
        let home = Home {
            size: source.size,
            runtime: &inner.runtime,
            memory: &inner.readers,
            layout: &source.layout,
        };
        let coming = self.segments.note(offset..end, &home, begin);
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
        let deadline = source.client.deadline();
        source.read(offset..end, None, deadline).await
    }
}

impl Source {
    /// Reads a range that lies within the file. The share of memory is given back with the bytes.
    async fn read(
        &self,
        range: Range<u64>,
        share: Option<OwnedSemaphorePermit>,
        deadline: Deadline,
    ) -> Result<Bytes, ClientError> {
        let start = range.start / PAGE * PAGE;
        let end = page_up(range.end);
        let len = usize::try_from(end - start).unwrap_or(usize::MAX);
        let (memory, lease) = self.client.inner.buffers.take(len, share);
        let filled = self.fill(start..end, memory, deadline).await?;
        let (skip, end) = (range.start - start, range.end - start);
        Ok(lease.lend(filled).slice(skip as usize..end as usize))
    }

    /// Fills memory with whole pages, extent by extent.
    async fn fill(
        &self,
        pages: Range<u64>,
        mut memory: BytesMut,
        deadline: Deadline,
    ) -> Result<BytesMut, ClientError> {
        let inner = &self.client.inner;
        let mut at = pages.start;
        let mut wanted = Vec::new();
        loop {
            let extent = self.layout.extent(inner, at, deadline).await?;
            let end = page_up(extent.end());
            let end = end.min(at.saturating_add(PIECE_BYTES)).min(pages.end);
            if end == pages.end && wanted.is_empty() {
                return self.read_extent(at..end, extent, memory, deadline).await;
            }
            let rest = memory.split_off((end - at) as usize);
            wanted.push((at..end, extent, memory));
            if end == pages.end {
                break;
            }
            (at, memory) = (end, rest);
        }
        let reads = wanted
            .into_iter()
            .map(|(range, extent, memory)| self.read_extent(range, extent, memory, deadline));
        let mut pieces = stream::iter(reads).buffered(PIECES_IN_FLIGHT);
        let mut whole = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            whole.unsplit(piece);
        }
        Ok(whole)
    }

    /// Reads whole pages of one extent; tries again, with a new layout, while services are out of reach.
    async fn read_extent(
        &self,
        pages: Range<u64>,
        mut extent: Arc<Extent>,
        memory: BytesMut,
        deadline: Deadline,
    ) -> Result<BytesMut, ClientError> {
        let inner = &self.client.inner;
        let len = (pages.end - pages.start) as usize;
        let mut memory = Some(memory);
        let mut reloads = 0;
        loop {
            let from = pages.start - extent.offset;
            let to = from + len as u64;
            if !from.is_multiple_of(PAGE) {
                return Err(self.damaged(pages.start));
            }
            let mut room = memory.take().unwrap_or_else(|| room_for(len));
            let (layout, blocks) = match &extent.body {
                ExtentBody::Inline(bytes) => {
                    let part = bytes.get(from as usize..(to as usize).min(bytes.len()));
                    let whole = bytes.len() as u64 == extent.size;
                    let part = part.filter(|_| whole);
                    room.extend_from_slice(part.ok_or_else(|| self.damaged(pages.start))?);
                    room.resize(len, 0);
                    return Ok(room);
                }
                ExtentBody::Hole => {
                    room.resize(len, 0);
                    return Ok(room);
                }
                ExtentBody::Blocks { layout, blocks, .. } => (*layout, blocks),
            };
            if !layout.fits(extent.size) || to > layout.capacity() {
                return Err(self.damaged(pages.start));
            }
            let part = Part {
                place: Place {
                    file: self.file,
                    offset: extent.offset,
                },
                layout,
                blocks,
                from,
                to,
            };
            let lost = match read_cached(inner, &extent, (part, room), deadline).await {
                Ok(found) => {
                    if found.elsewhere {
                        self.layout.look_again(inner, extent.offset);
                    }
                    return Ok(found.pages);
                }
                Err(lost) => lost,
            };
            if lost.may_recover {
                if deadline.remaining().is_none_or(|left| left < RETRY_PAUSE) {
                    return Err(lost.into_error(self.file, pages.start, &layout));
                }
                inner.refresh_soon();
                sleep(RETRY_PAUSE).await;
            } else {
                reloads += 1;
                if reloads > RELOADS_MAX {
                    return Err(self.damaged(pages.start));
                }
            }
            self.layout.forget(extent.offset);
            extent = self.layout.extent(inner, pages.start, deadline).await?;
            if pages.end > page_up(extent.end()) {
                return Err(self.damaged(pages.start));
            }
        }
    }

    const fn damaged(&self, offset: u64) -> ClientError {
        ClientError::Damaged {
            file: self.file,
            offset,
        }
    }
}

/// Up to the border of a page.
const fn page_up(offset: u64) -> u64 {
    offset.saturating_add(PAGE - 1) / PAGE * PAGE
}
