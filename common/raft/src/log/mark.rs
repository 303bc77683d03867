//! The mark: the number of the last synced batch, in a file of its own.
//!
//! RocksDB cuts its write-ahead log off at the first bad record and says nothing. For a Raft log that is forgetting
//! a promise, so what was promised is written down apart from it. The mark follows the log by at most
//! [`MARK_DELAY`], which is the window in which a rotten tail would go unseen; an fsync of its own before every
//! acknowledgement would double the latency of each write.
//!
//! The file has two slots that are written in turn, so that a torn write leaves the other one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use xxhash_rust::xxh64::xxh64;

use crate::fatal::Fatal;

/// How long the mark may lag behind a synced batch.
const MARK_DELAY: Duration = Duration::from_millis(20);
const MAGIC: u64 = 0x6b72_616d_7367_6765;
const SLOT_BYTES: u64 = 4096;

/// Number and hash of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) hash: u64,
}

/// What reading the file found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MarkFound {
    /// There is no file.
    Missing,
    /// The newest good slot.
    Good(Mark),
    /// A file without a good slot.
    Damaged,
}

pub(crate) fn read(path: &Path) -> io::Result<MarkFound> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(MarkFound::Missing),
        Err(e) => return Err(e),
    };
    let newest = slots(&file).into_iter().flatten();
    Ok(newest
        .max_by_key(|mark| mark.number)
        .map_or(MarkFound::Damaged, MarkFound::Good))
}

fn slots(file: &File) -> [Option<Mark>; 2] {
    [0, SLOT_BYTES].map(|offset| {
        let mut slot = [0; 32];
        file.read_exact_at(&mut slot, offset).ok()?;
        decode(&slot)
    })
}

/// Creates the file with the mark of an empty log.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    file.write_all_at(&encode(Mark::default()), 0)?;
    file.set_len(2 * SLOT_BYTES)?;
    file.sync_all()?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn encode(mark: Mark) -> [u8; 32] {
    let mut slot = [0; 32];
    slot[..8].copy_from_slice(&MAGIC.to_le_bytes());
    slot[8..16].copy_from_slice(&mark.number.to_le_bytes());
    slot[16..24].copy_from_slice(&mark.hash.to_le_bytes());
    let sum = xxh64(&slot[..24], 0);
    slot[24..].copy_from_slice(&sum.to_le_bytes());
    slot
}

fn decode(slot: &[u8; 32]) -> Option<Mark> {
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?))
    };
    let good = word(0)? == MAGIC && word(24)? == xxh64(&slot[..24], 0);
    good.then_some(Mark {
        number: word(8)?,
        hash: word(16)?,
    })
}

#[derive(Debug, Default)]
struct Wanted {
    mark: Mark,
    stop: bool,
}

/// The thread that keeps the mark.
pub(crate) struct Marker {
    wanted: Arc<(Mutex<Wanted>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Marker {
    pub(crate) fn start(path: &Path, written: Mark, fatal: Fatal) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let wanted = Arc::new((
            Mutex::new(Wanted {
                mark: written,
                stop: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&wanted);
        let thread = std::thread::Builder::new()
            .name("raft-mark".into())
            .spawn(move || {
                if let Err(cause) = keep(&file, written, &shared) {
                    fatal.report(format!("sync of the log mark failed: {cause}"));
                }
            })?;
        Ok(Self {
            wanted,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A batch is durable.
    pub(crate) fn raise(&self, mark: Mark) {
        let (wanted, changed) = &*self.wanted;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).mark = mark;
        changed.notify_one();
    }

    /// Writes the last mark and ends the thread.
    pub(crate) fn stop(&self) {
        let (wanted, changed) = &*self.wanted;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        changed.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join(); // it reports what goes wrong itself
        }
    }
}

fn keep(file: &File, mut written: Mark, shared: &(Mutex<Wanted>, Condvar)) -> io::Result<()> {
    let (wanted, changed) = shared;
    let [first, second] = slots(file).map(|slot| slot.map(|mark| mark.number));
    let mut offset = if first > second { SLOT_BYTES } else { 0 }; // the older slot is next
    loop {
        let guard = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = changed
            .wait_while(guard, |w| w.mark == written && !w.stop)
            .unwrap_or_else(PoisonError::into_inner);
        let (mark, stop) = (guard.mark, guard.stop);
        drop(guard);
        if mark != written {
            file.write_all_at(&encode(mark), offset)?;
            file.sync_data()?;
            offset = SLOT_BYTES - offset;
            written = mark;
        }
        if stop {
            return Ok(());
        }
        std::thread::sleep(MARK_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        assert_eq!(read(&path).unwrap(), MarkFound::Missing);
        create(&path).unwrap();
        let marker = Marker::start(&path, Mark::default(), Fatal::new()).unwrap();
        let mark = Mark { number: 7, hash: 8 };
        marker.raise(mark);
        marker.stop();
        assert_eq!(read(&path).unwrap(), MarkFound::Good(mark));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[1], SLOT_BYTES + 9).unwrap();
        assert_eq!(read(&path).unwrap(), MarkFound::Good(Mark::default()));
        file.write_all_at(&[1], 9).unwrap();
        assert_eq!(read(&path).unwrap(), MarkFound::Damaged);
    }
}
