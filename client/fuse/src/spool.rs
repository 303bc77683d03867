//! A local file without a name, for files that are not written front to back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::errno::{Errno, Outcome};

/// The local file. It disappears with its last user, also when the process is killed.
#[derive(Clone, Debug)]
pub struct Spool(Arc<File>);

impl Spool {
    /// Makes an empty one in `dir`.
    pub async fn create(dir: Arc<Path>) -> Outcome<Self> {
        blocking(move || Ok(Self(Arc::new(tempfile::tempfile_in(dir)?)))).await
    }

    /// Writes all of `data`.
    pub async fn write(&self, offset: u64, data: Bytes) -> Outcome<()> {
        let file = self.0.clone();
        blocking(move || file.write_all_at(&data, offset)).await
    }

    /// Reads exactly `len` bytes, which must be there.
    pub async fn read(&self, offset: u64, len: usize) -> Outcome<Bytes> {
        let file = self.0.clone();
        blocking(move || {
            let mut data = vec![0; len];
            file.read_exact_at(&mut data, offset)?;
            Ok(data.into())
        })
        .await
    }

    /// Cuts or extends with zeros.
    pub async fn truncate(&self, size: u64) -> Outcome<()> {
        let file = self.0.clone();
        blocking(move || file.set_len(size)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Outcome<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Errno::from),
        Err(_) => Err(Errno::IO),
    }
}
