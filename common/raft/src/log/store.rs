//! One group's log, as openraft sees it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use crate::kv::{Direction, IteratorMode, ReadOptions};
use eggs_proto::GroupId;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::{mpsc, oneshot};

use super::RecoveredLog;
use super::batch::{Change, Done, Job, Record};
use super::db::{LogDb, QUEUE_BYTES_MAX};
use super::keys;
use super::tail::{Recent, Tail};
use crate::codec;
use crate::types::{LogEntry, LogId, TypeConfig, Vote};

/// Most bytes of entries in one request to a follower; one entry always goes.
const REPLICATE_BYTES_MAX: usize = 1 << 20;

/// One group's log. Clones share everything.
#[derive(Clone)]
pub(crate) struct GroupLog {
    db: Arc<LogDb>,
    group: GroupId,
    tail: Arc<Tail>,
    /// Bytes of records since the last purge, roughly: what a checkpoint could free.
    bytes: Arc<AtomicU64>,
}

impl GroupLog {
    pub(super) fn new(db: Arc<LogDb>, group: GroupId, recovered: RecoveredLog) -> Self {
        Self {
            db,
            group,
            tail: Arc::new(Tail::new(group, &recovered)),
            bytes: Arc::new(AtomicU64::new(recovered.bytes)),
        }
    }

    /// Whether nothing was ever written for this group.
    pub(crate) fn is_pristine(&self) -> bool {
        let ends = self.tail.lock();
        ends.vote.is_none() && ends.last.is_none()
    }

    /// The last purged and the last entry.
    pub(crate) fn ends(&self) -> (Option<LogId>, Option<LogId>) {
        let ends = self.tail.lock();
        (ends.purged, ends.last)
    }

    /// Bytes of records since the last purge, roughly.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn sender(&self) -> io::Result<mpsc::Sender<Job>> {
        let jobs = self.db.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.clone()
            .ok_or_else(|| io::Error::other("the log is closed"))
    }

    async fn submit(&self, change: Change, done: Done) -> io::Result<()> {
        let job = Job {
            group: self.group,
            change,
            done,
        };
        let sent = self.sender()?.send(job).await;
        sent.map_err(|_| io::Error::other("the log writer has stopped"))
    }

    async fn submit_and_wait(&self, change: Change) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.submit(change, Done::Waiting(sender)).await?;
        receiver
            .await
            .map_err(|_| io::Error::other("the log writer has stopped"))?
    }

    /// Encodes entries, makes them readable, and returns their records and size.
    fn take_in(&self, entries: impl Iterator<Item = LogEntry>) -> io::Result<(Vec<Record>, usize)> {
        let mut ends = self.tail.lock();
        let (mut records, mut bytes) = (Vec::new(), 0);
        for entry in entries {
            let index = entry.log_id.index();
            let expected = ends.last.map_or(index, |last| last.index() + 1);
            if index != expected {
                return Err(io::Error::other(format!(
                    "{}: entry {index} appended where {expected} comes next",
                    self.group
                )));
            }
            let record = codec::encode_entry(&entry);
            let hash = keys::next_hash(ends.hash, &record);
            bytes += record.len();
            ends.push(Recent {
                entry,
                hash,
                bytes: record.len(),
            });
            records.push(Record {
                index,
                hash,
                value: keys::with_hash(hash, &record),
            });
        }
        Ok((records, bytes))
    }

    /// The running hash after an entry that is in the log.
    fn hash_at(&self, index: u64) -> io::Result<u64> {
        {
            let ends = self.tail.lock();
            if index < ends.first {
                return Ok(ends.purged_hash); // the chain of what is left begins after it
            }
            let recent = ends
                .recent_from()
                .and_then(|from| index.checked_sub(from))
                .and_then(|at| ends.recent.get(usize::try_from(at).ok()?));
            if let Some(recent) = recent {
                return Ok(recent.hash);
            }
        }
        let entries = self.entries()?;
        let value = self
            .db
            .db
            .get_pinned_cf(entries, keys::entry_key(self.group, index))
            .map_err(io::Error::other)?;
        value
            .as_deref()
            .and_then(keys::split_hash)
            .map(|(hash, _)| hash)
            .ok_or_else(|| io::Error::other(format!("{}: entry {index} is gone", self.group)))
    }

    fn entries(&self) -> io::Result<&crate::kv::ColumnFamily> {
        let handle = self.db.db.cf_handle(keys::ENTRIES);
        handle.ok_or_else(|| io::Error::other("no column family for entries"))
    }

    /// Entries of `start..end`, at least one if there is one, at most `bytes_max` bytes.
    fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        let (start, end, recent) = self.read_recent(start, end);
        let mut found = Vec::new();
        let mut bytes = 0;
        if start < end {
            let mut options = ReadOptions::default();
            options.set_iterate_upper_bound(keys::entry_key(self.group, end));
            let from = keys::entry_key(self.group, start);
            let mode = IteratorMode::From(&from, Direction::Forward);
            let mut expected = start;
            for item in self.db.db.iterator_cf_opt(self.entries()?, options, mode) {
                let (_, value) = item.map_err(io::Error::other)?;
                let entry = decode(&value)?;
                if entry.log_id.index() != expected {
                    break;
                }
                expected += 1;
                bytes += value.len();
                if bytes > bytes_max && !found.is_empty() {
                    return Ok(found);
                }
                found.push(entry);
            }
            if expected != end {
                // A purge may have overtaken this read; what it removed is nobody's any more.
                if self.ends().0.is_some_and(|purged| purged.index() >= start) {
                    return Ok(Vec::new());
                }
                let cause = format!("{}: entry {expected} is missing", self.group);
                return Err(io::Error::other(cause));
            }
        }
        for one in recent {
            bytes += one.bytes;
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(one.entry);
        }
        Ok(found)
    }

    /// Splits a range into what must be read from disk and what is in memory.
    fn read_recent(&self, start: u64, end: u64) -> (u64, u64, Vec<Recent>) {
        let ends = self.tail.lock();
        let start = start.max(ends.first);
        let end = end.min(ends.last.map_or(0, |id| id.index() + 1));
        let Some(from) = ends.recent_from() else {
            return (start, end, Vec::new());
        };
        let recent = ends
            .recent
            .iter()
            .filter(|r| (start..end).contains(&r.entry.log_id.index()))
            .cloned()
            .collect();
        (start, end.min(from), recent)
    }
}

