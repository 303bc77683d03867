//! The cache as readers see it: reads in threads that may block, writes in a thread of its own, neither waited for long.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::PAGE_BYTES;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::directory::{CacheError, Directory, failed};
use super::format::{ChunkName, FILE_NAME, SLOT_BYTES, SLOT_PAGES, slots_in};
use super::index::Index;
use super::key::ContentKey;
use super::statistics::{CacheStatistics, Counters, count};
use super::store::{Pages, Store};

/// Smallest cache.
const CACHE_BYTES_MIN: u64 = 16 << 20;
/// Largest cache: what is known of its slots takes 8 GiB of memory.
const CACHE_BYTES_MAX: u64 = 16 << 40;
/// Bytes that wait to be put in; what comes beyond them is not.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Pieces that wait, however small.
const WAITING_MAX: usize = 1024;
/// Reads of the cache at a time.
const READS_MAX: usize = 16;
/// A local disk that does not answer within this time is not worth waiting for.
const PATIENCE: Duration = Duration::from_millis(500);
/// After a failure the cache is left alone for so long.
const REST: Duration = Duration::from_secs(10);

/// A cache of file content in a local directory; a clone is the same cache. Give it to
/// [`ClientConfig::cache`](crate::ClientConfig::cache).
#[derive(Clone)]
pub struct ReadCache {
    shared: Arc<Shared>,
    fills: SyncSender<Fill>,
    reads: Arc<Semaphore>,
}

impl fmt::Debug for ReadCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCache").finish_non_exhaustive()
    }
}

struct Shared {
    index: Mutex<Index>,
    store: Store,
    counters: Counters,
    /// Bytes that wait to be put in.
    waiting: AtomicUsize,
    rests_until: Mutex<Option<Instant>>,
    _lock: File,
}

/// Whole pages of some content to be put in.
struct Fill {
    key: ContentKey,
    first_page: u64,
    bytes: Bytes,
    /// The last page is the last one of the content, and not a whole one.
    short: usize,
}

/// Pages of a chunk, and the slot that has them.
struct Found {
    slot: u32,
    name: ChunkName,
    pages: Pages,
}

impl ReadCache {
    /// Opens the cache in a directory, which is made if there is none, for at most `bytes` bytes on its disk: 16 MiB to 16 TiB.
    /// A cache of another size begins empty. Takes about 40 bytes of memory for each 64 KiB, and reads 3 MB of labels for each GB.
    ///
    /// A directory has one user: while another process has it, this is refused with [`CacheError::InUse`].
    pub fn open(dir: &Path, bytes: u64) -> Result<Self, CacheError> {
        if !(CACHE_BYTES_MIN..=CACHE_BYTES_MAX).contains(&bytes) {
            return Err(CacheError::Size { bytes });
        }
        let slots = slots_in(bytes);
        let Directory { file, lock } = Directory::take(dir)?;
        let path = dir.join(FILE_NAME);
        let store = Store::open(file, slots).map_err(failed("prepare", &path))?;
        let mut index = Index::new(slots);
        store
            .labels(|slot, label| {
                index.set(slot, Some((label.name, label.present)));
            })
            .map_err(failed("read", &path))?;
        let shared = Arc::new(Shared {
            index: Mutex::new(index),
            store,
            counters: Counters::default(),
            waiting: AtomicUsize::new(0),
            rests_until: Mutex::default(),
            _lock: lock,
        });
        let (fills, filled) = sync_channel(WAITING_MAX);
        let filler = shared.clone();
        std::thread::Builder::new()
            .name("read-cache".to_owned())
            .spawn(move || filler.fill_for_ever(&filled))
            .map_err(failed("start a thread for", &path))?;
        Ok(Self {
            shared,
            fills,
            reads: Arc::new(Semaphore::new(READS_MAX)),
        })
    }

