//! The log store of a node.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::kv::DB;
use eggs_proto::GroupId;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::batch::Job;
use super::mark::{self, Mark, MarkFound, Marker};
use super::outcomes::Outcomes;
use super::recover::{self, RecoveredLog};
use super::writer::Writer;
use super::{GroupLog, keys};
use crate::fatal::Fatal;
use crate::rocks::{self, SharedMemory, StoreKind};
use crate::{Limits, StartError};

/// Most changes that wait for the writer.
const QUEUE_JOBS_MAX: usize = 4096;
/// Most bytes of records that wait for the writer.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// The logs of all groups of one node.
pub(crate) struct LogDb {
    pub(crate) db: Arc<DB>,
    pub(crate) jobs: Mutex<Option<mpsc::Sender<Job>>>,
    pub(crate) bytes: Arc<Semaphore>,
    marker: Arc<Marker>,
    writer: Mutex<Option<JoinHandle<()>>>,
    outcomes: Arc<Outcomes>,
    telling: AbortHandle,
    recovered: BTreeMap<GroupId, RecoveredLog>,
}

impl LogDb {
    /// Opens the store, checks all of it and starts its threads. In the context of a runtime.
    pub(crate) fn open(
        dir: &Path,
        limits: &Limits,
        memory: &SharedMemory,
        fatal: &Fatal,
    ) -> Result<Arc<Self>, StartError> {
        let (path, mark_path) = (dir.join("log"), dir.join("log.mark"));
        let promised = promised(&path, &mark_path)?;
        let db = rocks::open(
            StoreKind::Log,
            &path,
            &["default", keys::ENTRIES, keys::FACTS],
            limits,
            memory,
        )?;
        let recovered = recover::recover(&db, promised)?;
        #[cfg(feature = "sim")]
        crate::sim::check(dir, &recovered.groups)?;
        let db = Arc::new(db);
        let marker = Marker::start(&mark_path, promised, fatal.clone())
            .map_err(|source| io_error("open the log mark", source))?;
        let marker = Arc::new(marker);
        let (sender, receiver) = mpsc::channel(QUEUE_JOBS_MAX);
        let outcomes = Arc::<Outcomes>::default();
        let writer = Writer {
            db: Arc::clone(&db),
            last: recovered.mark,
            marker: Arc::clone(&marker),
            fatal: fatal.clone(),
            outcome: Ok(()),
            outcomes: Arc::clone(&outcomes),
            #[cfg(feature = "sim")]
            dir: dir.to_path_buf(),
        };
        let thread = spawn(writer, receiver)?;
        let telling = tokio::spawn(Arc::clone(&outcomes).run()).abort_handle();
        Ok(Arc::new(Self {
            db,
            jobs: Mutex::new(Some(sender)),
            bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            marker,
            writer: Mutex::new(thread),
            outcomes,
            telling,
            recovered: recovered.groups,
        }))
    }

    /// The log of one group.
    pub(crate) fn group(self: &Arc<Self>, group: GroupId) -> GroupLog {
        let recovered = self.recovered.get(&group).cloned().unwrap_or_default();
        GroupLog::new(Arc::clone(self), group, recovered)
    }

    /// Gives the space of purged entries back at once; blocks.
    pub(crate) fn compact(&self) {
        if let Some(entries) = self.db.cf_handle(keys::ENTRIES) {
            self.db
                .compact_range_cf(entries, None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// Waits for everything to be written, and ends the threads.
    pub(crate) fn close(&self) {
        let sender = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(sender);
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join(); // it reports what goes wrong itself
            self.outcomes.tell();
        }
        self.marker.stop();
    }
}

impl Drop for LogDb {
    fn drop(&mut self) {
        self.close();
        self.telling.abort();
    }
}

/// Runs the writer in a thread of its own.
#[cfg(not(feature = "sim"))]
fn spawn(
    writer: Writer,
    receiver: mpsc::Receiver<Job>,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let thread = std::thread::Builder::new()
        .name("raft-log".into())
        .spawn(move || writer.run(receiver));
    thread
        .map(Some)
        .map_err(|source| io_error("start the log writer", source))
}

#[cfg(feature = "sim")]
fn spawn(
    writer: Writer,
    receiver: mpsc::Receiver<Job>,
) -> Result<Option<JoinHandle<()>>, StartError> {
    tokio::spawn(writer.run(receiver));
    Ok(None)
}

/// What the mark promises; creates it for a new store.
fn promised(path: &Path, mark_path: &Path) -> Result<Mark, StartError> {
    let found = mark::read(mark_path).map_err(|source| io_error("read the log mark", source))?;
    match found {
        MarkFound::Good(mark) => Ok(mark),
        MarkFound::Damaged => Err(StartError::LostDisk("the log mark is damaged".into())),
        // The mark is created first, so a store without one has lost it.
        MarkFound::Missing if path.exists() => {
            Err(StartError::LostDisk("the log mark is missing".into()))
        }
        MarkFound::Missing => {
            mark::create(mark_path).map_err(|source| io_error("create the log mark", source))?;
            Ok(Mark::default())
        }
    }
}

fn io_error(action: &str, source: std::io::Error) -> StartError {
    StartError::Io {
        action: action.to_owned(),
        source,
    }
}
