//! Getting the bytes of a new file to the disk.
//!
//! Large blocks go past the page cache: what is written once and read much later would only push out what is read now, and
//! copying it to memory that has to be found first costs several times what the disk needs.

use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use eggs_proto::PAGE_BYTES;
use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// How the data gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through the page cache.
    Cached,
    /// From our memory, where the file system allows it.
    Direct,
}

impl Way {
    /// Directly from so many bytes on, if they are whole pages in memory, too: disks take nothing else.
    pub fn of(data: &[u8], direct_bytes_min: u64) -> Self {
        let aligned = (data.as_ptr() as usize | data.len()).is_multiple_of(PAGE_BYTES);
        if aligned && data.len() as u64 >= direct_bytes_min {
            Self::Direct
        } else {
            Self::Cached
        }
    }
}

/// Writes a whole file, which is then still to be synced. Takes the space first, so that a full disk is noticed before the
/// sync and not by it.
pub(crate) fn fill(mut file: &File, data: &[u8], trailer: &[u8], way: Way) -> io::Result<()> {
    let length = (data.len() + trailer.len()) as u64;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let done = match way {
        Way::Cached => 0,
        Way::Direct => write_directly(file, data)?,
    };
    // Mostly all that is left goes in one call.
    file.seek(SeekFrom::Start(done as u64))?;
    let parts = [IoSlice::new(&data[done..]), IoSlice::new(trailer)];
    let done = done + file.write_vectored(&parts)?;
    let (data_left, in_trailer) = (data.get(done..), done.saturating_sub(data.len()));
    file.write_all(data_left.unwrap_or_default())?;
    file.write_all(trailer.get(in_trailer..).unwrap_or_default())
}

/// Writes what can be written past the page cache; tells how much that was.
fn write_directly(file: &File, data: &[u8]) -> io::Result<usize> {
    let flags = fcntl_getfl(file)?;
    match fcntl_setfl(file, flags | OFlags::DIRECT) {
        Ok(()) => {}
        Err(Errno::INVAL) => return Ok(0), // a file system in memory, for one
        Err(error) => return Err(error.into()),
    }
    let mut done = 0;
    while done < data.len() {
        match file.write_at(&data[done..], done as u64) {
            // The rest is left for a way that says what is wrong.
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // This disk wants other pieces, or a part was written and the rest is not whole pages.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => break,
            Err(error) => return Err(error),
        }
    }
    fcntl_setfl(file, flags)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Whole pages at an address that is a multiple of their size, after so many bytes that are not.
    fn pages(count: usize, shift: usize) -> (Vec<u8>, usize) {
        let mut memory = vec![0; (count + 2) * PAGE_BYTES];
        let from = memory.as_ptr().align_offset(PAGE_BYTES) + shift;
        for (at, byte) in memory.iter_mut().enumerate() {
            *byte = (at / 5) as u8;
        }
        (memory, from)
    }

    #[test]
    fn the_file_is_the_same_whichever_way() {
        let dir = tempfile::tempdir().unwrap();
        for (count, shift) in [(1, 0), (64, 0), (64, 512), (64, 1), (300, 0)] {
            let (memory, from) = pages(count, shift);
            let data = &memory[from..from + count * PAGE_BYTES];
            for way in [Way::Cached, Way::Direct] {
                let path = dir.path().join(format!("{count}-{shift}-{way:?}"));
                let file = File::create_new(&path).unwrap();
                fill(&file, data, b"the trailer", way).unwrap();
                assert!(!fcntl_getfl(&file).unwrap().contains(OFlags::DIRECT));
                let mut read = Vec::new();
                File::open(&path).unwrap().read_to_end(&mut read).unwrap();
                assert!(
                    read == [data, b"the trailer"].concat(),
                    "{count} {shift} {way:?}"
                );
            }
        }
    }

    #[test]
    fn only_large_whole_pages_go_past_the_cache() {
        let (memory, from) = pages(8, 0);
        let way =
            |from: usize, len: usize| Way::of(&memory[from..from + len], 4 * PAGE_BYTES as u64);
        assert_eq!(way(from, 4 * PAGE_BYTES), Way::Direct);
        assert_eq!(way(from, 3 * PAGE_BYTES), Way::Cached);
        assert_eq!(way(from + 512, 4 * PAGE_BYTES), Way::Cached);
        assert_eq!(way(from, 4 * PAGE_BYTES + 512), Way::Cached);
    }
}
