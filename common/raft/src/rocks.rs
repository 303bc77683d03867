//! How both stores are opened: small, shared, with few threads.
#![cfg_attr(feature = "sim", allow(dead_code, unused_imports))] // opened, they are in memory there

use std::ops::Range;
use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager,
};

use eggs_machine::{REPLIES, REPLY_TABLES};
use rustix::process::{Resource, getrlimit};

use crate::state::WHEN_BUSY;
use crate::{Limits, StartError};

/// Memory that both stores of a node share.
pub(crate) struct SharedMemory {
    cache: Cache,
}

impl SharedMemory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            // Not cut into parts, each of which a large block might not fit in, and without locks for readers.
            cache: Cache::new_hyper_clock_cache(limits.block_cache_bytes, 0),
        }
    }
}

/// Which of the two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// Synced write-ahead log; what is in it was promised.
    Log,
    /// No write-ahead log: replayed from the log after a crash. Flushes are atomic over all column families, so
    /// what a crash leaves is a state that was.
    State,
}

impl StoreKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::State => "state",
        }
    }
}

/// Whether the reason for which a node has ended says that a store holds something else than was written to it. RocksDB
/// says so in these words; by the time a node ends, they are all that is left of the error.
pub fn is_rot(reason: &str) -> bool {
    reason.contains("Corruption: ")
}

/// Opens one store with its column families.
#[cfg(feature = "sim")]
pub(crate) fn open(
    kind: StoreKind,
    path: &Path,
    families: &[&str],
    _limits: &Limits,
    _memory: &SharedMemory,
) -> Result<crate::kv::DB, StartError> {
    Ok(crate::kv::DB::open(kind, path, families))
}

/// Opens one store with its column families.
#[cfg(not(feature = "sim"))]
pub(crate) fn open(
    kind: StoreKind,
    path: &Path,
    families: &[&str],
    limits: &Limits,
    memory: &SharedMemory,
) -> Result<DB, StartError> {
    let options = database_options(kind, limits);
    let descriptors = families
        .iter()
        .map(|name| ColumnFamilyDescriptor::new(*name, family_options(kind, name, limits, memory)));
    DB::open_cf_descriptors(&options, path, descriptors)
        .map_err(|cause| StartError::of_store(kind.name(), cause))
}

/// Files of a store that stay open: a file that is opened anew for a key costs several times what looking for the key does, and RocksDB
/// spreads them over 64 caches by a hash, some of which are full long before the others. 10,000,000 files on three replicas are 45 files of
/// a store, so this is for larger ones.
fn open_files_max() -> i32 {
    const STAY_OPEN: Range<u64> = 256..4096;
    let may = getrlimit(Resource::Nofile).current.unwrap_or(STAY_OPEN.end);
    // There are two stores, and connections need some.
    (may / 4).clamp(STAY_OPEN.start, STAY_OPEN.end) as i32
}

const fn buffer_bytes(kind: StoreKind, limits: &Limits) -> usize {
    match kind {
        StoreKind::Log => limits.log_buffer_bytes,
        StoreKind::State => limits.state_buffer_bytes,
    }
}

/// Pieces that filters and indexes of the state's files are read in. A file's filter or index in one piece grows with the file, and one that
/// the cache does not keep is read and verified as a whole for each key that is looked for; the smaller the pieces, the longer takes the search for
/// the right one, once for each file.
const PIECE_BYTES: usize = 16 << 10;

/// Files of the first level of logs, and of replies, that are merged into the next.
const FILES_OF_LOGS: i32 = 16;

/// Files of the first level that are merged into the next. Logs are purged, and replies dropped: merging them more often is hardly worth it, and was
/// about half of all merging (ADR 39).
const fn files_merged_at_once(kind: StoreKind, is_replies: bool) -> i32 {
    match kind {
        StoreKind::State if !is_replies => WHEN_BUSY as i32,
        StoreKind::State | StoreKind::Log => FILES_OF_LOGS,
    }
}

/// Flushes that make up the largest size of the level below the first. A first level that is larger than that is merged as well, however few
/// files it has: logs, most of which one table has, wait for all their files. A state is spread over its tables, and a merge writes that level again.
const fn flushes_of_base(kind: StoreKind) -> u64 {
    match kind {
        StoreKind::State => 4,
        StoreKind::Log => FILES_OF_LOGS as u64,
    }
}

fn database_options(kind: StoreKind, limits: &Limits) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(2);
    options.set_max_open_files(open_files_max());
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    // What is flushed and merged goes to the disk bit by bit, not all at once in the way of the log's next sync.
    options.set_bytes_per_sync(1 << 20);
    // Memtables of all column families together; the largest is flushed when they exceed it.
    let buffer = buffer_bytes(kind, limits);
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(buffer, false));
    match kind {
        StoreKind::Log => {
            // A torn tail is cut off here; whether it was more than a tail is for the mark to say.
            options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
            // Overwriting an old file spares the fsync a change of its size.
            options.set_recycle_log_file_num(4);
            options.set_max_total_wal_size(4 * buffer as u64);
        }
        StoreKind::State => options.set_atomic_flush(true),
    }
    options
}

