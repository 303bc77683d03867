//! The mark: the number of the last synced batch, in a file of its own.
//!
//! RocksDB cuts its write-ahead log off at the first bad record and says nothing. For a Raft log that is forgetting
//! a promise, so what was promised is written down apart from it. The mark follows the log by at most
//! [`MARK_DELAY`], which is the window in which a rotten tail would go unseen; an fsync of its own before every
//! acknowledgement would double the latency of each write.
//!
//! The file has two slots that are written in turn, so that a torn write leaves the other one.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use xxhash_rust::xxh64::xxh64;

#[cfg(not(feature = "sim"))]
use super::mark_file::MarkFile;
use crate::fatal::Fatal;
#[cfg(feature = "sim")]
use crate::sim::mark_file::MarkFile;

/// How long the mark may lag behind a synced batch.
const MARK_DELAY: Duration = Duration::from_millis(5);
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
    let Some(file) = MarkFile::open(path)? else {
        return Ok(MarkFound::Missing);
    };
    let newest = slots(&file).into_iter().flatten();
    Ok(newest
        .max_by_key(|mark| mark.number)
        .map_or(MarkFound::Damaged, MarkFound::Good))
}

fn slots(file: &MarkFile) -> [Option<Mark>; 2] {
    [0, SLOT_BYTES].map(|offset| decode(&file.read_at(offset)?))
}

/// Creates the file with the mark of an empty log.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    let file = MarkFile::create(path)?;
    file.write_at(&encode(Mark::default()), 0)?;
    file.sync_created(path.parent())
}

/// The number in a slot, if it is a good one.
#[cfg(feature = "sim")]
pub(crate) fn slot_number(slot: &[u8]) -> Option<u64> {
    decode(slot.try_into().ok()?).map(|mark| mark.number)
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
        let file = MarkFile::open(path)?
            .ok_or_else(|| io::Error::other("the log mark has gone meanwhile"))?;
        let wanted = Arc::new((
            Mutex::new(Wanted {
                mark: written,
                stop: false,
            }),
            Condvar::new(),
        ));
        let thread = spawn(Keeper::new(file, written), Arc::clone(&wanted), fatal)?;
        Ok(Self {
            wanted,
            thread: Mutex::new(thread),
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

/// Runs the keeper in a thread of its own.
#[cfg(not(feature = "sim"))]
fn spawn(
    mut keeper: Keeper,
    shared: Arc<(Mutex<Wanted>, Condvar)>,
    fatal: Fatal,
) -> io::Result<Option<JoinHandle<()>>> {
    let thread = std::thread::Builder::new()
        .name("raft-mark".into())
        .spawn(move || {
            if let Err(cause) = keep(&mut keeper, &shared) {
                fatal.report(format!("sync of the log mark failed: {cause}"));
            }
        })?;
    Ok(Some(thread))
}

/// Where time is simulated a task does what the thread does.
#[cfg(feature = "sim")]
fn spawn(
    mut keeper: Keeper,
    shared: Arc<(Mutex<Wanted>, Condvar)>,
    fatal: Fatal,
) -> io::Result<Option<JoinHandle<()>>> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(MARK_DELAY).await;
            let (mark, stop) = {
                let wanted = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                (wanted.mark, wanted.stop)
            };
            if let Err(cause) = keeper.write(mark) {
                return fatal.report(format!("sync of the log mark failed: {cause}"));
            }
            if stop {
                return;
            }
        }
    });
    Ok(None)
}

/// Writes the slots in turn.
struct Keeper {
    file: MarkFile,
    written: Mark,
    offset: u64,
}

impl Keeper {
    fn new(file: MarkFile, written: Mark) -> Self {
        let [first, second] = slots(&file).map(|slot| slot.map(|mark| mark.number));
        Self {
            file,
            written,
            offset: if first > second { SLOT_BYTES } else { 0 }, // the older slot is next
        }
    }

    fn write(&mut self, mark: Mark) -> io::Result<()> {
        if mark != self.written {
            self.file.write_at(&encode(mark), self.offset)?;
            self.file.sync()?;
            self.offset = SLOT_BYTES - self.offset;
            self.written = mark;
        }
        Ok(())
    }
}

#[cfg(not(feature = "sim"))]
fn keep(keeper: &mut Keeper, shared: &(Mutex<Wanted>, Condvar)) -> io::Result<()> {
    let (wanted, changed) = shared;
    loop {
        let guard = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = changed
            .wait_while(guard, |w| w.mark == keeper.written && !w.stop)
            .unwrap_or_else(PoisonError::into_inner);
        let (mark, stop) = (guard.mark, guard.stop);
        drop(guard);
        keeper.write(mark)?;
        if stop {
            return Ok(());
        }
        std::thread::sleep(MARK_DELAY);
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;

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
