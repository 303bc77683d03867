//! One node's disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::promise::Promises;

/// The tables of a store.
pub(crate) type Data = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

/// Versions of a store that are remembered: for crashes, and for tails that rot.
const VERSIONS_MAX: usize = 64;
/// A state is made durable by itself once in so many writes: memory was short.
const OWN_FLUSH_ONE_IN: u32 = 24;
/// Bytes of the mark's file.
const MARK_BYTES: usize = 2 * 4096;

/// How a disk that was synced is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// The last batch that the mark promises, and all after it, are gone.
    LostTail,
    /// The batch that the mark promises is another one.
    OtherTail,
    /// A bit of a log record has flipped.
    Record,
}

#[derive(Clone, Default)]
pub(super) struct Versions {
    /// Oldest first; the last is what is read.
    pub(super) all: Vec<Arc<Data>>,
    /// Which of them is durable.
    pub(super) durable: usize,
}

impl Versions {
    fn ready(&mut self) {
        if self.all.is_empty() {
            self.all.push(Arc::default());
        }
    }

    pub(super) fn last(&self) -> Arc<Data> {
        self.all.last().cloned().unwrap_or_default()
    }

    fn push(&mut self, data: Data) {
        self.all.push(Arc::new(data));
        if self.all.len() > VERSIONS_MAX && self.durable > 0 {
            self.all.remove(0);
            self.durable -= 1;
        }
    }

    fn sync(&mut self) {
        self.durable = self.all.len().saturating_sub(1);
    }

    /// What a crash leaves.
    fn crash(&mut self, random: &mut StdRng) {
        self.ready();
        let kept = random.random_range(self.durable..self.all.len());
        self.all.truncate(kept + 1);
        self.durable = kept;
    }
}

#[derive(Clone, Default)]
pub(super) struct Image {
    pub(super) log: Versions,
    pub(super) state: Versions,
    /// The mark's file, if there is one, and what was written to it since the last sync.
    pub(super) mark: Option<Vec<u8>>,
    pub(super) mark_unsynced: Vec<(usize, Vec<u8>)>,
}

pub(super) struct Inner {
    pub(super) image: Image,
    pub(super) promises: Promises,
    random: StdRng,
    /// How often the node was started. What an earlier start left running is dead.
    pub(super) boot: u64,
    crashed: bool,
    /// Boundaries between what can be lost and what cannot, since the start.
    crossed: u64,
    crash_at: Option<u64>,
    crashes: Arc<Notify>,
}

/// One node's disk. Clones are the same.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Inner>>);

static DISKS: Mutex<BTreeMap<PathBuf, Disk>> = Mutex::new(BTreeMap::new());

/// The disk of a directory.
pub(crate) fn disk_at(dir: &Path) -> Disk {
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = disks.entry(dir.to_path_buf());
    disk.or_insert_with(|| Disk::new(0)).clone()
}

/// Something was asked of a disk whose node has crashed.
pub(super) const CRASHED: &str = "the node has crashed";

impl Disk {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            image: Image::default(),
            promises: Promises::default(),
            random: StdRng::seed_from_u64(seed),
            boot: 0,
            crashed: false,
            crossed: 0,
            crash_at: None,
            crashes: Arc::default(),
        })))
    }

    /// An empty disk for a directory.
    pub fn empty(dir: &Path, seed: u64) -> Self {
        let disk = Self::new(seed);
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.insert(dir.to_path_buf(), disk.clone());
        disk
    }

    /// Forgets the disk of a directory.
    pub fn forget(dir: &Path) {
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.remove(dir);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which start of the node this is.
    pub fn boot(&self) -> u64 {
        self.lock().boot
    }

    /// Whether this start of the node has not crashed.
    pub fn is_alive(&self, boot: u64) -> bool {
        let inner = self.lock();
        inner.boot == boot && !inner.crashed
    }

    /// Crashes at the boundary after so many more.
    pub fn crash_after(&self, boundaries: u64) {
        let mut inner = self.lock();
        inner.crash_at = Some(inner.crossed + boundaries);
    }

    /// Crashes now.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.crashed = true;
        inner.crashes.notify_waiters();
    }

    /// Waits for the crash.
    pub async fn crashed(&self) {
        loop {
            let crashes = self.lock().crashes.clone();
            let crash = crashes.notified();
            if self.lock().crashed {
                return;
            }
            crash.await;
        }
    }

    /// After a crash: decides what is left, for the next start.
    pub fn restart(&self) {
        let inner = &mut *self.lock();
        inner.image.log.crash(&mut inner.random);
        inner.image.state.crash(&mut inner.random);
        for (at, bytes) in std::mem::take(&mut inner.image.mark_unsynced) {
            let kept = inner.random.random_range(0..=bytes.len());
            if let Some(mark) = &mut inner.image.mark {
                mark[at..at + kept].copy_from_slice(&bytes[..kept]);
            }
        }
        inner.boot += 1;
        inner.crashed = false;
        inner.crossed = 0;
        inner.crash_at = None;
    }

    /// What is on it, to be put back later.
    pub fn image(&self) -> DiskImage {
        DiskImage(self.lock().image.clone())
    }

    /// Puts back what was on it.
    pub fn put_back(&self, image: DiskImage) {
        self.lock().image = image.0;
    }

    /// How often a boundary was crossed since the start.
    pub fn boundaries(&self) -> u64 {
        self.lock().crossed
    }
}

