//! Reading all logs when a node starts, and refusing those that are not what was promised.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::kv::{Bug, DB, IteratorMode, ReadOptions, planted};
use eggs_proto::GroupId;

use super::keys;
use super::mark::Mark;
use crate::types::{LogId, Vote};
use crate::{StartError, codec};

/// What one group's log holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecoveredLog {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    /// Hash after the last purged record.
    pub(crate) purged_hash: Option<u64>,
    pub(crate) last: Option<LogId>,
    /// Index of the first entry that is there, or would be.
    pub(crate) first: u64,
    /// Hash after the last record; `None` before the first.
    pub(crate) hash: Option<u64>,
    /// Bytes of all its records.
    pub(crate) bytes: u64,
}

/// What the whole store holds.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) mark: Mark,
    pub(crate) groups: BTreeMap<GroupId, RecoveredLog>,
}

/// Reads and checks every record.
pub(crate) fn recover(db: &DB, promised: Mark) -> Result<Recovered, StartError> {
    let began = Instant::now();
    let mut recovered = read_facts(db)?;
    check_mark(recovered.mark, promised)?;
    let entries = family(db, keys::ENTRIES)?;
    for item in db.iterator_cf_opt(entries, once_through(), IteratorMode::Start) {
        let (key, value) = item.map_err(store_error)?;
        let (group, index) = keys::parse_entry_key(&key)
            .ok_or_else(|| damage(GroupId(0), 0, "a key of the wrong length"))?;
        let log = recovered.groups.entry(group).or_default();
        check_record(group, index, &value, log)?;
    }
    let bytes: u64 = recovered.groups.values().map(|log| log.bytes).sum();
    tracing::info!(groups = recovered.groups.len(), bytes, took = ?began.elapsed(), "logs read and checked");
    Ok(recovered)
}

/// For reading all of a table in order: ahead, and without pushing anything out of the cache.
fn once_through() -> ReadOptions {
    const AHEAD: usize = 1 << 20;
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(AHEAD);
    options
}

fn check_mark(found: Mark, promised: Mark) -> Result<(), StartError> {
    if found.number < promised.number && !planted(Bug::LostTailAccepted) {
        return Err(StartError::LostDisk(format!(
            "batch {} was promised, the log ends with batch {}",
            promised.number, found.number
        )));
    }
    if found.number == promised.number
        && found.hash != promised.hash
        && !planted(Bug::OtherTailAccepted)
    {
        return Err(StartError::LostDisk(format!(
            "batch {} is not the one that was promised",
            promised.number
        )));
    }
    Ok(())
}

fn check_record(
    group: GroupId,
    index: u64,
    value: &[u8],
    log: &mut RecoveredLog,
) -> Result<(), StartError> {
    // Where a log begins is secured by the hash: that of a later record depends on the first.
    let expected = log.last.map_or(index, |last| last.index() + 1);
    if index != expected {
        let cause = format!("expected entry {expected}, found {index}");
        return Err(damage(group, index, &cause));
    }
    let (hash, record) =
        keys::split_hash(value).ok_or_else(|| damage(group, index, "too short"))?;
    let before = log.hash.unwrap_or_else(|| keys::first_hash(group));
    if keys::next_hash(before, record) != hash && !planted(Bug::WrongHashAccepted) {
        return Err(damage(group, index, "its running hash does not match"));
    }
    let entry =
        codec::decode_entry(record).map_err(|cause| damage(group, index, &cause.to_string()))?;
    if entry.log_id.index() != index {
        return Err(damage(group, index, "it says that it is another entry"));
    }
    if log.last.is_none() {
        log.first = index;
    }
    log.last = Some(entry.log_id);
    log.hash = Some(hash);
    log.bytes += value.len() as u64;
    Ok(())
}

fn read_facts(db: &DB) -> Result<Recovered, StartError> {
    let mut recovered = Recovered {
        mark: Mark::default(),
        groups: BTreeMap::new(),
    };
    for item in db.iterator_cf(family(db, keys::FACTS)?, IteratorMode::Start) {
        let (key, value) = item.map_err(store_error)?;
        if key.as_ref() == keys::BATCH_KEY {
            recovered.mark = read_mark(&value)?;
            continue;
        }
        let [high, low, tag] = *key else {
            return Err(damage(GroupId(0), 0, "an unknown fact"));
        };
        let group = GroupId(u16::from_be_bytes([high, low]));
        let log = recovered.groups.entry(group).or_default();
        let bad = |cause: codec::Undecodable| damage(group, 0, &cause.to_string());
        match tag {
            b'v' => log.vote = Some(codec::decode_vote(&value).map_err(bad)?),
            b'p' => {
                let (hash, id) = keys::split_hash(&value)
                    .ok_or_else(|| damage(group, 0, "the purge fact is too short"))?;
                let purged = codec::decode_log_id(id).map_err(bad)?;
                log.first = purged.index() + 1;
                log.purged = Some(purged);
                log.purged_hash = Some(hash);
                log.last = Some(purged);
                log.hash = Some(hash);
            }
            _ => return Err(damage(group, 0, "an unknown fact")),
        }
    }
    Ok(recovered)
}

fn read_mark(value: &[u8]) -> Result<Mark, StartError> {
    let bad = || damage(GroupId(0), 0, "the batch number is not 16 bytes");
    let (number, rest) = keys::split_hash(value).ok_or_else(bad)?;
    let (hash, _) = keys::split_hash(rest).ok_or_else(bad)?;
    Ok(Mark { number, hash })
}

fn family<'a>(db: &'a DB, name: &str) -> Result<&'a crate::kv::ColumnFamily, StartError> {
    db.cf_handle(name).ok_or_else(|| StartError::Store {
        store: "log",
        cause: format!("no column family {name}"),
    })
}

fn store_error(cause: crate::kv::Error) -> StartError {
    StartError::of_store("log", cause)
}

fn damage(group: GroupId, index: u64, cause: &str) -> StartError {
    StartError::DamagedLog {
        group,
        index,
        cause: cause.to_owned(),
    }
}
