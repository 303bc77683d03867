//! The one thread that writes the logs of all groups: gathers what waits, writes it as one batch, syncs once.

use std::sync::Arc;
#[cfg(not(feature = "sim"))]
use std::time::Duration;

use crate::kv::{Bug, DB, WriteBatch, WriteOptions, planted};
use tokio::sync::mpsc;
use xxhash_rust::xxh64::xxh64;

use super::batch::{Change, Durability, Job};
use super::keys;
use super::mark::{Mark, Marker};
use super::outcomes::{Outcome, Outcomes};
use crate::fatal::Fatal;

/// Most changes in one batch.
const BATCH_JOBS_MAX: usize = 1024;
/// How long the next batch is gathered if the last one was of several changes. A sync that serves two or three of them is
/// a tenth of their CPU time (ADR 29).
#[cfg(not(feature = "sim"))]
const GATHER: Duration = Duration::from_micros(400);

pub(crate) struct Writer {
    pub(crate) db: Arc<DB>,
    pub(crate) last: Mark,
    pub(crate) marker: Arc<Marker>,
    pub(crate) fatal: Fatal,
    /// The first failure is the last word.
    pub(crate) outcome: Outcome,
    pub(crate) outcomes: Arc<Outcomes>,
    #[cfg(feature = "sim")]
    pub(crate) dir: std::path::PathBuf,
}

impl Writer {
    /// Runs until all senders are gone.
    #[cfg(not(feature = "sim"))]
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut gathered = Vec::with_capacity(BATCH_JOBS_MAX);
        let mut crowded = false;
        while jobs.blocking_recv_many(&mut gathered, BATCH_JOBS_MAX) > 0 {
            if crowded {
                std::thread::sleep(GATHER);
                while gathered.len() < BATCH_JOBS_MAX
                    && let Ok(job) = jobs.try_recv()
                {
                    gathered.push(job);
                }
            }
            crowded = gathered.len() > 1;
            self.do_jobs(&mut gathered);
        }
    }

    /// The same where time is simulated: each sync takes a while.
    #[cfg(feature = "sim")]
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut gathered = Vec::with_capacity(BATCH_JOBS_MAX);
        while jobs.recv_many(&mut gathered, BATCH_JOBS_MAX).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            self.do_jobs(&mut gathered);
        }
    }

    fn do_jobs(&mut self, gathered: &mut Vec<Job>) {
        if self.outcome.is_ok() {
            self.outcome = self.write(gathered);
            if let Err(cause) = &self.outcome {
                // What the disk holds is unknown from here on: nothing is tried again.
                self.fatal
                    .report(format!("write to the log failed: {cause}"));
            }
        }
        let done = gathered.drain(..).map(|job| job.done).collect();
        self.outcomes.add(done, self.outcome.clone());
        #[cfg(all(feature = "bugs", not(feature = "sim")))]
        self.sync_too_late();
    }

    /// What a writer does that has acknowledged already.
    #[cfg(all(feature = "bugs", not(feature = "sim")))]
    fn sync_too_late(&mut self) {
        if planted(Bug::AcknowledgedBeforeSync) {
            let synced = self.db.flush_wal(true);
            self.outcome = synced.map_err(crate::kv::Error::into_string);
            self.marker.raise(self.last);
        }
    }

    fn write(&mut self, jobs: &[Job]) -> Result<(), String> {
        let entries = self.db.cf_handle(keys::ENTRIES).ok_or("no entries")?;
        let facts = self.db.cf_handle(keys::FACTS).ok_or("no facts")?;
        let mut batch = WriteBatch::default();
        let mut hash = self.last.hash;
        let mut synced = false;
        for job in jobs {
            let group = job.group;
            synced |= job.change.durability() == Durability::Synced;
            match &job.change {
                Change::Append(records) => {
                    for record in records {
                        batch.put_cf(entries, keys::entry_key(group, record.index), &record.value);
                        hash = xxh64(&record.hash.to_le_bytes(), hash);
                    }
                }
                Change::Truncate { from } => batch.delete_range_cf(
                    entries,
                    keys::entry_key(group, *from),
                    keys::entry_key(group, u64::MAX),
                ),
                Change::Purge { upto, value } => {
                    batch.delete_range_cf(
                        entries,
                        keys::entry_key(group, 0),
                        keys::entry_key(group, upto.saturating_add(1)),
                    );
                    batch.put_cf(facts, keys::purged_key(group), value);
                }
                Change::Vote(vote) => {
                    batch.put_cf(facts, keys::vote_key(group), vote);
                    hash = xxh64(vote, hash);
                }
            }
        }
        let mark = Mark {
            number: self.last.number + 1,
            hash,
        };
        let value = keys::with_hash(mark.number, &mark.hash.to_le_bytes());
        batch.put_cf(facts, keys::BATCH_KEY, value);
        let mut options = WriteOptions::default();
        // The simulated disk has its own way of this bug.
        let early = cfg!(not(feature = "sim")) && planted(Bug::AcknowledgedBeforeSync);
        options.set_sync(synced && !early);
        #[cfg(feature = "sim")]
        crate::sim::loosen(&self.dir, jobs);
        self.db
            .write_opt(batch, &options)
            .map_err(crate::kv::Error::into_string)?;
        #[cfg(feature = "sim")]
        crate::sim::keep(&self.dir, jobs);
        self.last = mark;
        if synced && !early {
            self.marker.raise(mark);
        }
        Ok(())
    }
}