/// What is on a disk.
#[derive(Clone)]
pub struct DiskImage(pub(super) Image);

/// Where logs keep their entries and facts: column families are numbered as they are opened.
const ENTRIES: usize = 1;
const FACTS: usize = 2;

impl DiskImage {
    /// What is on it once it has rotted so; `None` if there is nothing that could.
    pub fn rotten(&self, rot: Rot) -> Option<Self> {
        let mut rotten = self.clone();
        let log = &mut rotten.0.log;
        let mut data = Data::clone(&log.last());
        match rot {
            Rot::Record => {
                let mut entries = data
                    .iter_mut()
                    .filter(|((family, _), _)| *family == ENTRIES);
                let last = entries.next()?.1.last_mut()?;
                *last ^= 1;
            }
            Rot::LostTail => {
                let promised = self.promised()?;
                let mut older = log.all.iter().rev();
                let older = older.find(|data| batch(data).is_some_and(|b| b < promised))?;
                data = Data::clone(older);
            }
            Rot::OtherTail => {
                let key = (FACTS, crate::log::BATCH_KEY.to_vec());
                if batch(&data) != self.promised() {
                    return None;
                }
                *data.get_mut(&key)?.last_mut()? ^= 1;
            }
        }
        log.all = vec![Arc::new(data)];
        log.durable = 0;
        Some(rotten)
    }

    /// Number of the batch that the mark names.
    fn promised(&self) -> Option<u64> {
        let mark = self.0.mark.as_ref()?;
        let slots = [0, MARK_BYTES / 2].map(|at| crate::log::slot_number(&mark[at..at + 32]));
        slots.into_iter().flatten().max()
    }
}

fn batch(data: &Data) -> Option<u64> {
    let value = data.get(&(FACTS, crate::log::BATCH_KEY.to_vec()))?;
    Some(u64::from_le_bytes(*value.first_chunk::<8>()?))
}

impl Inner {
    /// Between two things that a crash can tell apart.
    pub(super) fn boundary(&mut self, boot: u64) -> Result<(), &'static str> {
        if self.crashed || self.boot != boot {
            return Err(CRASHED);
        }
        self.crossed += 1;
        if self.crash_at.is_some_and(|at| self.crossed >= at) {
            self.crashed = true;
            self.crashes.notify_waiters();
            return Err(CRASHED);
        }
        Ok(())
    }

    pub(super) fn log_write(
        &mut self,
        boot: u64,
        data: Data,
        sync: bool,
    ) -> Result<(), &'static str> {
        self.boundary(boot)?;
        self.image.log.ready();
        self.image.log.push(data);
        if sync {
            self.boundary(boot)?;
            self.image.log.sync();
            self.boundary(boot)?;
        }
        Ok(())
    }

    pub(super) fn state_write(&mut self, boot: u64, data: Data) -> Result<(), &'static str> {
        self.boundary(boot)?;
        self.image.state.ready();
        self.image.state.push(data);
        if self.random.random_ratio(1, OWN_FLUSH_ONE_IN) {
            self.image.state.sync();
        }
        Ok(())
    }

    pub(super) fn state_flush(&mut self, boot: u64) -> Result<(), &'static str> {
        self.boundary(boot)?;
        self.image.state.ready();
        self.image.state.sync();
        self.boundary(boot)
    }

    pub(super) fn mark_create(&mut self, boot: u64) -> Result<(), &'static str> {
        self.boundary(boot)?;
        self.image.mark = Some(vec![0; MARK_BYTES]);
        Ok(())
    }

    pub(super) fn mark_write(
        &mut self,
        boot: u64,
        at: usize,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        self.boundary(boot)?;
        self.image.mark_unsynced.push((at, bytes.to_vec()));
        self.boundary(boot)
    }

    pub(super) fn mark_sync(&mut self, boot: u64) -> Result<(), &'static str> {
        self.boundary(boot)?;
        for (at, bytes) in std::mem::take(&mut self.image.mark_unsynced) {
            if let Some(mark) = &mut self.image.mark {
                mark[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        self.boundary(boot)
    }
}