fn family_options(kind: StoreKind, name: &str, limits: &Limits, memory: &SharedMemory) -> Options {
    let is_replies = REPLY_TABLES
        .iter()
        .any(|spec| spec.table == REPLIES && spec.name == name);
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&memory.cache);
    if kind == StoreKind::State {
        blocks.set_bloom_filter(10.0, false);
    }
    // Each request is looked for among the replies of up to twenty minutes and in each of their files, hardly ever with success: what their
    // filters take is bounded by that time, and is not worth a look into the cache.
    if !is_replies {
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    }
    if kind == StoreKind::State && !is_replies {
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_metadata_block_size(PIECE_BYTES);
    }
    let mut options = Options::default();
    if kind == StoreKind::State {
        // Half of what a change reads is not there; that is known without a walk through the memtable. Each family takes
        // this share of its buffer at once, and the buffer is shared by all of them.
        options.set_memtable_prefix_bloom_ratio(0.0025);
        options.set_memtable_whole_key_filtering(true);
    }
    options.set_block_based_table_factory(&blocks);
    let buffer = buffer_bytes(kind, limits);
    options.set_write_buffer_size(buffer);
    options.set_max_write_buffer_number(4);
    // A memtable takes one arena block at once: there are many, and most stay small.
    options.set_arena_block_size(64 << 10);
    options.set_target_file_size_base(32 << 20);
    options.set_max_bytes_for_level_base(flushes_of_base(kind) * buffer as u64);
    options.set_level_zero_file_num_compaction_trigger(files_merged_at_once(kind, is_replies));
    // Writers are those who answer everybody, so they are not put to sleep when merging falls behind for a while: until it has
    // caught up, reading costs a little more.
    options.set_level_zero_slowdown_writes_trigger(60);
    options.set_level_zero_stop_writes_trigger(120);
    // What was just flushed is merged soon.
    options.set_compression_per_level(&[
        DBCompressionType::None,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
    ]);
    options.set_level_compaction_dynamic_level_bytes(true);
    if is_replies {
        // Replies are dropped as they are after some minutes: merging them level by level would be in vain.
        options.set_compaction_style(DBCompactionStyle::Universal);
    }
    options
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn logs_wait_for_all_their_files_however_large_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            log_buffer_bytes: 1 << 20,
            ..Limits::default()
        };
        let memory = SharedMemory::new(&limits);
        let db = open(StoreKind::Log, dir.path(), &["default"], &limits, &memory).unwrap();
        let count = |what: &str| db.property_int_value(what).unwrap().unwrap();
        for files in 1..FILES_OF_LOGS as u64 {
            for key in 0..8 {
                let key = [files, key].map(u64::to_be_bytes).concat();
                db.put(key, vec![7; limits.log_buffer_bytes / 10]).unwrap();
            }
            db.flush().unwrap();
            let merges = ["compaction-pending", "num-running-compactions"];
            let merges = merges.map(|what| count(&format!("rocksdb.{what}")));
            assert_eq!(merges, [0, 0], "with {files} files");
            assert_eq!(count("rocksdb.num-files-at-level0"), files);
        }
    }

    #[test]
    fn a_table_that_rots_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let open = || {
            let memory = SharedMemory::new(&limits);
            open(StoreKind::State, dir.path(), &["default"], &limits, &memory)
        };
        let db = open().unwrap();
        for key in 0..2000u32 {
            db.put(key.to_be_bytes(), [7; 100]).unwrap();
        }
        db.flush().unwrap();
        drop(db);
        let files = fs::read_dir(dir.path()).unwrap().flatten();
        let tables = files.map(|file| file.path());
        let table = tables.filter(|path| path.extension().is_some_and(|e| e == "sst"));
        let table = table.max().unwrap();
        let mut bytes = fs::read(&table).unwrap();
        bytes[1000] ^= 1;
        fs::write(&table, bytes).unwrap();
        // What is read when a store is opened is whole; the first keys are not.
        let db = open().unwrap();
        let error = db.get(0u32.to_be_bytes()).unwrap_err();
        assert!(crate::kv::is_corruption(&error));
        let fault = eggs_machine::Fault::Store(error.into_string());
        assert!(is_rot(&fault.to_string()));
        drop(db);
        // The list of tables is read at once.
        let current = fs::read_to_string(dir.path().join("CURRENT")).unwrap();
        let list = dir.path().join(current.trim());
        let mut bytes = fs::read(&list).unwrap();
        bytes[20] ^= 1;
        fs::write(&list, bytes).unwrap();
        assert!(open().err().unwrap().is_lost());
        assert!(!is_rot(
            "write to the log failed: IO error: No space left on device"
        ));
    }
}
