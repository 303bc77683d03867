//! What survives, and what is refused, when a node starts again.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::GroupId;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};

use super::keys;
use super::{GroupLog, LogDb};
use crate::fatal::Fatal;
use crate::rocks::SharedMemory;
use crate::types::{LogEntry, LogId, Proposal, Vote};
use crate::{Limits, StartError};

const GROUP: GroupId = GroupId(5);
const OTHER: GroupId = GroupId(6);

fn try_open(dir: &Path) -> Result<Arc<LogDb>, StartError> {
    let limits = Limits::default();
    LogDb::open(dir, &limits, &SharedMemory::new(&limits), &Fatal::new())
}

fn open(dir: &Path) -> Arc<LogDb> {
    try_open(dir).unwrap()
}

fn entry(term: u64, index: u64) -> LogEntry {
    LogEntry {
        log_id: LogId::new_term_index(term, index),
        payload: openraft::EntryPayload::Normal(Proposal(Bytes::from(vec![7; 100]))),
    }
}

async fn append(log: &Arc<LogDb>, group: GroupId, term: u64, range: std::ops::Range<u64>) {
    let entries = range.map(|index| entry(term, index));
    log.group(group).blocking_append(entries).await.unwrap();
}

/// Appends one by one.
async fn fill(log: &Arc<LogDb>, count: u64) -> GroupLog {
    let mut group = log.group(GROUP);
    for index in 0..count {
        group.blocking_append([entry(1, index)]).await.unwrap();
    }
    group
}

async fn last(log: &Arc<LogDb>, group: GroupId) -> Option<u64> {
    let state = log.group(group).get_log_state().await.unwrap();
    state.last_log_id.map(|id| id.index())
}

/// The write-ahead log that holds the newest records.
fn newest_wal(dir: &Path) -> PathBuf {
    let mut logs: Vec<_> = std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    logs.sort();
    logs.pop().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The directory as `kill -9` at this moment would leave it.
fn crash_image(dir: &Path, marked: u64) -> tempfile::TempDir {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !matches!(super::mark::read(&dir.join("log.mark")).unwrap(),
        super::mark::MarkFound::Good(mark) if mark.number >= marked)
    {
        assert!(std::time::Instant::now() < end, "the mark does not follow");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    image
}

#[tokio::test]
async fn everything_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, GROUP, 1, 0..10).await;
    append(&log, OTHER, 2, 0..3).await;
    let vote = Vote::new_committed(4, 9);
    log.group(OTHER).save_vote(&vote).await.unwrap();
    let image = crash_image(dir.path(), 3);
    let again = open(image.path());
    assert_eq!(last(&again, GROUP).await, Some(9));
    assert_eq!(last(&again, OTHER).await, Some(2));
    let mut group = again.group(OTHER);
    assert_eq!(group.read_vote().await.unwrap(), Some(vote));
    assert_eq!(
        group.try_get_log_entries(1..).await.unwrap(),
        [entry(2, 1), entry(2, 2)]
    );
    assert!(again.group(GroupId(99)).is_pristine());
}

#[tokio::test]
async fn a_purge_and_a_truncation_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut group = log.group(GROUP);
    group
        .blocking_append((0..200).map(|i| entry(1, i)))
        .await
        .unwrap();
    group.purge(LogId::new_term_index(1, 9)).await.unwrap();
    let to = LogId::new_term_index(1, 100);
    group.truncate_after(Some(to)).await.unwrap();
    group.blocking_append([entry(2, 101)]).await.unwrap();
    // Down to what was purged, and up again.
    let to = LogId::new_term_index(1, 9);
    group.truncate_after(Some(to)).await.unwrap();
    group.blocking_append([entry(3, 10)]).await.unwrap();
    let image = crash_image(dir.path(), 4);
    let again = open(image.path());
    let mut group = again.group(GROUP);
    let state = group.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(to));
    assert_eq!(state.last_log_id, Some(LogId::new_term_index(3, 10)));
    assert_eq!(group.try_get_log_entries(..).await.unwrap(), [entry(3, 10)]);
}

#[tokio::test]
async fn a_purge_beyond_the_end_starts_a_new_chain() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut group = log.group(GROUP);
    group
        .blocking_append((0..5).map(|i| entry(1, i)))
        .await
        .unwrap();
    group.purge(LogId::new_term_index(2, 50)).await.unwrap();
    group.blocking_append([entry(2, 51)]).await.unwrap();
    let image = crash_image(dir.path(), 2);
    let again = open(image.path());
    assert_eq!(last(&again, GROUP).await, Some(51));
}

