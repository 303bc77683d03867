//! A file being written.

use bytes::Bytes;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes, Refusal, Time};

use crate::client::Client;
use crate::error::ClientError;

/// A file being written: bytes are appended, and it becomes visible whole when it is linked.
pub struct FileWriter {
    _client: Client,
}

/// A file became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its inode.
    pub inode: InodeId,
    /// When, in log time of its shard.
    pub created: Time,
}

impl Client {
    /// Begins a file that is going to be linked in `dir`. `note` is for people, usually its name. No request is
    /// made before there is something to store.
    pub fn create(&self, _dir: InodeId, _attributes: NewAttributes, _note: &str) -> FileWriter {
        FileWriter {
            _client: self.clone(),
        }
    }
}

impl FileWriter {
    /// Makes the inode now and tells its id.
    pub async fn reserve(&mut self) -> Result<InodeId, ClientError> {
        Err(Refusal::Unsupported.into())
    }

    /// Appends bytes.
    pub async fn write(&mut self, _bytes: &[u8]) -> Result<(), ClientError> {
        Err(Refusal::Unsupported.into())
    }

    /// Appends `size` zeros, which take no space.
    pub async fn hole(&mut self, _size: u64) -> Result<(), ClientError> {
        Err(Refusal::Unsupported.into())
    }

    /// Bytes so far.
    pub const fn len(&self) -> u64 {
        0
    }

    /// Whether nothing has been written yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads what was written so far; short only at the end.
    pub async fn read_at(&mut self, _offset: u64, _len: usize) -> Result<Bytes, ClientError> {
        Err(Refusal::Unsupported.into())
    }

    /// Stores what is left and makes the file visible. After a refusal, like `Exists`, it may be linked by another name.
    pub async fn link(
        &mut self,
        _name: &Name,
        _replace: Replace,
        _attributes: AttributeChange,
    ) -> Result<Linked, ClientError> {
        Err(Refusal::Unsupported.into())
    }

    /// Gives the file up. Dropping it without linking does the same in the background.
    pub async fn scrap(self) -> Result<(), ClientError> {
        Ok(())
    }
}
