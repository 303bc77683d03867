//! A group's state as a stream of chunks, and the file in which a receiver collects them.
//!
//! What a chunk is, [`eggs_proto::image`] says. In the file each chunk is preceded by its length (4) and its XXH64 (8); a length of zero ends the file.
//!
//! **Invariant:** memory holds one chunk at a time, however large the state.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use eggs_durable::sync_directory;
pub(crate) use eggs_proto::image::for_each_row as for_each;
use xxhash_rust::xxh64::xxh64;

use super::StateDb;

/// A chunk is sent once it holds this many bytes.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// A chunk holds one entry more than that; larger ones are refused.
const CHUNK_BYTES_MAX: u32 = 64 << 20;

/// What openraft passes around as a snapshot.
pub(crate) enum Checkpoint {
    /// The group's state in this store at the moment of reading, which may be newer than asked for.
    Live(Arc<StateDb>),
    /// What was received from a leader.
    Staged(Staged),
}

/// A complete file of chunks, on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) path: PathBuf,
}

/// Builds a chunk.
#[derive(Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
}

impl Chunk {
    pub(crate) fn push(&mut self, table: u8, key: &[u8], value: &[u8]) {
        self.bytes.push(table);
        for part in [key, value] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX); // RocksDB's own limit
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(part);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.bytes))
    }
}

/// Collects chunks in a file.
pub(crate) struct ChunkWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl ChunkWriter {
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(&path)?),
            path,
        })
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        let length = u32::try_from(chunk.len()).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(()); // would end the file
        }
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&xxh64(chunk, 0).to_le_bytes())?;
        self.file.write_all(chunk)
    }

    /// Ends the file and makes it durable; blocks.
    pub(crate) fn finish(mut self) -> io::Result<Staged> {
        self.file.write_all(&0u32.to_le_bytes())?;
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        if let Some(dir) = self.path.parent() {
            sync_directory(dir)?;
        }
        Ok(Staged { path: self.path })
    }
}

/// Reads a file of chunks.
pub(crate) struct ChunkReader {
    file: BufReader<File>,
}

impl ChunkReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::new(File::open(path)?),
        })
    }

    /// The next chunk; `None` at the end. A file that ends without saying so is an error.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length == 0 {
            return Ok(None);
        }
        if length > CHUNK_BYTES_MAX {
            return Err(io::Error::other("a chunk is too large"));
        }
        let mut sum = [0; 8];
        self.file.read_exact(&mut sum)?;
        let mut chunk = vec![0; length as usize];
        self.file.read_exact(&mut chunk)?;
        if xxh64(&chunk, 0) != u64::from_le_bytes(sum) {
            return Err(io::Error::other("a chunk does not match its checksum"));
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_and_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("staged");
        let mut chunk = Chunk::default();
        chunk.push(3, b"key", b"value");
        chunk.push(4, b"", b"");
        let bytes = chunk.take();
        let mut writer = ChunkWriter::create(path.clone()).unwrap();
        writer.push(&bytes).unwrap();
        let staged = writer.finish().unwrap();
        let mut reader = ChunkReader::open(&staged.path).unwrap();
        let read = reader.next().unwrap().unwrap();
        let mut seen = Vec::new();
        assert!(for_each(&read, |t, k, v| seen.push((
            t,
            k.to_vec(),
            v.to_vec()
        ))));
        let expected = vec![(3, b"key".to_vec(), b"value".to_vec()), (4, vec![], vec![])];
        assert_eq!(seen, expected);
        assert!(reader.next().unwrap().is_none());
        assert!(!for_each(&read[..read.len() - 1], |_, _, _| ()));

        let mut file = std::fs::read(&path).unwrap();
        file[14] ^= 1;
        std::fs::write(&path, &file).unwrap();
        assert!(ChunkReader::open(&path).unwrap().next().is_err());
        std::fs::write(&path, &file[..10]).unwrap();
        assert!(ChunkReader::open(&path).unwrap().next().is_err());
    }
}