#[tokio::test]
async fn a_torn_tail_beyond_the_mark_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut group = fill(&log, 10).await;
    let image = crash_image(dir.path(), 10);
    // More is written, but the mark in the image does not know of it.
    for index in 10..12 {
        group.blocking_append([entry(1, index)]).await.unwrap();
    }
    std::fs::copy(newest_wal(dir.path()), newest_wal(image.path())).unwrap();
    let wal = newest_wal(image.path());
    let used = used_bytes(&wal);
    let file = std::fs::OpenOptions::new().write(true).open(&wal).unwrap();
    file.set_len(used - 10).unwrap();
    let again = open(image.path());
    assert_eq!(last(&again, GROUP).await, Some(10));
    let mut group = again.group(GROUP);
    group.blocking_append([entry(1, 11)]).await.unwrap();
    let state = group.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, Some(LogId::new_term_index(1, 11)));
}

/// Bytes of a file up to the last one that is not zero.
fn used_bytes(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|b| *b != 0).unwrap() as u64 + 1
}

#[tokio::test]
async fn less_than_the_mark_is_a_lost_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 10).await;
    let image = crash_image(dir.path(), 10);
    let wal = newest_wal(image.path());
    let used = used_bytes(&wal);
    let file = std::fs::OpenOptions::new().write(true).open(&wal).unwrap();
    file.set_len(used - 10).unwrap(); // one batch short of what was promised
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::LostDisk(_))
    ));
}

#[tokio::test]
async fn a_flipped_bit_in_the_tail_is_a_lost_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 10).await;
    let image = crash_image(dir.path(), 10);
    let wal = newest_wal(image.path());
    let half = used_bytes(&wal) / 2;
    let file = std::fs::OpenOptions::new().write(true).open(&wal).unwrap();
    file.write_all_at(&[0xa5; 4], half).unwrap();
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::LostDisk(_))
    ));
}

#[tokio::test]
async fn an_empty_store_with_a_mark_and_a_store_without_one_are_lost_disks() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 3).await;
    let image = crash_image(dir.path(), 3);
    std::fs::remove_dir_all(image.path().join("log")).unwrap();
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::LostDisk(_))
    ));
    let image = crash_image(dir.path(), 3);
    std::fs::remove_file(image.path().join("log.mark")).unwrap();
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::LostDisk(_))
    ));
}

#[tokio::test]
async fn a_record_that_is_not_the_one_that_was_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 5).await;
    let entries = log.db.cf_handle(keys::ENTRIES).unwrap();
    let key = keys::entry_key(GROUP, 3);
    let good = log.db.get_cf(entries, key).unwrap().unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    log.db.put_cf(entries, key, &bad).unwrap();
    let image = crash_image(dir.path(), 5);
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::DamagedLog { index: 3, .. })
    ));
    log.db.delete_cf(entries, key).unwrap();
    let image = crash_image(dir.path(), 5);
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::DamagedLog { index: 4, .. })
    ));
    log.db.put_cf(entries, key, &good).unwrap();
    open(crash_image(dir.path(), 5).path());
    log.db
        .delete_cf(entries, keys::entry_key(GROUP, 0))
        .unwrap();
    let image = crash_image(dir.path(), 5);
    assert!(matches!(
        try_open(image.path()),
        Err(StartError::DamagedLog { index: 1, .. })
    ));
}

#[tokio::test]
async fn what_waits_together_is_synced_together() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let writes: Vec<_> = (0..64)
        .map(|group| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { append(&log, GroupId(group), 1, 0..1).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    let facts = log.db.cf_handle(keys::FACTS).unwrap();
    let batch = log.db.get_cf(facts, keys::BATCH_KEY).unwrap().unwrap();
    let (batches, _) = keys::split_hash(&batch).unwrap();
    assert!(batches < 32, "{batches} batches for 64 writes");
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("log");
    let families = ["default", keys::ENTRIES, keys::FACTS];
    let options = rocksdb::Options::default();
    let db = rocksdb::DB::open_cf_for_read_only(&options, &path, families, false).unwrap();
    let fatal = Fatal::new();
    let mark = super::mark::Mark::default();
    let marker =
        super::mark::Marker::start(&dir.path().join("log.mark"), mark, fatal.clone()).unwrap();
    let outcomes = Arc::<super::outcomes::Outcomes>::default();
    let telling = tokio::spawn(Arc::clone(&outcomes).run());
    let writer = super::writer::Writer {
        db: Arc::new(db),
        last: mark,
        marker: Arc::new(marker),
        fatal: fatal.clone(),
        outcome: Ok(()),
        outcomes,
    };
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let thread = std::thread::spawn(move || writer.run(receiver));
    for _ in 0..2 {
        let (done, told) = tokio::sync::oneshot::channel();
        let job = super::batch::Job {
            group: GROUP,
            change: super::batch::Change::Vote(vec![1]),
            done: super::batch::Done::Waiting(done),
        };
        assert!(sender.send(job).await.is_ok());
        assert!(told.await.unwrap().is_err());
    }
    assert!(fatal.wait().await.contains("log failed"));
    drop(sender);
    thread.join().unwrap();
    telling.abort();
}
