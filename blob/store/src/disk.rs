//! A disk: one directory, one block service.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eggs_durable::{make_directory, sync_directory};
use eggs_proto::{BlockId, BlockServiceId, FailureDomainId, StorageClass, Time};
use rustix::fs::{FlockOperation, flock};

use crate::label::DiskLabel;
use crate::medium::takes_no_changes;
use crate::open_blocks::OpenBlocks;
use crate::paths::{Paths, SLOTS, slot_of};
use crate::shared_sync::SharedSync;
use crate::tombstones::Tombstones;
use crate::usage::Counters;
use crate::{DiskOptions, OpenError, StoreError};

/// One disk, open and locked. All operations may be called from many threads.
#[derive(Debug)]
pub struct Disk {
    pub(crate) paths: Paths,
    pub(crate) options: DiskOptions,
    pub(crate) label: DiskLabel,
    pub(crate) counters: Counters,
    pub(crate) tombstones: Tombstones,
    pub(crate) gone_sync: SharedSync,
    pub(crate) open: OpenBlocks,
    slots: Vec<Slot>,
    /// Makes names of temporary files unique.
    pub(crate) temporary: AtomicU64,
    fenced: AtomicBool,
    /// Holds the lock as long as the disk is open.
    _lock: File,
}

/// One of the subdirectories of block files.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Held while a name appears or goes, so that writing, erasing and counting agree.
    pub names: Mutex<()>,
    pub sync: SharedSync,
}

impl Disk {
    /// Makes a new disk in an empty directory, which is made when missing, and opens it.
    pub fn create(path: &Path, options: &DiskOptions) -> Result<Self, OpenError> {
        make_directory(path).map_err(OpenError::io("create disk directory", path))?;
        let lock = lock(path)?;
        let paths = Paths::new(path);
        // Whatever a creation that was interrupted left has no label yet.
        let ours = [&paths.tmp, &paths.gone, &paths.blocks];
        let failed = || OpenError::io("read disk directory", path);
        for entry in fs::read_dir(path).map_err(failed())? {
            let found = entry.map_err(failed())?.path();
            if !ours.contains(&&found) && !found.ends_with("lost+found") {
                return Err(OpenError::NotEmpty {
                    path: path.to_owned(),
                });
            }
        }
        let make = |dir: &Path| match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(OpenError::io("create", dir)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        };
        for dir in ours {
            make(dir)?;
        }
        for slot in 0..SLOTS {
            make(&paths.slot(slot))?;
        }
        // All of it before the label, which says that it is there.
        for dir in [&paths.blocks, &paths.root] {
            sync_directory(dir).map_err(OpenError::io("sync", dir))?;
        }
        let label = DiskLabel::generate(options.class, options.domain)
            .map_err(OpenError::io("draw random numbers for", &paths.label))?;
        label.write(&paths)?;
        Self::start(paths, *options, label, lock)
    }

    /// Opens a disk.
    pub fn open(path: &Path, options: &DiskOptions) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let paths = Paths::new(path);
        let mut label = DiskLabel::read(&paths)?;
        if label.class != options.class {
            return Err(OpenError::Class {
                path: path.to_owned(),
                labelled: label.class,
                given: options.class,
            });
        }
        if label.domain != options.domain {
            tracing::info!(disk = %path.display(), service = %label.service, from = %label.domain,
                to = %options.domain, "disk was moved to another failure domain");
            label.domain = options.domain;
            label.write(&paths)?;
        }
        Self::start(paths, *options, label, lock)
    }

    /// Opens a disk, or makes one if there is no directory or an empty one.
    pub fn open_or_create(path: &Path, options: &DiskOptions) -> Result<Self, OpenError> {
        if path.join("label").exists() {
            Self::open(path, options)
        } else {
            Self::create(path, options)
        }
    }

    fn start(
        paths: Paths,
        options: DiskOptions,
        label: DiskLabel,
        lock: File,
    ) -> Result<Self, OpenError> {
        remove_leftovers(&paths)?;
        let slots = (0..SLOTS).map(|slot| Slot {
            names: Mutex::new(()),
            sync: SharedSync::new(paths.slot(slot)),
        });
        Ok(Self {
            counters: Counters::scan(&paths)?,
            tombstones: Tombstones::load(&paths)?,
            gone_sync: SharedSync::new(paths.gone.clone()),
            open: OpenBlocks::default(),
            slots: slots.collect(),
            temporary: AtomicU64::new(0),
            fenced: AtomicBool::new(false),
            options,
            label,
            paths,
            _lock: lock,
        })
    }

    /// Its label.
    pub const fn label(&self) -> &DiskLabel {
        &self.label
    }

    /// Its name.
    pub const fn service(&self) -> BlockServiceId {
        self.label.service
    }

    /// Its class.
    pub const fn class(&self) -> StorageClass {
        self.label.class
    }

    /// What it fails with.
    pub const fn domain(&self) -> FailureDomainId {
        self.label.domain
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.paths.root
    }

    /// Whether nothing is acknowledged any more because an fsync or a change failed.
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Forgets tombstones that are no longer needed; gives their number.
    pub fn sweep(&self, now: Time) -> usize {
        self.tombstones.sweep(&self.paths, now)
    }

    pub(crate) fn slot(&self, block: BlockId) -> &Slot {
        &self.slots[slot_of(block)]
    }

    pub(crate) fn refuse_if_fenced(&self) -> Result<(), StoreError> {
        if self.is_fenced() {
            return Err(StoreError::Fenced);
        }
        Ok(())
    }

    /// Counts an I/O error.
    pub(crate) fn failed(&self, action: &'static str, source: io::Error) -> StoreError {
        self.counters.io_errors.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(disk = %self.paths.root.display(), error = %source, "failed to {action}");
        StoreError::Io { action, source }
    }

    /// Counts a failed change. After one that the disk could not carry out it takes no others: each would be tried in vain, and
    /// whoever wants to write had better know.
    pub(crate) fn failed_change(&self, action: &'static str, source: io::Error) -> StoreError {
        if takes_no_changes(&source) {
            self.fence(action, source)
        } else {
            self.failed(action, source)
        }
    }

    /// Counts a failed fsync or change, after which nothing is acknowledged any more.
    pub(crate) fn fence(&self, action: &'static str, source: io::Error) -> StoreError {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!(disk = %self.paths.root.display(), service = %self.label.service, action,
                error = %source, "a change failed: the disk takes no writes until eggsblocks is started again");
        }
        self.failed(action, source)
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let dir = File::open(path).map_err(OpenError::io("open disk directory", path))?;
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(dir),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(error) => Err(OpenError::io("lock disk directory", path)(error.into())),
    }
}

/// Removes what was being written when the process ended: nobody was told that it is there.
fn remove_leftovers(paths: &Paths) -> Result<(), OpenError> {
    let failed = || OpenError::io("clear", &paths.tmp);
    for entry in fs::read_dir(&paths.tmp).map_err(failed())? {
        fs::remove_file(entry.map_err(failed())?.path()).map_err(failed())?;
    }
    Ok(())
}
