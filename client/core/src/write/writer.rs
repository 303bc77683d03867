//! A file being written.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{FILE_BYTES_MAX, InodeId, NewAttributes, PolicySet, Xattr, XattrMode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::UNIT_BYTES;
use super::piece::{Content, gather_bytes, split_hole};
use super::pump::{Piece, Pump};
use super::transient::Plan;
use crate::client::Client;
use crate::error::{ClientError, ClosedReason};
use crate::read::FileReader;

/// Bytes that every writer may gather whatever the others hold.
const FREE_BYTES: usize = 1 << 20;
/// How long to wait for memory before storing what there is as a smaller extent.
const MEMORY_WAIT: Duration = Duration::from_millis(200);
/// Holes below this are written as zeros, in bytes.
const HOLE_BYTES_MIN: u64 = 64 << 10;
/// Zeros appended at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// A file being written: bytes are appended, and it becomes visible whole when it is linked.
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
    pub(super) tail: BytesMut,
    /// Where the tail begins in the file.
    tail_offset: u64,
    memory: Option<OwnedSemaphorePermit>,
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
            tail: BytesMut::new(),
            tail_offset: 0,
            memory: None,
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
            self.tail.extend_from_slice(now);
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
            let bytes = &self.tail[in_tail(offset)..in_tail(end)];
            return Ok(Bytes::copy_from_slice(bytes));
        }
        let mut whole = BytesMut::with_capacity(len.min(1 << 30));
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
            whole.extend_from_slice(&self.tail[..in_tail(end)]);
        }
        Ok(whole.freeze())
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

    /// Bytes that the tail may take now, at least one.
    async fn room(&mut self) -> Result<usize, ClientError> {
        let full = gather_bytes(&*self.policies().await?);
        loop {
            let units = self
                .memory
                .as_ref()
                .map_or(0, OwnedSemaphorePermit::num_permits);
            let allowed = full.min(FREE_BYTES + units * UNIT_BYTES);
            if self.tail.len() < allowed {
                return Ok(allowed - self.tail.len());
            }
            if self.tail.len() >= full || !self.more_memory().await {
                self.push_tail().await?;
            }
        }
    }

    async fn more_memory(&mut self) -> bool {
        let writers = self.client.inner.writers.clone();
        match timeout(MEMORY_WAIT, writers.acquire_owned()).await {
            Ok(Ok(more)) => {
                match &mut self.memory {
                    Some(memory) => memory.merge(more),
                    None => self.memory = Some(more),
                }
                true
            }
            Ok(Err(_)) | Err(_) => false,
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
        let (tail, memory) = (&mut self.tail, &mut self.memory);
        let (offset, size) = (self.tail_offset, tail.len() as u64);
        let make = || Piece {
            offset,
            content: Content::of(std::mem::take(tail).freeze(), &policies),
            policies: policies.clone(),
            memory: memory.take(),
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
            memory: None,
        };
        pump.push(make).await?;
        self.tail_offset += size;
        Ok(())
    }
}