    /// The same for a program that goes on without a cache while another process has the directory, and says so in its log.
    pub fn open_unless_in_use(dir: &Path, bytes: u64) -> Result<Option<Self>, CacheError> {
        match Self::open(dir, bytes) {
            Ok(cache) => Ok(Some(cache)),
            Err(error @ CacheError::InUse { .. }) => {
                tracing::warn!(%error, "reading without a cache on disk");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What it did since it was opened.
    pub fn statistics(&self) -> CacheStatistics {
        let used = self.shared.index().used() as u64;
        self.shared.counters.read(used * SLOT_BYTES as u64)
    }

    /// Waits until what was read so far has been put in, at most for `limit`; for programs that are about to end.
    pub async fn settle(&self, limit: Duration) {
        let settled = async {
            while self.shared.waiting.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let _in_time = timeout(limit, settled).await;
    }

    /// Bytes of some content, if all of them are there.
    pub(crate) async fn get(&self, key: ContentKey, range: Range<u64>) -> Option<Bytes> {
        let bytes = self.try_get(key, range).await;
        let counters = &self.shared.counters;
        match &bytes {
            Some(bytes) => {
                count(&counters.hits, 1);
                count(&counters.hit_bytes, bytes.len() as u64);
            }
            None => count(&counters.misses, 1),
        }
        bytes
    }

    async fn try_get(&self, key: ContentKey, range: Range<u64>) -> Option<Bytes> {
        if self.shared.rests() {
            return None;
        }
        let first = range.start / PAGE_BYTES as u64;
        let found = self
            .shared
            .find(key, first..range.end.div_ceil(PAGE_BYTES as u64))?;
        let (shared, reads) = (self.shared.clone(), self.reads.clone());
        let read = async move {
            let permit = reads.acquire_owned().await.ok()?;
            let read = tokio::task::spawn_blocking(move || {
                let _until_read = permit;
                shared.read(&found)
            });
            read.await.ok()
        };
        match timeout(PATIENCE, read).await {
            Ok(Some(Ok(bytes))) => {
                let skip = (range.start - first * PAGE_BYTES as u64) as usize;
                let len = (range.end - range.start) as usize;
                bytes.map(|bytes| bytes.slice(skip..skip + len))
            }
            Ok(Some(Err(error))) => {
                self.shared.rest(&error);
                None
            }
            Ok(None) => None, // the runtime is shutting down
            Err(_) => {
                self.shared.rest(&io::ErrorKind::TimedOut.into());
                None
            }
        }
    }

    /// Puts bytes of some content in, `from` bytes from its beginning; `size` are the bytes of all of it. Pages that are not whole
    /// are left out. Never waits: drops what is too much.
    pub(crate) fn put(&self, key: ContentKey, size: u64, from: u64, bytes: &Bytes) {
        let page = PAGE_BYTES as u64;
        let to = from + bytes.len() as u64;
        let first_page = from.div_ceil(page);
        let end = if to == size { to } else { to / page * page };
        let start = first_page * page;
        if start >= end {
            return;
        }
        let bytes = bytes.slice((start - from) as usize..(end - from) as usize);
        let len = bytes.len();
        let short = len % PAGE_BYTES;
        let fill = Fill {
            key,
            first_page,
            bytes,
            short,
        };
        let before = self.shared.waiting.fetch_add(len, Ordering::AcqRel);
        let fits = before + len <= WAITING_BYTES_MAX && !self.shared.rests();
        if !fits || self.fills.try_send(fill).is_err() {
            self.shared.waiting.fetch_sub(len, Ordering::AcqRel);
            count(&self.shared.counters.dropped_bytes, len as u64);
        }
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots of some pages, if all of them are there.
    fn find(&self, key: ContentKey, pages: Range<u64>) -> Option<Vec<Found>> {
        let mut index = self.index();
        chunks(key, pages)
            .map(|(name, pages)| {
                let slot = index.find(&name, pages.bits())?;
                Some(Found { slot, name, pages })
            })
            .collect()
    }

    /// Reads what was found; `None` if some of it is not what it should be.
    fn read(&self, found: &[Found]) -> io::Result<Option<Bytes>> {
        let pages: usize = found.iter().map(|found| found.pages.count).sum();
        let mut bytes = vec![0; pages * PAGE_BYTES];
        let mut rest = &mut bytes[..];
        for Found { slot, name, pages } in found {
            let (out, others) = rest.split_at_mut(pages.count * PAGE_BYTES);
            rest = others;
            if !self.store.read(*slot, name, *pages, out)? {
                self.index().forget(*slot, name);
                count(&self.counters.damaged, 1);
                return Ok(None);
            }
        }
        Ok(Some(bytes.into()))
    }

    /// The life of the thread that writes.
    fn fill_for_ever(&self, fills: &Receiver<Fill>) {
        while let Ok(fill) = fills.recv() {
            let len = fill.bytes.len();
            if self.rests() {
                count(&self.counters.dropped_bytes, len as u64);
            } else {
                match self.fill(&fill) {
                    Ok(()) => count(&self.counters.filled_bytes, len as u64),
                    Err(error) => self.rest(&error),
                }
            }
            self.waiting.fetch_sub(len, Ordering::AcqRel);
        }
    }

    fn fill(&self, fill: &Fill) -> io::Result<()> {
        let mut whole = fill.bytes.clone();
        if fill.short > 0 {
            let mut padded = Vec::from(whole);
            padded.resize(padded.len() + PAGE_BYTES - fill.short, 0);
            whole = padded.into();
        }
        let end = fill.first_page + (whole.len() / PAGE_BYTES) as u64;
        for (name, pages) in chunks(fill.key, fill.first_page..end) {
            let bytes = whole.split_to(pages.count * PAGE_BYTES);
            let Some(placed) = self.index().place(&name) else {
                return Ok(());
            };
            count(&self.counters.evicted, u64::from(placed.evicted));
            if placed.present & pages.bits() == pages.bits() {
                continue;
            }
            let written =
                self.store
                    .write(placed.slot, &name, placed.present, (pages.first, &bytes));
            match written {
                Ok(present) => {
                    self.index().set(placed.slot, Some((name, present)));
                }
                Err(error) => {
                    self.index().forget(placed.slot, &name);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn rests(&self) -> bool {
        let until = self.rests_until.lock();
        until
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|until| Instant::now() < until)
    }

    /// Leaves the disk alone for a while.
    fn rest(&self, error: &io::Error) {
        count(&self.counters.failures, 1);
        let now = Instant::now();
        let mut until = self
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if until.is_none_or(|until| until <= now) {
            tracing::warn!(%error, "the read cache failed; reading without it for a while");
        }
        *until = Some(now + REST);
    }
}

/// The chunks that pages of some content are in, and which of their pages.
fn chunks(key: ContentKey, pages: Range<u64>) -> impl Iterator<Item = (ChunkName, Pages)> {
    let per_chunk = SLOT_PAGES as u64;
    let numbers = pages.start / per_chunk..pages.end.div_ceil(per_chunk);
    numbers.map(move |number| {
        let begin = number * per_chunk;
        let first = pages.start.max(begin);
        let end = pages.end.min(begin + per_chunk);
        let name = ChunkName {
            key: key.0,
            // An extent has at most 2^14 chunks.
            chunk: u32::try_from(number).unwrap_or(u32::MAX),
        };
        let pages = Pages {
            first: (first - begin) as usize,
            count: (end - first) as usize,
        };
        (name, pages)
    })
}

#[cfg(test)]
mod tests;