fn decode(value: &[u8]) -> io::Result<LogEntry> {
    let (_, record) =
        keys::split_hash(value).ok_or_else(|| io::Error::other("a log record is too short"))?;
    codec::decode_entry(record).map_err(io::Error::other)
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for GroupLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<LogEntry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.tail.lock().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<LogEntry>, io::Error> {
        self.read(start, end, REPLICATE_BYTES_MAX)
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let ends = self.tail.lock();
        Ok(LogState {
            last_purged_log_id: ends.purged,
            last_log_id: ends.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.submit_and_wait(Change::Vote(codec::encode_vote(vote)))
            .await?;
        self.tail.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (records, bytes) = self.take_in(entries.into_iter())?;
        let Some(last) = records.last().map(|record| record.index) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let wanted = u32::try_from(bytes.clamp(1, QUEUE_BYTES_MAX)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.db.bytes)
            .acquire_many_owned(wanted)
            .await
            .map_err(|_| io::Error::other("the log is closed"))?;
        let done = Done::Appended {
            callback,
            tail: Arc::clone(&self.tail),
            last,
            _bytes: permit,
        };
        self.submit(Change::Append(records), done).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.as_ref().map_or(0, |id| id.index() + 1);
        if self.ends().1.is_none_or(|last| last.index() < from) {
            return Ok(()); // there is nothing after it
        }
        let hash = match last_log_id {
            None => keys::first_hash(self.group),
            Some(id) => self.hash_at(id.index())?,
        };
        {
            let mut ends = self.tail.lock();
            ends.cut(from);
            ends.last = last_log_id;
            ends.first = ends.first.min(from);
            ends.hash = hash;
        }
        self.submit_and_wait(Change::Truncate { from }).await?;
        self.tail.lock().written_only_before(from);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let index = log_id.index();
        let (purged, last) = self.ends();
        if purged.is_some_and(|purged| purged.index() >= index) {
            return Ok(());
        }
        // A checkpoint may be ahead of the log: the chain then starts anew after it.
        let beyond = last.is_none_or(|last| last.index() < index);
        let hash = if beyond {
            keys::first_hash(self.group)
        } else {
            self.hash_at(index)?
        };
        {
            let mut ends = self.tail.lock();
            ends.drop_upto(index);
            ends.purged = Some(log_id);
            ends.first = ends.first.max(index + 1);
            ends.purged_hash = hash;
            if beyond {
                ends.last = Some(log_id);
                ends.hash = hash;
            }
        }
        self.bytes.store(0, Ordering::Relaxed);
        let value = keys::with_hash(hash, &codec::encode_log_id(&log_id));
        self.submit(Change::Purge { upto: index, value }, Done::Nobody)
            .await
    }
}
