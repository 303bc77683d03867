//! A file being written.

use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::{FILE_BYTES_MAX, InodeId, NewAttributes, PolicySet, Xattr, XattrMode};

use super::chunks::CHUNK_BYTES;
use super::piece::{Content, gather_bytes, split_hole};
use super::pump::{Piece, Pump};
use super::tail::Tail;
use super::transient::Plan;
use crate::client::Client;
use crate::error::{ClientError, ClosedReason};
use crate::read::FileReader;

/// Chunks that every writer may gather whatever the others hold.
const FREE_CHUNKS: usize = (1 << 20) / CHUNK_BYTES;
/// Holes below this are written as zeros, in bytes.
const HOLE_BYTES_MIN: u64 = 64 << 10;
/// Zeros appended at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// A file being written: bytes are appended, and it becomes visible whole when it is linked.
///
/// ```no_run
/// # async fn copy(client: eggs_client::Client, dir: eggs_proto::InodeId, attributes: eggs_proto::NewAttributes)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = client.create(dir, attributes, "copy");
/// writer.write(b"head").await?;
/// writer.hole(1 << 20).await?;
/// assert_eq!(writer.len(), 4 + (1 << 20));
/// # Ok(())
/// # }
/// ```
///
/// Dropping the future of [`FileWriter::write`] may leave the first part of its bytes appended; `len` tells.
/// After an error nothing more can be appended.
pub struct FileWriter {
    pub(super) client: Client,
    pub(super) dir: InodeId,
    pub(super) attributes: NewAttributes,
    note: String,
    pub(super) pump: Option<Pump>,
    /// The inode was reserved: it has none of our attributes yet.
    pub(super) reserved: bool,
    /// Bytes not handed to the pump yet.
    pub(super) tail: Tail,
    /// Where the tail begins in the file.
    tail_offset: u64,
    policies: Option<Arc<PolicySet>>,
    pub(super) closed: Option<ClosedReason>,
}

impl Client {
    /// Begins a file that is going to be linked in `dir`. `note` is for people, usually its name. No request is
    /// made before there is something to store.
    pub fn create(&self, dir: InodeId, attributes: NewAttributes, note: &str) -> FileWriter {
        FileWriter {
            client: self.clone(),
            dir,
            attributes,
            note: note.to_owned(),
            pump: None,
            reserved: false,
            tail: Tail::default(),
            tail_offset: 0,
            policies: None,
            closed: None,
        }
    }
}

impl FileWriter {
    /// Chooses the inode now and tells its id. Costs a request only when a batch of reserved files is used up.
    pub async fn reserve(&mut self) -> Result<InodeId, ClientError> {
        self.check_open()?;
        if self.pump.is_none() {
            let transient = self.plan().reserved().await?;
            self.reserved = true;
            self.pump = Some(Pump::start(self.plan(), Some(transient)));
        }
        Ok(self.started().transient().await?.file)
    }

    /// Sets an extended attribute that the file has when it becomes visible.
    pub async fn set_xattr(&mut self, xattr: Xattr) -> Result<(), ClientError> {
        let file = self.reserve().await?;
        self.client.set_xattr(file, xattr, XattrMode::Set).await
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.tail_offset + self.tail.len() as u64
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), ClientError> {
        self.check_room(bytes.len() as u64)?;
        while !bytes.is_empty() {
            let room = self.room().await?;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.tail.append(now);
            bytes = later;
        }
        let full = gather_bytes(&*self.policies().await?);
        if self.tail.len() >= full {
            self.push_tail().await?;
        }
        Ok(())
    }

    /// Appends `size` zeros; many of them take no space.
    pub async fn hole(&mut self, size: u64) -> Result<(), ClientError> {
        self.check_room(size)?;
        if size < HOLE_BYTES_MIN {
            return self.zeros(size).await;
        }
        let parts = split_hole(self.tail.len() as u64, size);
        self.zeros(parts.before).await?;
        self.push_tail().await?;
        if parts.hole > 0 {
            self.push(Content::Hole(parts.hole), parts.hole).await?;
        }
        self.zeros(parts.after).await
    }

    /// Reads what was written so far; short only at the end. Waits for what is on its way to the disks, unless only
    /// bytes still in memory are asked for.
    pub async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, ClientError> {
        let end = offset.saturating_add(len as u64).min(self.len());
        if offset >= end {
            return Ok(Bytes::new());
        }
        let in_tail = |at: u64| usize::try_from(at - self.tail_offset).unwrap_or(usize::MAX);
        if offset >= self.tail_offset {
            return Ok(self.tail.copy(in_tail(offset)..in_tail(end)).freeze());
        }
        let mut whole = Vec::with_capacity(len.min(1 << 30));
        if let Some(pump) = &self.pump {
            pump.certify().await?;
            let stored = self.tail_offset;
            let transient = pump.transient().await?;
            let reader =
                FileReader::of_transient(transient.file, transient.cookie, stored, &self.client);
            let part = end.min(stored) - offset;
            whole.extend_from_slice(&reader.read_at(offset, part as usize).await?);
        }
        if end > self.tail_offset {
            whole.extend_from_slice(&self.tail.copy(0..in_tail(end)));
        }
        Ok(whole.into())
    }

