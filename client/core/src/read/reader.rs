//! An open file.

use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::{InodeId, Refusal};

use crate::client::Client;
use crate::error::ClientError;

/// An open file. May be read from many tasks at once.
pub struct FileReader {
    size: u64,
}

impl Client {
    /// Opens a linked file for reading.
    pub async fn open(&self, _file: InodeId) -> Result<Arc<FileReader>, ClientError> {
        Err(Refusal::Unsupported.into())
    }
}

impl FileReader {
    /// Bytes of the file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Reads `len` bytes at `offset`; fewer only at the end of the file.
    pub async fn read_at(&self, _offset: u64, _len: usize) -> Result<Bytes, ClientError> {
        Err(Refusal::Unsupported.into())
    }
}