    /// Gives the file up. Dropping it without linking does the same in the background.
    pub async fn scrap(mut self) -> Result<(), ClientError> {
        if self.closed.is_some() {
            return Ok(());
        }
        self.closed = Some(ClosedReason::Scrapped);
        match self.pump.take() {
            Some(pump) => match pump.stop() {
                Some(transient) => transient.scrap().await,
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    pub(super) fn check_open(&self) -> Result<(), ClientError> {
        self.closed
            .map_or(Ok(()), |why| Err(ClientError::Closed(why)))
    }

    fn check_room(&self, more: u64) -> Result<(), ClientError> {
        self.check_open()?;
        if self.len().saturating_add(more) > FILE_BYTES_MAX {
            return Err(ClientError::Closed(ClosedReason::TooLarge));
        }
        Ok(())
    }

    /// The policies that held when they were first needed.
    pub(super) async fn policies(&mut self) -> Result<Arc<PolicySet>, ClientError> {
        if let Some(known) = &self.policies {
            return Ok(known.clone());
        }
        let policies = self.client.policies(self.dir).await?;
        Ok(self.policies.insert(policies).clone())
    }

    fn plan(&self) -> Plan {
        Plan {
            client: self.client.clone(),
            dir: self.dir,
            attributes: self.attributes,
            note: self.note.clone(),
        }
    }

    /// The pump; the file itself is made with the first thing it stores.
    pub(super) fn started(&mut self) -> &Pump {
        if self.pump.is_none() {
            self.pump = Some(Pump::start(self.plan(), None));
        }
        self.pump.as_ref().expect("it was put there just now")
    }

    /// Bytes that the tail may take now, at least one. Without memory for more, what there is becomes a smaller extent.
    async fn room(&mut self) -> Result<usize, ClientError> {
        let policies = self.policies().await?;
        let full = gather_bytes(&policies);
        loop {
            let len = self.tail.len();
            let room = self.tail.room().min(full.saturating_sub(len));
            if room > 0 {
                return Ok(room);
            }
            if len >= full {
                self.push_tail().await?;
                continue;
            }
            let chunks = self.client.inner.chunks.clone();
            if self.tail.chunks() < FREE_CHUNKS {
                self.tail.grow(chunks.chunk(None));
                continue;
            }
            match chunks.share(share_of(self.tail.chunks(), &policies)).await {
                Some(share) => self.tail.grow(chunks.chunk(Some(share))),
                None => self.push_tail().await?,
            }
        }
    }

    async fn zeros(&mut self, size: u64) -> Result<(), ClientError> {
        let mut left = size;
        while left > 0 {
            let part = left.min(ZEROS.len() as u64);
            self.write(&ZEROS[..part as usize]).await?;
            left -= part;
        }
        Ok(())
    }

    /// Hands the tail to the pump.
    pub(super) async fn push_tail(&mut self) -> Result<(), ClientError> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let policies = self.policies().await?;
        self.started();
        let Some(pump) = &self.pump else {
            return Ok(());
        };
        let tail = &mut self.tail;
        let (offset, size) = (self.tail_offset, tail.len() as u64);
        let make = || Piece {
            offset,
            content: Content::of(tail.take(), &policies),
            policies: policies.clone(),
        };
        pump.push(make).await?;
        self.tail_offset += size;
        Ok(())
    }

    async fn push(&mut self, content: Content, size: u64) -> Result<(), ClientError> {
        let policies = self.policies().await?;
        let offset = self.tail_offset;
        let pump = self.started();
        let make = || Piece {
            offset,
            content,
            policies,
        };
        pump.push(make).await?;
        self.tail_offset += size;
        Ok(())
    }
}

/// What chunk number `chunk` of an extent takes of the budget, in chunks: itself and its part of the parity.
fn share_of(chunk: usize, policies: &PolicySet) -> u32 {
    let scheme = policies.plan(policies.extent_bytes_max()).scheme;
    let data = usize::from(scheme.data);
    // Copies share their memory.
    let blocks = if data == 1 { 1 } else { scheme.blocks() };
    let up_to = |chunks: usize| (chunks * blocks).div_ceil(data);
    u32::try_from(up_to(chunk + 1) - up_to(chunk)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use eggs_proto::{ExtentPolicy, ExtentRow, Policy, Scheme};

    use super::*;

    #[test]
    fn shares_of_all_chunks_add_up_to_the_extent_with_its_parity() {
        for (data, parity, expected) in [(10, 4, 112), (4, 4, 160), (1, 4, 80), (5, 0, 80)] {
            let mut policies = PolicySet::default();
            policies.set(Policy::Extent(ExtentPolicy {
                rows: vec![ExtentRow {
                    extent_bytes_max: 20 << 20,
                    scheme: Scheme { data, parity },
                }],
            }));
            let chunks = (20 << 20) / CHUNK_BYTES;
            let sum: u32 = (0..chunks).map(|chunk| share_of(chunk, &policies)).sum();
            assert_eq!(sum, expected, "{data}+{parity}");
        }
    }
}
